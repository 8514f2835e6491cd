/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/report_facts.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/util.h"
#include "output/document.h"
#include "output/json.h"
#include "output/report_memory.h"

#define SILENT_MODULES_MAX 6 /* named in the list of what is missing */

/* --- what to do ---------------------------------------------------------------------------- */

static bool had_airbag(const json_t *document)
{
	return document_is_text(document, "airbag.result", "raised");
}

static bool used_airbag(const json_t *document)
{
	return had_airbag(document) &&
	       json_integer_value(document_at(document, "airbag.used_bytes")) > 0;
}

static bool was_delivered(const json_t *document)
{
	return json_is_true(document_at(document, "action.delivered"));
}

/* The record of the trip was: what was missing then is in the document. */
static bool was_lost(const json_t *document)
{
	return json_array_size(document_at(document, "missing")) > 0 &&
	       !document_is_known(document, "memory.need_bytes");
}

static bool takes_no_signal(const json_t *document)
{
	return document_is_text(document, "target.disposition", "ignored") ||
	       document_is_text(document, "target.disposition", "init");
}

#define WENT_ON_MS 2000 /* it was lent what it grows in that time, or all there was */

/* Its handler ran, and it allocated all the same until everything that was lent was gone. */
static bool went_on(const json_t *document)
{
	return had_airbag(document) && was_delivered(document) &&
	       json_number_value(document_at(document, "timing.signal_to_exit_ms")) >= WENT_ON_MS;
}

static bool hangs(const json_t *document)
{
	return json_is_true(document_at(document, "kernel.hangs_after"));
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
	{"ended", any,
	 "Nothing else was killed, and nothing of its own was finished: let the program handle the "
	 "signal, and stop what allocates there."},
	{"too late", went_on,
	 "It was told, and went on allocating until all that was lent was gone; a larger "
	 "--airbag-max only puts that off. Let its handler end what allocates, choose a --signal "
	 "that does, or have --grace end it sooner."},
	{"too late", had_airbag,
	 "What was lent was not enough: use a larger --airbag-max, and let the program stop "
	 "allocating when it is told to end."},
	{"too late", was_delivered,
	 "The shutdown needs more memory than the reserve: let the limit be raised (--airbag), or "
	 "use a larger --reserve."},
	{"too late", any,
	 "The handler never ran: the process sat in one long system call, or its threads block the "
	 "signal. Let the limit be raised (--airbag), or use a larger --reserve."},
	{"needless", any,
	 "The program would have lived: use a smaller --reserve, and no --forecast or a shorter "
	 "one."},
	{"ignored", hangs,
	 "The OOM killer is disabled for this cgroup (memory.oom_control), so its threads wait at "
	 "the limit until there is room: kill the program, or raise the limit. Against the next "
	 "time, let the limit be raised (--airbag), use a larger --reserve, or enable the OOM "
	 "killer."},
	{"ignored", takes_no_signal,
	 "The program does not take the signal: give it a handler, or put a small init in front "
	 "of it (docker run --init, tini, apoptosis run)."},
	{"ignored", any,
	 "The program was told and went on: let its handler end it, or have --grace end it."},
	{"missed", any,
	 "No trip preceded: see the counters of the status event (SIGUSR1), and whether one "
	 "allocation is larger than what may be lent (--airbag-max) or the reserve."},
	{"dry run", any, "Nothing was sent, as asked by --dry-run."},
};

/* Where there is nothing to be said of the signal, or it changes little. */
static bool is_about_memory(const json_t *document)
{
	static const char *const verdicts[] = {"saved", "ended", "too late", "missed"};

	for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++)
		if (document_is_text(document, "verdict", verdicts[i]))
			return true;
	return false;
}

const char *report_advice(const json_t *document)
{
	const char *of_memory = is_about_memory(document) ? report_memory_advice(document) : NULL;

	if (of_memory)
		return of_memory;
	for (size_t i = 0; i < ARRAY_SIZE(advice); i++)
		if (document_is_text(document, "verdict", advice[i].verdict) &&
		    advice[i].fits(document))
			return advice[i].text;
	return "";
}

/* --- facts --------------------------------------------------------------------------------- */

struct facts {
	const json_t *document;
	json_t *list;
	int failed;
};

/* The format is that of document_print(). */
static void add(struct facts *facts, const char *name, const char *format,
		const char *const paths[])
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (file)
		document_print(file, facts->document, format, paths);
	if (!file || fclose(file) != 0)
		facts->failed = -1;
	else
		facts->failed |=
			json_array_append_new(facts->list, json_pack("[s, s]", name, text));
}

/* Where more than one limit was raised. */
static void add_levels(struct facts *facts)
{
	const json_t *levels = document_at(facts->document, "airbag.limits"), *level;
	size_t i;

	if (json_array_size(levels) < 2)
		return;
	json_array_foreach ((json_t *)levels, i, level) {
		struct facts one = {.document = level, .list = facts->list};

		add(&one, "raised", "%t by %s", PATHS("cgroup", "raised_bytes"));
		facts->failed |= one.failed;
	}
}

static void add_airbag(struct facts *facts)
{
	const json_t *document = facts->document;

	if (had_airbag(document)) {
		add(facts, "airbag", "%s, there after %u; %s of it used; brake %t",
		    PATHS("airbag.raised_bytes", "timing.crossing_to_airbag_us",
			  "airbag.used_bytes", "airbag.brake"));
		add_levels(facts);
		if (document_is_known(document, "airbag.lent_ms"))
			add(facts, "lent", "for %m, paid back at %t",
			    PATHS("airbag.lent_ms", "airbag.paid_back"));
		else if (json_is_null(document_at(document, "airbag.lent_ms")))
			add(facts, "lent", "not paid back yet when this was written", PATHS(NULL));
	} else if (document_is_text(document, "airbag.result", "refused") ||
		   document_is_text(document, "airbag.result", "failed"))
		add(facts, "airbag", "%t: %t", PATHS("airbag.result", "airbag.error"));
}

static void add_growth(struct facts *facts)
{
	const json_t *document = facts->document;

	if (document_is_known(document, "cause_pid"))
		add(facts, "cause", "process %n grew, which nobody guards", PATHS("cause_pid"));
	add(facts, "growth", "%s/s, the limit was %m away",
	    PATHS("memory.rate_bytes_per_s", "memory.forecast_ms"));
	add(facts, "resident", "anon %s, file %s, shmem %s, swap %s",
	    PATHS("memory.rss_bytes.anon", "memory.rss_bytes.file", "memory.rss_bytes.shmem",
		  "memory.rss_bytes.swap"));
	if (document_is_known(document, "recording.mappings.anon"))
		add(facts, "mapped", "heap %s, stack %s, anon %s, file %s, shmem %s",
		    PATHS("recording.mappings.heap", "recording.mappings.stack",
			  "recording.mappings.anon", "recording.mappings.file",
			  "recording.mappings.shmem"));
}

/* Of a service of systemd. */
static void add_comeback(struct facts *facts)
{
	const json_t *document = facts->document;

	if (document_is_text(document, "after.outcome", "restarted"))
		add(facts, "after", "%t: up again after %m, by %t",
		    PATHS("after.unit", "after.up_after_ms", "after.by"));
	else if (document_text(document, "after.outcome"))
		add(facts, "after", "%t: %t; Restart=%t",
		    PATHS("after.unit", "after.outcome", "after.restart"));
}

static void add_trip(struct facts *facts)
{
	const json_t *document = facts->document;

	add(facts, "signal", "%t to %t (%t): %t, handler entered after %u",
	    PATHS("action.signal", "target.comm", "target.policy", "action.result",
		  "timing.crossing_to_handler_us"));
	if (!was_lost(document))
		add_growth(facts);
	add(facts, "peak", "%s; least headroom %s, %m at that rate",
	    PATHS("memory.peak_need_bytes", "memory.least_headroom_bytes", "timing.margin_ms"));
	add_airbag(facts);
	if (document_is_known(document, "exit.code"))
		add(facts, "end", "exit %n, %m after the signal",
		    PATHS("exit.code", "timing.signal_to_exit_ms"));
	else if (document_text(document, "exit.signal"))
		add(facts, "end", "signal %t, %m after ours",
		    PATHS("exit.signal", "timing.signal_to_exit_ms"));
	add_comeback(facts);
	add(facts, "kernel", "OOM kills %n before, %n after; charges at the limit %n, %n",
	    PATHS("kernel.oom_kills_before", "kernel.oom_kills_after", "kernel.at_limit_before",
		  "kernel.at_limit_after"));
}

json_t *report_facts(const json_t *document)
{
	struct facts facts = {.document = document, .list = json_array()};

	add(&facts, "when", "%t (%t)", PATHS(document_trip_time(document), "id"));
	add(&facts, "process", "%n (%n in its container): %t",
	    PATHS("process.pid", "process.ns_pid", "process.cmdline"));
	add(&facts, "cgroup", "%t", PATHS("process.cgroup"));
	if (document_text(document, "process.container_id"))
		add(&facts, "container", "%t", PATHS("process.container_id"));
	if (document_text(document, "process.user_unit"))
		add(&facts, "unit", "%t of %t", PATHS("process.user_unit", "process.unit"));
	else if (document_text(document, "process.unit"))
		add(&facts, "unit", "%t", PATHS("process.unit"));
	add(&facts, "limit", "%s of %t, reserve %s",
	    PATHS("memory.limit_bytes", "memory.limit_cgroup", "memory.reserve_bytes"));
	if (!was_lost(document))
		add(&facts, "need", "%s: usage %s less %s reclaimable",
		    PATHS("memory.need_bytes", "memory.usage_bytes", "memory.reclaimable_bytes"));
	if (document_text(document, "trigger") || was_lost(document))
		add_trip(&facts);
	if (document_is_known(document, "recording.recorded_bytes"))
		add(&facts, "recorded",
		    document_is_text(document, "recording.timeline.origin", "kill")
			    ? "%s of %s grown, from %m before the kill on"
			    : "%s of %s grown, from %m before the line on",
		    PATHS("recording.recorded_bytes", "recording.grown_bytes",
			  "recording.since_ms"));
	return json_finish(facts.list, facts.failed);
}

/* --- the summary --------------------------------------------------------------------------- */

/* Its handler is not seen where it has none. */
static bool arrived(const json_t *document)
{
	return was_delivered(document) || json_equal(document_at(document, "exit.signal"),
						     document_at(document, "action.signal"));
}

static void tell_action(FILE *file, const json_t *document)
{
	bool itself = json_equal(document_at(document, "target.pid"),
				 document_at(document, "process.pid"));

	if (document_is_text(document, "verdict", "dry run")) {
		fputs(" Nothing was sent, as asked by --dry-run.", file);
		return;
	}
	if (strncmp(document_text(document, "action.result") ?: "", "sent", 4) != 0)
		return;
	if (itself)
		fputs(" It", file);
	else
		document_print(file, document, " %t (pid %n)", PATHS("target.comm", "target.pid"));
	document_print(file, document, " was sent SIG%t", PATHS("action.signal"));
	if (document_is_known(document, "timing.crossing_to_handler_us"))
		document_print(file, document,
			       ", and its handler ran %u after the line was crossed.",
			       PATHS("timing.crossing_to_handler_us"));
	else
		fputs(arrived(document) ? "." : ", which did not arrive.", file);
}

static void tell_end(FILE *file, const json_t *document)
{
	if (had_airbag(document))
		document_print(
			file, document,
			" The limit was raised by %s for the shutdown, which used %s of that.",
			PATHS("airbag.raised_bytes", "airbag.used_bytes"));
	if (document_is_known(document, "exit.code"))
		document_print(file, document, " It exited with status %n", PATHS("exit.code"));
	else if (document_text(document, "exit.signal"))
		document_print(file, document, " It was ended by SIG%t", PATHS("exit.signal"));
	else
		return;
	if (document_is_known(document, "timing.signal_to_exit_ms"))
		document_print(file, document, ", %m after the signal",
			       PATHS("timing.signal_to_exit_ms"));
	fputc('.', file);
}

/* "shop::fill (shop.cc:7)", "V8: JSON", "CPython itself", "libx.so+0x10". */
static void tell_name(FILE *file, const json_t *owner)
{
	_cleanup_free_ char *place = NULL, *safe = NULL;

	place = document_place(document_text(owner, "module"), document_text(owner, "offset"),
			       NULL);
	safe = text_escape_line(document_text(owner, "runtime")	   ?
				: document_text(owner, "function") ?
				: place				   ?
								   : "?");
	fputs(safe ?: "?", file);
	if (document_text(owner, "space"))
		document_print(file, owner, ": %t", PATHS("space"));
	else if (document_text(owner, "runtime"))
		fputs(" itself", file);
	if (document_text(owner, "source"))
		document_print(file, owner, " (%t:%n)", PATHS("source", "line"));
}

/* The first is a function that somebody can change; what a runtime has more of is told, too. */
static void tell_owners(FILE *file, const json_t *document)
{
	const json_t *top = document_at(document, "recording.top"), *owner, *most;
	const json_t *first = most = json_array_get(top, 0);
	size_t i;

	if (!document_is_known(first, "share"))
		return;
	json_array_foreach (top, i, owner)
		if (json_number_value(document_at(owner, "share")) >
		    json_number_value(document_at(most, "share")))
			most = owner;
	fprintf(file, " %.1f %% of what was recorded was allocated by ",
		100 * json_number_value(document_at(first, "share")));
	tell_name(file, first);
	if (most != first) {
		fprintf(file, ", %.1f %% by ", 100 * json_number_value(document_at(most, "share")));
		tell_name(file, most);
	}
	fputc('.', file);
}

/* Of a service of systemd. */
static void tell_comeback(FILE *file, const json_t *document)
{
	if (document_is_text(document, "after.outcome", "restarted"))
		document_print(file, document, " %t was up again after %m.",
			       PATHS("after.unit", "after.up_after_ms"));
	else if (document_text(document, "after.outcome"))
		document_print(file, document, " %t: %t.", PATHS("after.unit", "after.outcome"));
}

char *report_summary(const json_t *document)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		return NULL;
	document_print(file, document, "%t (pid %n) in cgroup %t ",
		       PATHS("process.comm", "process.pid", "process.cgroup"));
	if (was_lost(document))
		document_print(file, document, "came near its limit of %s",
			       PATHS("memory.limit_bytes"));
	else
		document_print(file, document, "needed %s of its limit of %s",
			       PATHS("memory.need_bytes", "memory.limit_bytes"));
	if (document_is_known(document, "memory.forecast_ms"))
		document_print(file, document, " and grew by %s/s: the limit was %m away",
			       PATHS("memory.rate_bytes_per_s", "memory.forecast_ms"));
	fputc('.', file);
	report_memory_tell(file, document);
	tell_action(file, document);
	tell_end(file, document);
	tell_comeback(file, document);
	tell_owners(file, document);
	if (fclose(file) == 0)
		return text;
	free(text);
	return NULL;
}

/* --- what is missing ----------------------------------------------------------------------- */

static bool is_named(const json_t *location)
{
	return json_array_size(json_object_get(location, "functions")) > 0;
}

struct places {
	size_t all, silent;
};

/* Of each module; the caller frees it. NULL: no memory. */
static struct places *count_places(const json_t *recording)
{
	size_t count = json_array_size(document_at(recording, "modules")), i;
	struct places *places = calloc(count + 1, sizeof(*places));
	const json_t *location;

	json_array_foreach (document_at(recording, "locations"), i, location) {
		const json_t *index = json_object_get(location, "module");
		json_int_t module = json_is_integer(index) ? json_integer_value(index) : -1;

		if (!places || module < 0 || (size_t)module >= count)
			continue;
		places[module].all++;
		places[module].silent += !is_named(location);
	}
	return places;
}

/* "libc.so.6 (4 of 9 places)": what has no name, to be read beside the flame graph. */
static void tell_silent_modules(FILE *file, const json_t *recording)
{
	_cleanup_free_ struct places *places = count_places(recording);
	const json_t *module;
	size_t i, told = 0;

	json_array_foreach (document_at(recording, "modules"), i, module) {
		if (!places || !places[i].silent || told++ >= SILENT_MODULES_MAX)
			continue;
		document_print(file, module, told == 1 ? "No names for places in %t" : ", %t",
			       PATHS("path"));
		fprintf(file, " (%zu of %zu", places[i].silent, places[i].all);
		if (document_text(module, "error"))
			document_print(file, module, ": %t", PATHS("error"));
		fputc(')', file);
	}
	if (told > SILENT_MODULES_MAX)
		fprintf(file, " and %zu more", told - SILENT_MODULES_MAX);
}

static void tell_nothing(FILE *file, const json_t *recording)
{
	if (!json_is_object(recording))
		fputs("Nothing was recorded, so who allocated is not known", file);
}

static void tell_trouble(FILE *file, const json_t *recording)
{
	if (document_text(recording, "trouble"))
		document_print(file, recording, "No names: %t", PATHS("trouble"));
}

static void tell_interpreter(FILE *file, const json_t *recording)
{
	if (document_text(recording, "interpreter.trouble"))
		document_print(file, recording, "No lines of the program, %t: %t",
			       PATHS("interpreter.name", "interpreter.trouble"));
}

static void tell_lost(FILE *file, const json_t *recording)
{
	if (json_integer_value(document_at(recording, "lost_bytes")) > 0)
		document_print(file, recording,
			       "The stacks of %s are missing: overwritten before they were read, "
			       "or too many for a report",
			       PATHS("lost_bytes"));
}

/* What the document says itself. */
static int tell_own(json_t *list, const json_t *document)
{
	const json_t *text;
	size_t i;
	int r = 0;

	json_array_foreach (document_at(document, "missing"), i, text) {
		_cleanup_free_ char *safe = text_escape_line(json_string_value(text) ?: "?");

		if (!safe)
			r = -1;
		else if (*safe) /* a sentence */
			r |= json_array_append_new(list, json_sprintf("%c%s.",
								      toupper((unsigned char)*safe),
								      safe + 1));
	}
	return r;
}

json_t *report_missing(const json_t *document)
{
	static void (*const tellers[])(FILE * file, const json_t *recording) = {
		tell_nothing, tell_trouble, tell_interpreter, tell_lost, tell_silent_modules};
	const json_t *recording = document_at(document, "recording");
	json_t *list = json_array();
	int r = tell_own(list, document);

	for (size_t i = 0; i < ARRAY_SIZE(tellers); i++) {
		_cleanup_free_ char *text = NULL;
		size_t size;
		FILE *file = open_memstream(&text, &size);

		if (file)
			tellers[i](file, recording);
		if (!file || fclose(file) != 0)
			r = -1;
		else if (*text)
			r |= json_array_append_new(list, json_sprintf("%s.", text));
	}
	return json_finish(list, r);
}
