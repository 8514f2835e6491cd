/* SPDX-License-Identifier: BSD-2-Clause */
/* The history for people, for programs and for spreadsheets. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "core/history.h"

/* Tables by guard and by day. 0 or -errno: see file_result(). */
int history_text(FILE *file, struct history *history, bool colour);

/* {"all": .., "guards": [..], "days": [..]}. A new reference; NULL: no memory. */
json_t *history_json(struct history *history);

/* A line of RFC 4180; NULL: its head. What could be taken for a formula begins with a quotation mark. Same returns. */
int history_csv(FILE *file, const struct history_row *row);
