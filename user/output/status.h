/* SPDX-License-Identifier: BSD-2-Clause */
/* The ready and status events as text for people. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "core/status.h"

/* One line: what is guarded and how. 0 or -errno: see file_result(). */
int ready_text(FILE *file, const struct ready *ready);
/* Small tables: guards, then the processes by size, then counters and verdicts. Same returns. */
int status_text(FILE *file, const struct status *status, bool colour);
