/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long it takes until a program hears that memory is getting scarce: from the fault that crosses the level, by the
 * guard's own warning, to when the program has read the byte. It works on meanwhile, a MiB at a time, and looks
 * between two of these. Whether what it drops then is enough, so that nobody is stopped.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "bench.h"
#include "child.h"
#include "numbers.h"
#include "tool.h"

#define PATIENCE_MS 60000
#define WARN "\"event\":\"warn\""
#define DONE "\"event\": \"done\""

static const struct row {
	const char *name, *label, *how; /* how: see pressure.py */
} rows[] = {
	{"python", "Python, by the socket", NULL},
	{"sd_event", "sd_event_add_memory_pressure(3)", "sd-event"},
};

struct result {
	struct samples us;
	unsigned int runs, heard, stopped;
	bool is_unavailable;
};

/* The line in which that stands; NULL: there is none. */
static json_t *find_line(const char *text, const char *what)
{
	const char *at = text ? strstr(text, what) : NULL;

	while (at && at > text && at[-1] != '\n')
		at--;
	return at ? json_loads(at, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
}

static void run_once(const struct bench *bench, const struct row *row, struct result *result)
{
	const char *errors = text("%s/pressure.events", bench->dir);
	const char *const argv[] = {bench->apoptosis,
				    "run",
				    "--json",
				    "--warn",
				    "80%",
				    "--limit",
				    "128M",
				    "--",
				    "python3",
				    text("%s/../../tests/workloads/pressure.py", bench->subjects),
				    "80",
				    "70",
				    row->how,
				    NULL};
	_cleanup_free_ char *events = NULL;
	struct child *child;
	json_t *warn, *done;

	unlink(errors); /* of the run before */
	child = child_exec(NULL, errors, argv);
	if (!child_wait(child, PATIENCE_MS) || file_read(AT_FDCWD, errors, &events, NULL) < 0)
		fail("%s does not end", bench->apoptosis);
	result->is_unavailable = child_code(child) == 77; /* there is no such library */
	warn = find_line(events, WARN);
	done = find_line(child->output, DONE);
	result->runs++;
	result->stopped += strstr(events, "\"event\":\"trip\"") != NULL;
	if (warn && done && json_number_at(done, "heard_ns") > 0) {
		/* A warning is called by when it was crossed. */
		uint64_t crossed_ns = strtoull(json_text_at(warn, "id"), NULL, 16);

		result->heard++;
		samples_add(&result->us,
			    (json_number_at(done, "heard_ns") - (double)crossed_ns) / 1000);
	}
	json_decref(warn);
	json_decref(done);
	child_free(child);
}

void pressure_run(struct bench *bench)
{
	const char *library = text("%s/../libsystemd/libsystemd.so.0", bench->workloads);
	json_t *json = json_object();

	if (access(library, R_OK) == 0)
		setenv("LIBSYSTEMD", library, 0);
	printf("\nMemory pressure (apoptosis run --limit 128M --warn 80%%): a program that drops "
	       "80 MiB of "
	       "caches when it is told,\nand without that has no room for its work\n\n");
	printf("  %-34s %10s %10s   %8s %8s\n", "", "heard it", "stopped", "us, median", "max");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct result result = {};

		if (!is_wanted(bench, rows[i].name))
			continue;
		for (unsigned int n = repeats(bench, 20, 5); n && !result.is_unavailable; n--)
			run_once(bench, &rows[i], &result);
		if (result.is_unavailable) {
			printf("  %-34s not measured: no libsystemd of 254 or newer\n",
			       rows[i].label);
			continue;
		}
		printf("  %-34s %6u/%-3u %10u   %10.0f %8.0f\n", rows[i].label, result.heard,
		       result.runs, result.stopped, samples_median(&result.us),
		       samples_max(&result.us));
		json_object_set_new(
			json, rows[i].name,
			json_pack("{s:i s:i s:i s:f s:f}", "runs", (int)result.runs, "heard",
				  (int)result.heard, "stopped", (int)result.stopped, "median_us",
				  samples_median(&result.us), "max_us", samples_max(&result.us)));
		samples_done(&result.us);
	}
	json_object_set_new(bench->json, "pressure", json);
}
