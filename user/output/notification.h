/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a hook is told of an event: the event as JSON, with one member more, `text`, which is the line that people see;
 * and the facts that a script asks for most, as variables of its environment. Names that others have chosen are escaped
 * there. Pure.
 */
#pragma once

#include <stddef.h>

#include "core/incident.h"

#define NOTIFICATION_VARIABLES 20 /* at most, with the NULL */

struct notification {
	char *json; /* one line, with its end */
	/* "APOPTOSIS_EVENT=trip", ...: what is not known is empty. NULL at the end. */
	char *environment[NOTIFICATION_VARIABLES];
};

/* guard: of the configuration; NULL: none has a name. Without the recording. 0 or -ENOMEM: *ret is as it was. */
int notification_make(const struct incident *incident, const char *guard, struct notification *ret);
/* Frees what it holds. */
void notification_clear(struct notification *notification);
