/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sink of the history: a row for each verdict, written by a thread of its own, since a disk may hang. Where it is
 * so far behind that there is no room for more, or nothing can be written, rows are lost, and that is told of.
 */
#pragma once

#include "core/history.h"

struct history_sink;

/* path: copied. 0 or -errno. Whether the file can be written shows later: history_sink_trouble(). */
int history_sink_new(struct history_sink **ret, const char *path, uint32_t rows_max);
/* What it has been given is written first. Takes NULL. Returns NULL. */
struct history_sink *history_sink_free(struct history_sink *sink);

/* Never waits. */
void history_sink_add(struct history_sink *sink, const struct history_row *row);

/* Why the last row could not be written, or any was lost, static text; NULL: all are there. */
const char *history_sink_trouble(const struct history_sink *sink);
