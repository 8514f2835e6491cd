/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/history.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"
#include "base/util.h"
#include "output/format.h"
#include "output/json.h"

/* Verdicts in the order in which they are shown: print_head() has it, too. */
static const enum verdict shown[] = {VERDICT_SAVED,   VERDICT_ENDED,  VERDICT_TOO_LATE,
				     VERDICT_IGNORED, VERDICT_MISSED, VERDICT_NEEDLESS,
				     VERDICT_DRY_RUN};

static const unsigned int percents[] = {50, 95, 99, 100};

/* --- for people ---------------------------------------------------------------------------- */

static void print_latency(FILE *file, const struct history_sum *sum, unsigned int percent)
{
	uint64_t ns = history_latency_ns(sum, percent);
	char time[16] = "-";

	if (ns)
		format_duration(time, sizeof(time), ns);
	fprintf(file, "%9s", time);
}

static int print_sum(FILE *file, const struct history_sum *sum, const char *none)
{
	_cleanup_free_ char *name = text_escape_line(*sum->name ? sum->name : none);
	struct history_rate rate = history_saved(sum);
	char lent[16], part[40] = "-";

	if (!name)
		return -ENOMEM;
	if (history_cases(sum))
		snprintf(part, sizeof(part), "%.1f %% (%.1f-%.1f)", 100 * rate.rate, 100 * rate.low,
			 100 * rate.high);
	format_size(lent, sizeof(lent), sum->lent_bytes);
	fprintf(file, "%-20s", name);
	for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
		fprintf(file, "%9" PRIu64, sum->verdicts[shown[i]]);
	fprintf(file, "  %-20s", part);
	print_latency(file, sum, 50);
	print_latency(file, sum, 99);
	fprintf(file, "%11s\n", lent);
	return 0;
}

static void print_head(FILE *file, const char *first, bool colour)
{
	char head[160];

	snprintf(head, sizeof(head), "%-20s%9s%9s%9s%9s%9s%9s%9s  %-20s%9s%9s%11s", first, "SAVED",
		 "ENDED", "TOO LATE", "IGNORED", "MISSED", "NEEDLESS", "DRY RUN",
		 "SAVED RATE (95 %)", "TOLD p50", "p99", "LENT");
	print_coloured(file, colour, COLOUR_BOLD, head);
	fputc('\n', file);
}

static int print_sums(FILE *file, const struct history_sum *sums, size_t count, const char *first,
		      bool colour)
{
	int r = 0;

	print_head(file, first, colour);
	for (size_t i = 0; !r && i < count; i++)
		r = print_sum(file, &sums[i], "(defaults)");
	return r;
}

int history_text(FILE *file, struct history *history, bool colour)
{
	size_t guard_count, day_count;
	const struct history_sum *all = history_all(history);
	const struct history_sum *guards = history_guards(history, &guard_count);
	const struct history_sum *days = history_days(history, &day_count);
	int r;

	if (!day_count) {
		fputs("no verdicts yet\n", file);
		return file_result(file);
	}
	r = print_sums(file, guards, guard_count, "GUARD", colour);
	if (!r && guard_count > 1)
		r = print_sum(file, all, "(all)");
	fputc('\n', file);
	if (!r)
		r = print_sums(file, days, day_count, "DAY (UTC)", colour);
	return r ?: file_result(file);
}

/* --- for programs -------------------------------------------------------------------------- */

static json_t *latencies_json(const struct history_sum *sum)
{
	json_t *object = json_object();
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(percents); i++) {
		uint64_t ns = history_latency_ns(sum, percents[i]);
		char name[8];

		snprintf(name, sizeof(name), "p%u", percents[i]);
		r |= json_object_set_new(object, name,
					 ns ? json_real((double)ns / (double)NSEC_PER_USEC)
					    : json_null());
	}
	r |= json_object_set_new(object, "known", json_u64(sum->latency_count));
	return json_finish(object, r);
}

static json_t *rate_json(const struct history_sum *sum)
{
	struct history_rate rate = history_saved(sum);
	json_t *object;
	int r = 0;

	if (!history_cases(sum))
		return json_null();
	object = json_object();
	r |= json_object_set_new(object, "ratio", json_real(rate.rate));
	r |= json_object_set_new(object, "low", json_real(rate.low));
	r |= json_object_set_new(object, "high", json_real(rate.high));
	r |= json_object_set_new(object, "cases", json_u64(history_cases(sum)));
	return json_finish(object, r);
}

static json_t *sum_json(const struct history_sum *sum, const char *key)
{
	json_t *object = json_object(), *verdicts = json_object();
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
		r |= json_object_set_new(verdicts, verdict_name(shown[i]),
					 json_u64(sum->verdicts[shown[i]]));
	if (key)
		r |= json_object_set_new(object, key, json_text(*sum->name ? sum->name : NULL));
	r |= json_object_set_new(object, "verdicts", verdicts);
	r |= json_object_set_new(object, "saved", rate_json(sum));
	r |= json_object_set_new(object, "latency_us", latencies_json(sum));
	r |= json_object_set_new(object, "lent_bytes", json_u64(sum->lent_bytes));
	return json_finish(object, r);
}

static json_t *sums_json(const struct history_sum *sums, size_t count, const char *key)
{
	json_t *array = json_array();
	int r = 0;

	for (size_t i = 0; i < count; i++)
		r |= json_array_append_new(array, sum_json(&sums[i], key));
	return json_finish(array, r);
}

json_t *history_json(struct history *history)
{
	size_t guard_count, day_count;
	const struct history_sum *guards = history_guards(history, &guard_count);
	const struct history_sum *days = history_days(history, &day_count);
	json_t *object = json_object();
	int r = 0;

	r |= json_object_set_new(object, "schema", json_integer(JSON_SCHEMA));
	r |= json_object_set_new(object, "all", sum_json(history_all(history), NULL));
	r |= json_object_set_new(object, "guards", sums_json(guards, guard_count, "guard"));
	r |= json_object_set_new(object, "days", sums_json(days, day_count, "day"));
	return json_finish(object, r);
}

/* --- for spreadsheets ---------------------------------------------------------------------- */

static void print_quoted(FILE *file, const char *raw)
{
	_cleanup_free_ char *text = text_escape_line(raw);

	fputc('"', file);
	if (text && *text && strchr("=+-@", *text))
		fputc('\'', file);
	for (const char *c = text ?: "?"; *c; c++) {
		if (*c == '"')
			fputc('"', file);
		fputc(*c, file);
	}
	fputc('"', file);
}

/* Nothing, where it is not known. */
static void print_span(FILE *file, uint64_t ns, uint64_t unit_ns)
{
	if (ns)
		fprintf(file, ",%.3f", (double)ns / (double)unit_ns);
	else
		fputc(',', file);
}

int history_csv(FILE *file, const struct history_row *row)
{
	char time[FORMAT_TIME_SIZE];

	if (!row) {
		fputs("time,id,verdict,guard,cgroup,process,latency_us,shutdown_ms,lent_bytes\r\n",
		      file);
		return file_result(file);
	}
	format_rfc3339(time, sizeof(time), row->realtime_ns);
	fprintf(file, "%s,%016" PRIx64 ",%s,", time, row->id, verdict_name(row->verdict));
	print_quoted(file, row->guard);
	fputc(',', file);
	print_quoted(file, row->cgroup);
	fputc(',', file);
	print_quoted(file, row->comm);
	print_span(file, row->latency_ns, NSEC_PER_USEC);
	print_span(file, row->shutdown_ns, NSEC_PER_MSEC);
	fprintf(file, ",%" PRIu64 "\r\n", row->lent_bytes);
	return file_result(file);
}
