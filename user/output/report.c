/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"
#include "base/util.h"
#include "output/document.h"
#include "output/format.h"
#include "output/json.h"
#include "output/plot.h"
#include "output/report_facts.h"
#include "output/report_memory.h"

#define TOP_MAX 8	    /* functions */
#define TOP_LEAST 0.005	    /* of all; below that a function explains nothing */
#define FUNCTION_WIDTH 90UL /* characters; names of templates are longer than a screen */

static bool is_report(const json_t *document)
{
	return json_integer_value(document_at(document, "schema")) == JSON_SCHEMA &&
	       document_text(document, "id") && document_text(document, "verdict");
}

json_t *report_parse(const char *text, size_t size)
{
	json_t *document = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);

	if (is_report(document))
		return document;
	json_decref(document);
	return NULL;
}

static void print_verdict(FILE *file, const json_t *document, bool colour, int width)
{
	_cleanup_free_ char *safe = text_escape_line(document_text(document, "verdict") ?: "?");
	const char *code = document_is_text(document, "verdict", "saved") ? COLOUR_GREEN
			   : document_is_text(document, "verdict", "too late") ||
					   document_is_text(document, "verdict", "missed")
				   ? COLOUR_RED
				   : COLOUR_YELLOW;
	char word[32];

	snprintf(word, sizeof(word), "%-*s", width, safe ?: "?");
	print_coloured(file, colour, code, word);
}

#define FACT_COLUMN 12

static void print_facts(FILE *file, const json_t *facts, const struct terminal *terminal)
{
	const json_t *fact;
	size_t i;

	fputc('\n', file);
	json_array_foreach (facts, i, fact) {
		fprintf(file, "  %-10s", json_string_value(json_array_get(fact, 0)));
		print_wrapped(file, terminal, FACT_COLUMN,
			      json_string_value(json_array_get(fact, 1)));
	}
}

/* Who needed what, what was done, how that ended, whose line it is; and what to do. */
static void print_answer(FILE *file, const json_t *document, const char *summary,
			 const struct terminal *terminal)
{
	const char *advice = report_advice(document);

	print_verdict(file, document, terminal->colour, 0);
	document_print(file, document, ": %t, %t\n\n", PATHS("process.comm", "reason"));
	print_wrapped(file, terminal, 0, summary);
	if (!*advice)
		return;
	fputc('\n', file);
	print_wrapped(file, terminal, 0, advice);
}

/* --- who allocated ------------------------------------------------------------------------- */

#define OWNER_COLUMN 22UL

/* A name, cut at a character where it is longer than so many. NULL: no memory. Freed by the caller. */
static char *cut_name(const char *raw, size_t most)
{
	char *safe = text_escape_line(raw), *end = safe;
	_cleanup_free_ char *whole = NULL;
	char *cut;

	for (size_t i = 0; end && *end; i++) {
		if (i == most) {
			*end = '\0';
			whole = safe;
			return asprintf(&cut, "%s...", whole) < 0 ? NULL : cut;
		}
		end += MAX(text_utf8_sequence(end, NULL), 1U);
	}
	return safe;
}

/* What there is of where it is: "python3.11 itself", "/srv/c.c:7", "libc.so.6+0x96c98". As above. */
static char *place_of(const json_t *owner)
{
	_cleanup_free_ char *place = document_place(document_text(owner, "module"),
						    document_text(owner, "offset"), NULL);
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		return NULL;
	if (document_text(owner, "runtime") && document_text(owner, "space"))
		document_print(file, owner, "%t: %t", PATHS("runtime", "space"));
	else if (document_text(owner, "runtime"))
		document_print(file, owner, "%t itself", PATHS("runtime"));
	else if (document_text(owner, "source"))
		document_print(file, owner, "%t:%n", PATHS("source", "line"));
	else
		fputs(place ?: "?", file);
	if (fclose(file) == 0)
		return text;
	free(text);
	return NULL;
}

/* Where it is has a line of its own if the first has no room for it. */
static void print_owner(FILE *file, const json_t *owner, const struct terminal *terminal)
{
	size_t room = terminal_columns(terminal) - OWNER_COLUMN - strlen("...");
	const char *function = document_text(owner, "function");
	_cleanup_free_ char *name = function ? cut_name(function, MIN(room, FUNCTION_WIDTH)) : NULL;
	_cleanup_free_ char *raw = place_of(owner), *place = cut_name(raw ?: "?", FUNCTION_WIDTH);
	uint64_t bytes = (uint64_t)MAX(json_integer_value(document_at(owner, "bytes")), 0);
	char size[20];

	format_size(size, sizeof(size), bytes);
	fprintf(file, "  %5.1f %%  %9s  ", 100 * json_number_value(document_at(owner, "share")),
		size);
	if (name && strlen(name) + strlen("  ") + strlen(place ?: "?") <= room + strlen("..."))
		fprintf(file, "%s  ", name);
	else if (name)
		fprintf(file, "%s\n%*s", name, (int)OWNER_COLUMN, "");
	fprintf(file, "%s\n", place ?: "?");
}

static void print_owners(FILE *file, const json_t *document, const struct terminal *terminal)
{
	const json_t *owner, *top = document_at(document, "recording.top");
	_cleanup_free_ char *hint = NULL;
	size_t i;

	if (!json_array_size(top))
		return;
	fputc('\n', file);
	print_coloured(file, terminal->colour, COLOUR_BOLD, "Who allocated");
	fputs("\n\n", file);
	json_array_foreach (top, i, owner) {
		double share = json_number_value(document_at(owner, "share"));

		if (i < TOP_MAX && (i == 0 || share >= TOP_LEAST))
			print_owner(file, owner, terminal);
	}
	if (!document_text(document, "recording.hint"))
		return;
	hint = text_escape_line(document_text(document, "recording.hint"));
	fputc('\n', file);
	print_wrapped(file, terminal, 0, hint ?: "");
}

/* --- what the memory is -------------------------------------------------------------------- */

#define MEMORY_COLUMN 25

static void print_memory(FILE *file, const json_t *document, const json_t *memory,
			 const struct terminal *terminal)
{
	_cleanup_free_ char *time = report_memory_time(document);
	const json_t *row;
	size_t i;

	if (!json_array_size(memory))
		return;
	fputc('\n', file);
	print_coloured(file, terminal->colour, COLOUR_BOLD, "What the memory is");
	fputs("\n\n", file);
	json_array_foreach (memory, i, row) {
		const char *change = json_string_value(json_array_get(row, 1));

		fprintf(file, "  %9s  %10s  ", json_string_value(json_array_get(row, 0)),
			change ?: "");
		if (change)
			print_wrapped(file, terminal, MEMORY_COLUMN,
				      json_string_value(json_array_get(row, 2)));
		else
			fprintf(file, "  %s\n", json_string_value(json_array_get(row, 2)));
	}
	fputc('\n', file);
	print_wrapped(file, terminal, 0, time ?: "");
}

static void print_missing(FILE *file, const json_t *document, const json_t *missing,
			  const struct terminal *terminal)
{
	const json_t *text;
	size_t i;

	/* An old report has neither: nothing is said of what it lacks. */
	if (!json_array_size(missing) ||
	    (!document_at(document, "recording") && !document_at(document, "missing")))
		return;
	fputc('\n', file);
	json_array_foreach (missing, i, text)
		print_wrapped(file, terminal, 0, json_string_value(text));
}

/* --- pages and rows ------------------------------------------------------------------------ */

int report_text(FILE *file, const json_t *document, const struct terminal *terminal)
{
	json_t *facts = report_facts(document), *missing = report_missing(document);
	json_t *memory = report_memory(document);
	_cleanup_free_ char *summary = report_summary(document);
	int r = facts && missing && memory && summary ? 0 : -ENOMEM;

	print_answer(file, document, summary ?: "", terminal);
	print_owners(file, document, terminal);
	print_memory(file, document, memory, terminal);
	print_facts(file, facts, terminal);
	plot_timeline(file, document, terminal->unicode);
	print_missing(file, document, missing, terminal);
	json_decref(facts);
	json_decref(missing);
	json_decref(memory);
	return r ?: file_result(file);
}

int report_row(FILE *file, const json_t *document, const struct terminal *terminal)
{
	if (!document) {
		print_coloured(file, terminal->colour, COLOUR_BOLD,
			       "TIME                         ID                VERDICT   PROCESS");
		fputc('\n', file);
		return file_result(file);
	}
	document_print(file, document, "%t  %t  ", PATHS(document_trip_time(document), "id"));
	print_verdict(file, document, terminal->colour, 8);
	document_print(file, document, "  %t (%n), %t\n",
		       PATHS("process.comm", "process.pid", "process.cgroup"));
	return file_result(file);
}
