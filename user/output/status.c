/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/status.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"
#include "base/util.h"
#include "output/document.h"
#include "output/format.h"
#include "output/status_cells.h"

#define PROCESSES_SHOWN 20

int ready_text(FILE *file, const struct ready *ready)
{
	_cleanup_free_ char *cgroup = text_escape_line(ready->cgroup ? ready->cgroup : "?");
	char limit[16], reserve[16], clock[FORMAT_TIME_SIZE];

	if (!cgroup)
		return -ENOMEM;
	format_clock(clock, sizeof(clock), ready->realtime_ns);
	fprintf(file, "%s ready    ", clock);
	if (!ready->has_guard) {
		fprintf(file, "guarding every limited cgroup%s",
			ready->guards_host ? " and the machine's own memory" : "");
	} else {
		format_size(limit, sizeof(limit), ready->limit_bytes);
		format_size(reserve, sizeof(reserve), ready->reserve_bytes);
		if (ready->lends)
			fprintf(file, "guarding %s: limit %s, raised when it is nearly reached",
				cgroup, limit);
		else
			fprintf(file, "guarding %s: limit %s, reserve %s", cgroup, limit, reserve);
	}
	fputs("; triggers:", file);
	for (size_t i = 0; i < ready->triggers.count; i++)
		fprintf(file, " %s", ready->triggers.names[i]);
	if (!ready->self.is_locked)
		fputs("; memory not locked", file);
	if (!ready->self.is_realtime)
		fputs("; responder not in real time", file);
	fputc('\n', file);
	return file_result(file);
}

/* --- cells --------------------------------------------------------------------------------- */

static json_int_t number(const json_t *document, const char *path)
{
	return json_integer_value(document_at(document, path));
}

static void print_size(FILE *file, const json_t *document, const char *path)
{
	char size[20];

	status_bytes(size, sizeof(size), document, path);
	fprintf(file, "%11s", size);
}

static void print_rate(FILE *file, const json_t *document)
{
	char size[16], rate[20];

	format_size(size, sizeof(size), (uint64_t)number(document, "rate_bytes_per_s"));
	snprintf(rate, sizeof(rate), "%s/s", size);
	fprintf(file, "%13s", rate);
}

static void print_seconds(FILE *file, const json_t *document, const char *path)
{
	char time[16];

	status_seconds(time, sizeof(time), document, path);
	fprintf(file, "%9s", time);
}

/* What others chose, as wide as that at least. */
static void print_safe(FILE *file, const char *raw, int width)
{
	_cleanup_free_ char *shown = text_escape_line(raw);

	fprintf(file, "%-*s", width, shown ?: "?");
}

static void print_head(FILE *file, bool colour, const char *head)
{
	print_coloured(file, colour, COLOUR_BOLD, head);
	fputc('\n', file);
}

/* The elements of an array, in an order; NULL: no memory. The caller frees it, not the elements. */
static const json_t **sorted(const json_t *array, int (*compare)(const void *a, const void *b))
{
	size_t count = json_array_size(array);
	const json_t **items = calloc(count + 1, sizeof(*items));

	for (size_t i = 0; items && i < count; i++)
		items[i] = json_array_get(array, i);
	if (items)
		qsort(items, count, sizeof(json_t *), compare);
	return items;
}

/* --- the guard itself ---------------------------------------------------------------------- */

static void print_self(FILE *file, const json_t *document, bool colour)
{
	const json_t *triggers = document_at(document, "self.triggers"), *name;
	char up[16];
	size_t i;

	status_seconds(up, sizeof(up), document, "self.seconds");
	document_print(file, document, "apoptosis %t %t, process %n, up ",
		       PATHS("self.version", "self.mode", "self.pid"));
	fputs(up, file);
	document_print(file, document, "; takes %s", PATHS("self.memory_bytes"));
	fprintf(file, " and %.2f %% of a CPU; triggers:", status_cpu_percent(document));
	json_array_foreach (triggers, i, name) {
		fputc(' ', file);
		print_safe(file, json_string_value(name) ?: "?", 0);
	}
	fputc('\n', file);
	if (document_text(document, "self.history_trouble")) {
		print_coloured(file, colour, COLOUR_YELLOW, "the history is not written: ");
		document_print(file, document, "%t\n", PATHS("self.history_trouble"));
	}
	if (document_text(document, "self.metrics_trouble")) {
		print_coloured(file, colour, COLOUR_YELLOW, "the metrics are not written: ");
		document_print(file, document, "%t\n", PATHS("self.metrics_trouble"));
	}
	if (document_text(document, "self.metrics_unserved")) {
		print_coloured(file, colour, COLOUR_YELLOW, "the metrics are not served: ");
		document_print(file, document, "%t\n", PATHS("self.metrics_unserved"));
	}
	if (document_text(document, "self.configuration_refused")) {
		print_coloured(file, colour, COLOUR_YELLOW,
			       "the configuration is as it was before: ");
		document_print(file, document,
			       "%t; to do: mend that, then have it read again by "
			       "SIGHUP\n",
			       PATHS("self.configuration_refused"));
	}
}

/* --- limits -------------------------------------------------------------------------------- */

/* The fullest first; of those that are as full, as they come by their names. */
static int by_fill(const void *a, const void *b)
{
	const json_t *const *p = a, *const *q = b;
	double m = status_fill(*p), n = status_fill(*q);

	return m < n ? 1 : m > n ? -1 : strcmp(status_cgroup(*p), status_cgroup(*q));
}

static void print_limit(FILE *file, const json_t *limit)
{
	print_size(file, limit, "need_bytes");
	print_size(file, limit, "peak_need_bytes");
	print_size(file, limit, "limit_bytes");
	print_size(file, limit, "headroom_bytes");
	print_size(file, limit, "least_headroom_bytes");
	print_rate(file, limit);
	print_seconds(file, limit, "seconds_to_limit");
	fprintf(file, "%6" JSON_INTEGER_FORMAT "%6" JSON_INTEGER_FORMAT "  ",
		number(limit, "trips"), number(limit, "oom_kills"));
	print_safe(file, document_text(limit, "mode") ?: "-", 9);
	print_safe(file, document_text(limit, "guard") ?: "-", 14);
	print_safe(file, status_cgroup(limit), 0);
	fputc('\n', file);
}

static int print_limits(FILE *file, const json_t *document, bool colour)
{
	const json_t *limits = document_at(document, "limits");
	_cleanup_free_ const json_t **items = sorted(limits, by_fill);
	char head[192];

	if (!items)
		return -ENOMEM;
	snprintf(head, sizeof(head), "%11s%11s%11s%11s%11s%13s%9s%6s%6s  %-9s%-14s%s", "NEED",
		 "PEAK", "LIMIT", "ROOM", "LEAST ROOM", "RATE", "TO LIMIT", "TRIPS", "KILLS",
		 "MODE", "GUARD", "CGROUP");
	print_head(file, colour, head);
	for (size_t i = 0; i < json_array_size(limits); i++)
		print_limit(file, items[i]);
	return 0;
}

/* "2026-01-31T12:00:00.123456Z" as "12:00:00.123Z". */
static void print_clock(FILE *file, const char *time)
{
	const char *clock = strchr(time, 'T');
	char text[16];

	snprintf(text, sizeof(text), "%.12sZ", clock ? clock + 1 : "?");
	print_safe(file, text, 0);
}

static void print_loan(FILE *file, const json_t *limit)
{
	const char *paid_back = document_text(limit, "loan.paid_back");

	fputs("lent to ", file);
	print_safe(file, status_cgroup(limit), 0);
	document_print(file, limit, ": %s", PATHS("loan.lent_bytes"));
	if (json_is_true(document_at(limit, "loan.for_trip")))
		fputs(" for a trip", file);
	document_print(file, limit, ", for %m", PATHS("loan.lent_ms"));
	if (paid_back) {
		fputs(", paid back at ", file);
		print_clock(file, paid_back);
		fputc('\n', file);
	} else {
		fputs(" so far\n", file);
	}
}

static void print_loans(FILE *file, const json_t *document)
{
	const json_t *limit;
	size_t i;

	json_array_foreach (document_at(document, "limits"), i, limit)
		if (document_is_known(limit, "loan.lent_bytes"))
			print_loan(file, limit);
}

/* --- processes ----------------------------------------------------------------------------- */

static json_int_t resident_bytes(const json_t *process)
{
	return number(process, "rss_bytes.file") + number(process, "rss_bytes.anon") +
	       number(process, "rss_bytes.shmem");
}

static int by_size(const void *a, const void *b)
{
	const json_t *const *p = a, *const *q = b;
	json_int_t m = resident_bytes(*p), n = resident_bytes(*q);

	if (m == n) {
		n = number(*p, "pid");
		m = number(*q, "pid");
	}
	return (m < n) - (m > n);
}

static void print_process(FILE *file, const json_t *process)
{
	char size[16];

	format_size(size, sizeof(size), (uint64_t)resident_bytes(process));
	fprintf(file, "%11s", size);
	print_size(file, process, "peak_bytes");
	print_size(file, process, "rss_bytes.anon");
	print_size(file, process, "rss_bytes.shmem");
	print_rate(file, process);
	fputs("  ", file);
	document_print(file, process, "%t[%n]\n", PATHS("comm", "pid"));
}

static int print_processes(FILE *file, const json_t *document, bool colour)
{
	const json_t *processes = document_at(document, "processes");
	_cleanup_free_ const json_t **items = sorted(processes, by_size);
	size_t count = json_array_size(processes), shown = MIN(count, (size_t)PROCESSES_SHOWN);
	char head[128];

	if (!items)
		return -ENOMEM;
	if (!count)
		return 0;
	snprintf(head, sizeof(head), "%11s%11s%11s%11s%13s  %s", "RSS", "PEAK", "ANON", "SHMEM",
		 "RATE", "PROCESS");
	print_head(file, colour, head);
	for (size_t i = 0; i < shown; i++)
		print_process(file, items[i]);
	if (shown < count)
		fprintf(file, "%11s and %zu smaller\n", "", count - shown);
	return 0;
}

/* --- the rest ------------------------------------------------------------------------------ */

/* What is guarded less than it seems comes last but for the sums: there it is seen. */
static void print_gaps(FILE *file, const json_t *document, bool colour)
{
	const json_t *gap;
	size_t i;

	json_array_foreach (document_at(document, "gaps"), i, gap) {
		print_coloured(file, colour, COLOUR_YELLOW,
			       json_is_true(document_at(gap, "partial")) ? "less protected: "
									 : "not protected: ");
		print_safe(file, status_cgroup(gap), 0);
		document_print(file, gap, " %t; to do: %t\n", PATHS("text", "remedy"));
	}
}

/* What the kernel side costs: which programs run at present, and how long, where the kernel counts that. */
static void print_cost(FILE *file, const json_t *document)
{
	const json_t *program;
	size_t i;

	json_array_foreach (document_at(document, "programs"), i, program) {
		json_int_t runs = number(program, "runs");

		if (!json_is_true(document_at(program, "attached")))
			document_print(file, program,
				       "%t is not attached at present: no limit is armed\n",
				       PATHS("name"));
		if (runs <= 0)
			continue;
		print_safe(file, document_text(program, "name") ?: "?", 18);
		fprintf(file, " %12" JSON_INTEGER_FORMAT " runs of %.0f ns\n", runs,
			(double)number(program, "ns") / (double)runs);
	}
}

/* A counter that stays 0 where all is well. */
static void print_trouble(FILE *file, const json_t *document, const char *path, const char *format)
{
	if (number(document, path) > 0)
		document_print(file, document, format, PATHS(path));
}

static void print_verdicts(FILE *file, const json_t *verdicts)
{
	const char *name;
	json_t *count;
	bool any = false;

	fputs("verdicts:", file);
	json_object_foreach ((json_t *)verdicts, name, count) {
		if (json_integer_value(count) <= 0)
			continue;
		fputs(any ? ", " : " ", file);
		print_safe(file, name, 0);
		fprintf(file, " %" JSON_INTEGER_FORMAT, json_integer_value(count));
		any = true;
	}
	fputs(any ? "\n" : " none\n", file);
}

static void print_counters(FILE *file, const json_t *document)
{
	document_print(file, document, "checks %n", PATHS("counters.checks"));
	fprintf(file, " (%.1f/s)", json_number_value(document_at(document, "checks_per_s")));
	document_print(file, document,
		       ", trips %n, warnings %n, signals %n by the kernel side and %n delegated, "
		       "OOM kills %n\n",
		       PATHS("counters.trips", "counters.warns", "counters.sent",
			     "counters.delegated", "counters.oom_kills"));
	print_trouble(file, document, "counters.lost_records",
		      "lost records: %n (the signals went out all the same)\n");
	print_trouble(file, document, "counters.map_full", "full maps: %n accounts had no room\n");
	print_trouble(file, document, "counters.subtree_cut",
		      "large subtrees: %n times page cache was taken from statistics\n");
	print_verdicts(file, document_at(document, "verdicts"));
}

int status_text(FILE *file, const json_t *document, bool colour)
{
	int r;

	print_self(file, document, colour);
	r = print_limits(file, document, colour);
	print_loans(file, document);
	if (!r)
		r = print_processes(file, document, colour);
	if (r)
		return r;
	print_gaps(file, document, colour);
	print_cost(file, document);
	print_counters(file, document);
	return file_result(file);
}
