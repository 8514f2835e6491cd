/* SPDX-License-Identifier: BSD-2-Clause */
/* What became of the service of an incident: its line for people, and its JSON. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "core/comeback.h"

struct comeback_event {
	uint64_t id; /* of the incident */
	uint64_t realtime_ns;
	const struct comeback *comeback;
};

/* One line with its newline. 0 or -errno: see file_result(). */
int comeback_line(FILE *file, const struct comeback_event *event, bool colour);

/* The event "after". A new reference; NULL if there is no memory. */
json_t *comeback_event_json(const struct comeback_event *event);
/* The object "after" of that event and of an incident; null where nobody was followed. */
json_t *comeback_json(const struct comeback *comeback);
