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

/* Writes one line with its newline. 0 or -errno: see file_result(). */
int event_line(FILE *file, const struct incident *incident, bool colour);

/* Name of the same event in JSON: "trip", "warn", "verdict", "oom_kill". Never NULL. */
const char *event_name(const struct incident *incident);
