/* SPDX-License-Identifier: BSD-2-Clause */
/* The ready and status events as text for people. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "core/status.h"

/* One line: what is guarded and how. 0 or -errno: see file_result(). */
int ready_text(FILE *file, const struct ready *ready);
/*
 * Of the document of status_json(), perhaps of another version: the guard itself, then tables of the limits, the
 * fullest first, and of the processes by size, then counters and verdicts. Same returns.
 */
int status_text(FILE *file, const json_t *document, bool colour);
