/* SPDX-License-Identifier: BSD-2-Clause */
/* Of which events a hook or a web hook is told, as --hook-events has it: a set of names of events. Pure. */
#pragma once

#include <stdbool.h>

#define NOTIFY_EVENTS_DEFAULT "verdict,oom_kill"
#define NOTIFY_EVENTS_RANGE "one or more of warn, trip, verdict and oom_kill, with commas between"

/* Names with commas between, in any order, to a set. 0 or -EINVAL. */
int notify_events_parse(const char *list, unsigned int *ret);
/* Whether the event of that name (output/event.h) is in the set. */
bool notify_events_have(unsigned int events, const char *name);
