/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/report.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"
#include "base/util.h"
#include "output/format.h"
#include "output/json.h"

/* --- members ------------------------------------------------------------------------------- */

/* By dotted path; NULL if absent. */
static const json_t *at(const json_t *document, const char *path)
{
	while (document && *path) {
		size_t length = strcspn(path, ".");
		char name[32];

		snprintf(name, sizeof(name), "%.*s", (int)length, path);
		document = json_object_get(document, name);
		path += length + (path[length] == '.');
	}
	return document;
}

static const char *text_at(const json_t *document, const char *path)
{
	return json_string_value(at(document, path));
}

static bool is_text(const json_t *document, const char *path, const char *text)
{
	const char *found = text_at(document, path);

	return found && strcmp(found, text) == 0;
}

static bool is_known(const json_t *document, const char *path)
{
	return json_is_number(at(document, path));
}

static void print_text(FILE *file, const json_t *document, const char *path)
{
	const char *raw = text_at(document, path);
	_cleanup_free_ char *safe = raw ? text_escape_line(raw) : NULL;

	fputs(safe ?: "?", file);
}

static void print_number(FILE *file, const json_t *document, const char *path)
{
	if (json_is_integer(at(document, path)))
		fprintf(file, "%" JSON_INTEGER_FORMAT, json_integer_value(at(document, path)));
	else
		fputc('?', file);
}

static void print_size(FILE *file, const json_t *document, const char *path)
{
	char size[20];

	format_signed_size(size, sizeof(size), json_integer_value(at(document, path)));
	fputs(json_is_integer(at(document, path)) ? size : "?", file);
}

/* A number in units of unit_ns. */
static void print_time(FILE *file, const json_t *document, const char *path, double unit_ns)
{
	double ns = json_number_value(at(document, path)) * unit_ns;
	char text[32];

	format_duration(text, sizeof(text), ns > 0 && ns < 1e18 ? (uint64_t)ns : 0);
	fputs(is_known(document, path) ? text : "?", file);
}

#define PATHS(...)            \
	(const char *const[]) \
	{                     \
		__VA_ARGS__   \
	}

/*
 * A line of a page. In the format %t, %n, %s, %u and %m stand for a member each, whose path is the
 * next one: text, a number, a size in bytes, a time in us or in ms.
 */
static void print_fact(FILE *file, const json_t *document, const char *name, const char *format,
		       const char *const paths[])
{
	fprintf(file, "  %-10s", name);
	for (; *format; format++) {
		if (*format != '%') {
			fputc(*format, file);
			continue;
		}
		switch (*++format) {
		case 't':
			print_text(file, document, *paths++);
			break;
		case 'n':
			print_number(file, document, *paths++);
			break;
		case 's':
			print_size(file, document, *paths++);
			break;
		case 'u':
			print_time(file, document, *paths++, NSEC_PER_USEC);
			break;
		default:
			print_time(file, document, *paths++, NSEC_PER_MSEC);
			break;
		}
	}
	fputc('\n', file);
}

bool report_is_one(const json_t *document)
{
	return json_integer_value(at(document, "schema")) == JSON_SCHEMA &&
	       text_at(document, "id") && text_at(document, "verdict");
}

static void print_verdict(FILE *file, const json_t *document, bool colour, int width)
{
	_cleanup_free_ char *safe = text_escape_line(text_at(document, "verdict") ?: "?");
	const char *code = is_text(document, "verdict", "saved") ? COLOUR_GREEN
			   : is_text(document, "verdict", "too late") ||
					   is_text(document, "verdict", "missed")
				   ? COLOUR_RED
				   : COLOUR_YELLOW;
	char word[32];

	snprintf(word, sizeof(word), "%-*s", width, safe ?: "?");
	print_coloured(file, colour, code, word);
}

/* --- what to do ---------------------------------------------------------------------------- */

static bool had_airbag(const json_t *document)
{
	return is_text(document, "airbag.result", "raised");
}

static bool used_airbag(const json_t *document)
{
	return had_airbag(document) && json_integer_value(at(document, "airbag.used_bytes")) > 0;
}

static bool was_delivered(const json_t *document)
{
	return json_is_true(at(document, "action.delivered"));
}

static bool takes_no_signal(const json_t *document)
{
	return is_text(document, "target.disposition", "ignored") ||
	       is_text(document, "target.disposition", "init");
}

static bool any(const json_t *document)
{
	(void)document;
	return true;
}

/* The first that fits. */
static const struct {
	const char *verdict;
	bool (*fits)(const json_t *document);
	const char *text;
} advice[] = {
	{"saved", used_airbag,
	 "Nothing is broken. The shutdown needed lent memory; if it comes again, find out what "
	 "allocates, or give the cgroup a higher limit."},
	{"saved", any,
	 "Nothing is broken. If it comes again, find out what allocates, or give the cgroup a "
	 "higher limit."},
	{"too late", had_airbag,
	 "The airbag was not large enough: use --airbag auto, and let the program stop allocating "
	 "when it is told to end."},
	{"too late", was_delivered,
	 "The shutdown needs more memory than the reserve: use --airbag auto, or a larger "
	 "--reserve."},
	{"too late", any,
	 "The handler never ran: the process sat in one long system call, or its threads block the "
	 "signal. Use --airbag auto, or a larger --reserve."},
	{"needless", any,
	 "The program would have lived: use a smaller --reserve, and no --forecast or a shorter "
	 "one."},
	{"ignored", takes_no_signal,
	 "The program does not take the signal: give it a handler, or put a small init in front "
	 "of it (docker run --init, tini, apoptosis run)."},
	{"ignored", any,
	 "The program was told and went on: let its handler end it, or have --grace end it."},
	{"missed", any,
	 "No trip preceded: see the counters of the status event (SIGUSR1), and whether one "
	 "allocation is larger than the reserve; --airbag auto helps there."},
	{"dry run", any, "Nothing was sent, as asked by --dry-run."},
};

static void print_advice(FILE *file, const json_t *document)
{
	for (size_t i = 0; i < ARRAY_SIZE(advice); i++) {
		if (!is_text(document, "verdict", advice[i].verdict) || !advice[i].fits(document))
			continue;
		fprintf(file, "\n%s\n", advice[i].text);
		return;
	}
}

/* --- pages and rows ------------------------------------------------------------------------ */

static void print_trip(FILE *file, const json_t *document)
{
	print_fact(file, document, "signal", "%t to %t (%t): %t, handler entered after %u",
		   PATHS("action.signal", "target.comm", "target.policy", "action.result",
			 "timing.crossing_to_handler_us"));
	print_fact(file, document, "growth", "%s/s, the limit was %m away",
		   PATHS("memory.rate_bytes_per_s", "memory.forecast_ms"));
	print_fact(file, document, "resident", "anon %s, file %s, shmem %s, swap %s",
		   PATHS("memory.rss_bytes.anon", "memory.rss_bytes.file", "memory.rss_bytes.shmem",
			 "memory.rss_bytes.swap"));
	print_fact(file, document, "peak", "%s; least headroom %s, %m at that rate",
		   PATHS("memory.peak_need_bytes", "memory.least_headroom_bytes",
			 "timing.margin_ms"));
	if (had_airbag(document))
		print_fact(file, document, "airbag", "%s, there after %u; %s of it used; brake %t",
			   PATHS("airbag.raised_bytes", "timing.crossing_to_airbag_us",
				 "airbag.used_bytes", "airbag.brake"));
	else if (is_text(document, "airbag.result", "refused") ||
		 is_text(document, "airbag.result", "failed"))
		print_fact(file, document, "airbag", "%t: %t",
			   PATHS("airbag.result", "airbag.error"));
	if (is_known(document, "exit.code"))
		print_fact(file, document, "end", "exit %n, %m after the signal",
			   PATHS("exit.code", "timing.signal_to_exit_ms"));
	else if (text_at(document, "exit.signal"))
		print_fact(file, document, "end", "signal %t, %m after ours",
			   PATHS("exit.signal", "timing.signal_to_exit_ms"));
	print_fact(file, document, "kernel",
		   "OOM kills %n before, %n after; charges at the limit %n, %n",
		   PATHS("kernel.oom_kills_before", "kernel.oom_kills_after",
			 "kernel.at_limit_before", "kernel.at_limit_after"));
}

int report_text(FILE *file, const json_t *document, bool colour)
{
	print_verdict(file, document, colour, 0);
	fputs(": ", file);
	print_text(file, document, "process.comm");
	fputs(", ", file);
	print_text(file, document, "reason");
	fputs("\n\n", file);
	print_fact(file, document, "when", "%t (%t)", PATHS("time", "id"));
	print_fact(file, document, "process", "%n (%n in its container): %t",
		   PATHS("process.pid", "process.ns_pid", "process.cmdline"));
	print_fact(file, document, "cgroup", "%t", PATHS("process.cgroup"));
	if (text_at(document, "process.container_id"))
		print_fact(file, document, "container", "%t", PATHS("process.container_id"));
	print_fact(file, document, "limit", "%s of %t, reserve %s",
		   PATHS("memory.limit_bytes", "memory.limit_cgroup", "memory.reserve_bytes"));
	print_fact(file, document, "need", "%s: usage %s less %s reclaimable",
		   PATHS("memory.need_bytes", "memory.usage_bytes", "memory.reclaimable_bytes"));
	if (text_at(document, "trigger"))
		print_trip(file, document);
	print_advice(file, document);
	return file_result(file);
}

int report_row(FILE *file, const json_t *document, bool colour)
{
	if (!document) {
		print_coloured(file, colour, COLOUR_BOLD,
			       "TIME                         ID                VERDICT   PROCESS");
		fputc('\n', file);
		return file_result(file);
	}
	print_text(file, document, "time");
	fputs("  ", file);
	print_text(file, document, "id");
	fputs("  ", file);
	print_verdict(file, document, colour, 8);
	fputs("  ", file);
	print_text(file, document, "process.comm");
	fputs(" (", file);
	print_number(file, document, "process.pid");
	fputs("), ", file);
	print_text(file, document, "process.cgroup");
	fputc('\n', file);
	return file_result(file);
}
