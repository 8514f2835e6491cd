/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What became of incidents over months: one row for each verdict, as sinks/history_db.h keeps it, and sums of rows by
 * guard and by day. Pure.
 */
#pragma once

#include <stdint.h>
#include <stddef.h>

#include "core/config.h"
#include "core/incident.h"

#define HISTORY_CGROUP_LEN 512 /* with its NUL; of a longer path the end counts */

struct history_row {
	uint64_t realtime_ns; /* of the verdict */
	uint64_t id;
	enum verdict verdict;
	char guard[CONFIG_NAME_LEN]; /* of the configuration; empty: none is for it */
	char cgroup[HISTORY_CGROUP_LEN];
	char comm[APO_COMM_LEN + 1]; /* of the target */
	uint64_t latency_ns;	     /* from the line to the handler; 0: not known */
	uint64_t shutdown_ns;	     /* from the signal to the end; 0: not known */
	uint64_t lent_bytes;	     /* at most, on the limit that binds */
};

/* guard: NULL where none is for it. */
struct history_row history_row(const struct incident *incident, const char *guard);

struct history_sum {
	char name[CONFIG_NAME_LEN]; /* of a guard, or "2026-01-31" */
	uint64_t verdicts[VERDICTS];
	uint64_t lent_bytes;
	uint64_t *latencies; /* of those that are known, ascending */
	size_t latency_count;
};

struct history;

/* NULL: no memory. */
struct history *history_new(void);
/* Takes NULL. Returns NULL. */
struct history *history_free(struct history *history);

/* In the order of their times. 0 or -ENOMEM. */
int history_add(struct history *history, const struct history_row *row);

/* After the last row: of all, of each guard that has rows, of each day (UTC) that has rows. */
const struct history_sum *history_all(struct history *history);
const struct history_sum *history_guards(const struct history *history, size_t *ret_count);
const struct history_sum *history_days(const struct history *history, size_t *ret_count);

/* Of those the kernel would have killed or did: what the saved rate is a part of. */
uint64_t history_cases(const struct history_sum *sum);

/*
 * The part that was saved, and what it is likely to be of many more: the interval of Wilson at 95 %. Of no case it is
 * from 0 to 1.
 */
struct history_rate {
	double rate, low, high;
};
struct history_rate history_saved(const struct history_sum *sum);

/* The least latency that so many percent of those known do not exceed; 0: none is known. */
uint64_t history_latency_ns(const struct history_sum *sum, unsigned int percent);
