/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/measures.h"

#include "base/util.h"

#define US NSEC_PER_USEC
#define MS NSEC_PER_MSEC
#define S NSEC_PER_SEC

/* A signal of the kernel side takes some 10 us, a handler of a runtime that polls up to 100 ms. */
const struct histogram_bounds measures_latency_bounds = {
	16,
	{10 * US, 25 * US, 50 * US, 100 * US, 250 * US, 500 * US, MS, 2500 * US, 5 * MS, 10 * MS,
	 25 * MS, 50 * MS, 100 * MS, 250 * MS, 500 * MS, S},
};

/* Up to the end of a long grace. */
const struct histogram_bounds measures_shutdown_bounds = {
	13,
	{MS, 5 * MS, 10 * MS, 25 * MS, 50 * MS, 100 * MS, 250 * MS, 500 * MS, S, 2500 * MS, 5 * S,
	 10 * S, 30 * S},
};

static void add(struct histogram *histogram, const struct histogram_bounds *bounds, uint64_t ns)
{
	size_t i = 0;

	while (i < bounds->count && ns > bounds->ns[i])
		i++;
	histogram->counts[i]++;
	histogram->sum_ns = sat_add(histogram->sum_ns, ns);
}

void measures_open(struct measures *measures, enum apo_rule rule)
{
	if (rule < APO_RULES && rule != APO_RULE_WARN)
		measures->trips[rule]++;
}

void measures_close(struct measures *measures, const struct history_row *row)
{
	if (row->latency_ns)
		add(&measures->latency, &measures_latency_bounds, row->latency_ns);
	if (row->shutdown_ns)
		add(&measures->shutdown, &measures_shutdown_bounds, row->shutdown_ns);
}
