/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An incident as a JSON document, schema 1: what `watch --json` prints on one line and what a
 * file of --report-dir holds.
 */
#pragma once

#include <jansson.h>

#include "core/incident.h"

/* event: event_name() of the incident. A new reference; NULL if there is no memory. */
json_t *incident_json(const struct incident *incident, const char *event);

/* In a document that was made before. 0, or -1: it is none, or there is no memory. */
int incident_json_amend(json_t *document, const struct amendment *amendment);
