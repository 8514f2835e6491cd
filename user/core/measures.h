/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What incidents add up to, for metrics: trips by their rule, and how long it took until processes were told and
 * until they had ended, as histograms. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "apoptosis/abi.h"
#include "core/history.h"

#define HISTOGRAM_BOUNDS_MAX 16

struct histogram_bounds {
	size_t count;
	uint64_t ns[HISTOGRAM_BOUNDS_MAX]; /* ascending; each is part of what it bounds */
};

struct histogram {
	uint64_t counts[HISTOGRAM_BOUNDS_MAX + 1]; /* one for each bound; beyond the last */
	uint64_t sum_ns;
};

extern const struct histogram_bounds measures_latency_bounds, measures_shutdown_bounds;

/* All zero at first. */
struct measures {
	uint64_t trips
		[APO_RULES]; /* by rule; 0: the record of the trip was lost. Warnings are none */
	struct histogram latency;  /* from the line to the handler */
	struct histogram shutdown; /* from the signal to the end */
};

/* Of an incident that opens. Warnings are not counted: they are no trips. */
void measures_open(struct measures *measures, enum apo_rule rule);
/* Of a verdict. What is not known of it is not counted. */
void measures_close(struct measures *measures, const struct history_row *row);
