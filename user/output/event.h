/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one human line of an event: trip, warning, verdict or OOM kill. What it is follows from the
 * incident: an open incident is a trip (a warning, if the warn rule made it), a missed one is an
 * OOM kill, any other is a verdict. Times are UTC.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "core/incident.h"

#define EVENT_LINE_MAX 159 /* bytes of a line without its newline and colour */

/*
 * One line with its newline, for a reader of all of them: the one of a verdict does not repeat what the one of its
 * trip has told. What does not fit into EVENT_LINE_MAX is left out, and a long path loses its beginning: the whole
 * is in the JSON. 0 or -errno: see file_result().
 */
int event_line(FILE *file, const struct incident *incident, bool colour);
/* The same with all that there is, for readers of nothing but verdicts. */
int event_message(FILE *file, const struct incident *incident);

/* Name of the same event in JSON: "trip", "warn", "verdict", "oom_kill". Never NULL. */
const char *event_name(const struct incident *incident);
