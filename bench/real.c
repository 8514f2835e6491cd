/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Real programs that grow until they are told to stop, alone and guarded with default options. Saved
 * is what their own data say: that all they had told the outside world about has outlived them.
 * Beside that, how long they hung: at the limit, without any progress.
 */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "bench.h"
#include "hang.h"
#include "numbers.h"
#include "subjects.h"
#include "tool.h"

#define PARENT_BYTES (1ULL << 40) /* never near; a guard wants some limit */
#define RUN_MS 120000
#define CHECK_MS 60000

static const struct subject {
	const char *name, *label;
	uint64_t limit_bytes;
} subjects[] = {
	{"python", "Python, an index", 256 * MIB},
	{"node", "Node, an index", 256 * MIB},
	{"go", "Go, an index", 256 * MIB},
	{"jvm", "JVM, an index", 256 * MIB},
	{"redis", "redis, saved at its end", 256 * MIB},
	{"chromium", "Chromium, a page", 512 * MIB},
	{"ffmpeg", "ffmpeg, an MP4 file", 256 * MIB},
	{"nginx", "nginx, sendfile", 256 * MIB},
};

enum guard { ALONE, GUARDED, GUARDS };

struct row {
	const char *skipped; /* why; NULL: it was not */
	unsigned int saved[GUARDS], killed[GUARDS];
	struct samples hang_ms[GUARDS];
};

struct real {
	struct bench *bench;
	struct group *parent;
	struct subjects *subjects;
	unsigned int runs;
	struct row rows[ARRAY_SIZE(subjects)];
};

/* Waits for its end. The longest time at the limit in which it printed nothing. */
static double watch_ms(const struct bench *bench, const struct group *group, struct child *child,
		       bool *ret_ended)
{
	uint64_t end = now_ns() + RUN_MS * NSEC_PER_MSEC;
	struct hang hang = {};

	while (!(*ret_ended = child_wait(child, HANG_SAMPLE_MS)) && now_ns() < end)
		hang_look(&hang, bench, group, child->output_size);
	return hang_longest_ms(&hang);
}

/* The last whole line it printed: how many records it had said there are. */
static const char *last_count(const struct child *child)
{
	const char *end = child->output ? memrchr(child->output, '\n', child->output_size) : NULL;
	const char *line = end;

	if (!end)
		return "0";
	while (line > child->output && line[-1] != '\n')
		line--;
	return text("%.*s", (int)(end - line), line);
}

static bool outlived(struct real *real, const struct subject *subject, const char *count)
{
	/* Unlimited and unguarded; it takes along what a check that fails has left running. */
	struct group *group = group_new(real->bench, NULL, "check", 0);
	struct child *child = subjects_start(real->subjects, group, "check", subject->name, count);
	bool fine = child_wait(child, CHECK_MS) && child_code(child) == 0;

	child_free(child);
	group_free(real->bench, group);
	return fine;
}

static void run_once(struct real *real, size_t index, enum guard guard)
{
	const struct subject *subject = &subjects[index];
	struct group *group =
		group_new(real->bench, real->parent, subject->name, subject->limit_bytes);
	struct child *child = subjects_start(real->subjects, group, "grow", subject->name, NULL);
	struct row *row = &real->rows[index];
	const char *count;
	bool ended;

	samples_add(&row->hang_ms[guard], watch_ms(real->bench, group, child, &ended));
	row->killed[guard] += group_oom_kills(real->bench, group) > 0;
	count = last_count(child);
	child_free(child);
	group_free(real->bench, group);
	row->saved[guard] += outlived(real, subject, count) && ended;
}

static bool wanted(const struct real *real, size_t index)
{
	return is_wanted(real->bench, subjects[index].name);
}

static void print_row(struct real *real, size_t index, json_t *json)
{
	struct row *row = &real->rows[index];

	if (row->skipped) {
		printf("  %-26s skipped: %s\n", subjects[index].label, row->skipped);
		json_object_set_new(json, subjects[index].name,
				    json_pack("{s:s}", "skipped", row->skipped));
		return;
	}
	printf("  %-26s %4llu   %3u/%-3u   %3u/%-3u   %9u %9u   %9.0f %9.0f\n",
	       subjects[index].label, (unsigned long long)(subjects[index].limit_bytes / MIB),
	       row->saved[ALONE], real->runs, row->saved[GUARDED], real->runs, row->killed[ALONE],
	       row->killed[GUARDED], samples_max(&row->hang_ms[ALONE]),
	       samples_max(&row->hang_ms[GUARDED]));
	json_object_set_new(json, subjects[index].name,
			    json_pack("{s:I s:i s:i s:i s:i s:f s:f}", "limit_bytes",
				      (json_int_t)subjects[index].limit_bytes, "alone",
				      row->saved[ALONE], "guarded", row->saved[GUARDED],
				      "killed_alone", row->killed[ALONE], "killed_guarded",
				      row->killed[GUARDED], "hang_alone_ms",
				      samples_max(&row->hang_ms[ALONE]), "hang_guarded_ms",
				      samples_max(&row->hang_ms[GUARDED])));
}

static void print_header(void)
{
	printf("\nReal programs (apoptosis watch with default options)\n\n"
	       "  %-26s %4s %9s %9s   %19s   %19s\n  %-26s %4s %9s %9s   %9s %9s   %9s %9s\n",
	       "saved, by their own data", "MiB", "", "", "runs with OOM kills", "ms hung, at most",
	       "", "", "alone", "guarded", "alone", "guarded", "alone", "guarded");
}

static void report(struct real *real)
{
	unsigned int saved = 0, runs = 0;
	double longest_ms = 0;
	bool hangs;
	json_t *json = json_object();

	print_header();
	for (size_t i = 0; i < ARRAY_SIZE(subjects); i++) {
		if (!wanted(real, i))
			continue;
		print_row(real, i, json);
		saved += real->rows[i].saved[GUARDED];
		runs += real->rows[i].skipped ? 0 : real->runs;
		longest_ms = MAX(longest_ms, samples_max(&real->rows[i].hang_ms[GUARDED]));
		for (enum guard guard = 0; guard < GUARDS; guard++)
			samples_done(&real->rows[i].hang_ms[guard]);
	}
	hangs = longest_ms > HANG_TARGET_MS;
	printf("\n  Hung: usage within 1 MiB of the limit in force, and no record added; the "
	       "shutdown is part of it.\n"
	       "  Target: every one is saved: %u of %u, %s. Target: none hangs for more than 2 s: "
	       "%s.\n",
	       saved, runs, saved == runs ? "met" : "MISSED", hangs ? "MISSED" : "met");
	json_object_set_new(json, "runs", json_integer(real->runs));
	json_object_set_new(json, "hang_target_ms", json_integer(HANG_TARGET_MS));
	json_object_set_new(json, "hang_target_met", json_boolean(!hangs));
	json_object_set_new(real->bench->json, "real", json);
}

void real_run(struct bench *bench)
{
	struct real real = {
		.bench = bench,
		.parent = group_new(bench, NULL, "real", PARENT_BYTES),
		.subjects = subjects_new(bench, text("%s/program", bench->subjects)),
		.runs = repeats(bench, 5, 1),
	};

	for (size_t i = 0; i < ARRAY_SIZE(subjects); i++)
		if (wanted(&real, i))
			real.rows[i].skipped = subjects_prepare(real.subjects, subjects[i].name);
	for (enum guard guard = 0; guard < GUARDS; guard++) {
		struct tool *tool = guard == GUARDED ? tool_start(bench, real.parent, NULL) : NULL;

		for (size_t i = 0; i < ARRAY_SIZE(subjects); i++)
			for (unsigned int n = 0; n < real.runs; n++)
				if (wanted(&real, i) && !real.rows[i].skipped)
					run_once(&real, i, guard);
		tool_stop(tool);
	}
	subjects_free(real.subjects);
	group_free(bench, real.parent);
	report(&real);
}
