/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/history.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/util.h"

struct sums {
	struct history_sum *items;
	size_t count;
};

struct history {
	struct history_sum all;
	struct sums guards, days;
};

/* --- rows ---------------------------------------------------------------------------------- */

/* What a name ends in says more than what it begins with. */
static void copy_end(char *to, size_t size, const char *from)
{
	size_t length = from ? strlen(from) : 0, kept = MIN(length, size - 1);

	memcpy(to, (from ?: "") + length - kept, kept);
	to[kept] = '\0';
}

static uint64_t span(uint64_t from_ns, uint64_t to_ns)
{
	return from_ns && to_ns ? sat_sub(to_ns, from_ns) : 0;
}

struct history_row history_row(const struct incident *incident, const char *guard)
{
	struct history_row row = {
		.realtime_ns = incident->judged_ns ?: incident->realtime_ns,
		.id = incident->id,
		.verdict = incident->verdict,
		.latency_ns = span(incident->crossed_ns, incident->delivered_ns),
		.shutdown_ns = span(incident->signal_ns, incident->exit_ns),
		.lent_bytes = MAX(incident->airbag_bytes, incident->loan.lent_bytes),
	};

	copy_end(row.guard, sizeof(row.guard), guard);
	copy_end(row.cgroup, sizeof(row.cgroup), incident->limit_cgroup);
	copy_end(row.comm, sizeof(row.comm), incident->target.comm ?: incident->grower.comm);
	return row;
}

/* --- sums ---------------------------------------------------------------------------------- */

struct history *history_new(void)
{
	return calloc(1, sizeof(struct history));
}

static void clear(struct sums *sums)
{
	for (size_t i = 0; i < sums->count; i++)
		free(sums->items[i].latencies);
	free(sums->items);
}

struct history *history_free(struct history *history)
{
	if (!history)
		return NULL;
	free(history->all.latencies);
	clear(&history->guards);
	clear(&history->days);
	free(history);
	return NULL;
}

/* A power of two above what there is: grown only when the count is one itself. */
static int make_room(void **items, size_t count, size_t size)
{
	void *more;

	if (count & (count - 1))
		return 0;
	more = reallocarray(*items, count ? 2 * count : 1, size);
	if (!more)
		return -ENOMEM;
	*items = more;
	return 0;
}

static int sum_up(struct history_sum *sum, const struct history_row *row)
{
	int r;

	if (row->verdict >= 0 && (size_t)row->verdict < VERDICTS)
		sum->verdicts[row->verdict]++;
	sum->lent_bytes = sat_add(sum->lent_bytes, row->lent_bytes);
	if (!row->latency_ns)
		return 0;
	r = make_room((void **)&sum->latencies, sum->latency_count, sizeof(*sum->latencies));
	if (!r)
		sum->latencies[sum->latency_count++] = row->latency_ns;
	return r;
}

/* The last first: of days it is nearly always that. */
static struct history_sum *find(struct sums *sums, const char *name)
{
	for (size_t i = sums->count; i > 0; i--)
		if (strcmp(sums->items[i - 1].name, name) == 0)
			return &sums->items[i - 1];
	if (make_room((void **)&sums->items, sums->count, sizeof(*sums->items)))
		return NULL;
	sums->items[sums->count] = (struct history_sum){};
	copy_end(sums->items[sums->count].name, CONFIG_NAME_LEN, name);
	return &sums->items[sums->count++];
}

static int sum_up_as(struct sums *sums, const char *name, const struct history_row *row)
{
	struct history_sum *sum = find(sums, name);

	return sum ? sum_up(sum, row) : -ENOMEM;
}

int history_add(struct history *history, const struct history_row *row)
{
	time_t seconds = (time_t)(row->realtime_ns / NSEC_PER_SEC);
	char day[16] = "?";
	struct tm utc;

	if (gmtime_r(&seconds, &utc))
		strftime(day, sizeof(day), "%Y-%m-%d", &utc);
	return sum_up(&history->all, row)
		       ?: sum_up_as(&history->guards, row->guard, row)
		       ?: sum_up_as(&history->days, day, row);
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *p = a, *q = b;

	return (*p > *q) - (*p < *q);
}

static void sort(struct history_sum *sum)
{
	if (sum->latency_count)
		qsort(sum->latencies, sum->latency_count, sizeof(*sum->latencies), by_value);
}

static const struct history_sum *sorted(const struct sums *sums, size_t *ret_count)
{
	for (size_t i = 0; i < sums->count; i++)
		sort(&sums->items[i]);
	*ret_count = sums->count;
	return sums->items;
}

const struct history_sum *history_all(struct history *history)
{
	sort(&history->all);
	return &history->all;
}

const struct history_sum *history_guards(const struct history *history, size_t *ret_count)
{
	return sorted(&history->guards, ret_count);
}

const struct history_sum *history_days(const struct history *history, size_t *ret_count)
{
	return sorted(&history->days, ret_count);
}

/* --- what they come to --------------------------------------------------------------------- */

uint64_t history_cases(const struct history_sum *sum)
{
	return sum->verdicts[VERDICT_SAVED] + sum->verdicts[VERDICT_ENDED] +
	       sum->verdicts[VERDICT_TOO_LATE] + sum->verdicts[VERDICT_IGNORED] +
	       sum->verdicts[VERDICT_MISSED];
}

/* E. B. Wilson, Probable inference, the law of succession, and statistical inference, 1927. */
struct history_rate history_saved(const struct history_sum *sum)
{
	const double z = 1.959964; /* of 95 % */
	double n = (double)history_cases(sum);
	double p = n > 0 ? (double)sum->verdicts[VERDICT_SAVED] / n : 0;
	double centre, half;

	if (n <= 0)
		return (struct history_rate){.high = 1};
	centre = (p + z * z / (2 * n)) / (1 + z * z / n);
	half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
	return (struct history_rate){
		.rate = p, .low = MAX(centre - half, 0.0), .high = MIN(centre + half, 1.0)};
}

uint64_t history_latency_ns(const struct history_sum *sum, unsigned int percent)
{
	size_t rank = (sum->latency_count * percent + 99) / 100;

	return sum->latency_count ? sum->latencies[MAX(rank, (size_t)1) - 1] : 0;
}
