/* SPDX-License-Identifier: BSD-2-Clause */
/* The part of a report that the profiler has filled; its format is in docs/reports.md. */
#pragma once

#include "core/incident.h"
#include "output/json.h"

/* Of an incident that has a recording. */
json_t *recording_json(const struct incident *incident);
