/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Near misses, from the side of who owns the program: it comes close to its limit, and without a
 * guard it lives. Then it is to live with one, unsignalled, and about as fast. Each program is
 * measured first in a cgroup without a limit; then its limit is set so that its peak is a known
 * share of it, and it runs in pairs, alone and guarded with default options.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "bench.h"
#include "numbers.h"
#include "subjects.h"
#include "tool.h"

#define PARENT_BYTES (1ULL << 40) /* never near; a guard wants some limit */
#define RUN_MS 120000
#define STATUS_MS 20000
#define SLOWER_TARGET 1.1
/* Below this a run is so short that what else the machine does shows in a median: more pairs then. */
#define SHORT_MS 300
#define SHORT_MORE 3

static const double shares[] = {0.99, 0.98, 0.95};

static const struct subject {
	const char *name, *label;
} subjects[] = {
	{"anon", "anonymous memory"},	 {"anon_4", "anonymous, 4 threads"},
	{"shmem", "shared memory"},	 {"tmpfs", "write(2) to tmpfs"},
	{"python", "Python, an index"},	 {"node", "Node, an index"},
	{"go", "Go, an index"},		 {"jvm", "JVM, an index"},
	{"redis", "redis, a bulk load"}, {"sort", "sort, in memory"},
	{"cc", "cc, a large table"},
};

struct run {
	bool done; /* all of its work */
	bool signalled, killed;
	double ms;
	uint64_t peak_bytes; /* of need */
};

struct row {
	unsigned int pairs, killed_alone;
	unsigned int passed;	  /* pairs whose run with a guard needed more than the limit */
	unsigned int near_misses; /* pairs that are neither; the rest is of these */
	unsigned int signalled, killed, left_alone;
	struct samples peak_share, alone_ms, guarded_ms, ratio;
};

struct near {
	struct bench *bench;
	struct group *parent;
	struct tool *tool; /* while its turn */
	struct subjects *subjects;
	const char *peak_file;
	unsigned int pairs, rows, slow;
	unsigned int near_misses, left_alone; /* of all rows */
	json_t *json;
};

static void guard_turn(struct near *near, bool on)
{
	if (on == !!near->tool)
		return;
	near->tool = on ? tool_start(near->bench, near->parent, NULL) : tool_stop(near->tool);
	machine_settle();
}

/* By the guard so far, as the kernel side counts them: nothing that is still on its way is missed. */
static double signals_sent(struct near *near)
{
	const json_t *status;
	double sent;

	if (!near->tool)
		return 0;
	child_signal(near->tool->child, SIGUSR1);
	status = tool_event(near->tool, "status", 0, STATUS_MS);
	if (!status)
		fail("apoptosis does not say its status");
	sent = json_number_at(status, "counters.sent") +
	       json_number_at(status, "counters.delegated");
	tool_forget(near->tool);
	return sent;
}

/* The highest need: what is left when all processes are gone is page cache, and was no need. */
static uint64_t peak_bytes(const struct near *near, const struct group *group)
{
	uint64_t peak;
	int r = file_read_u64(group->fd, near->peak_file, &peak);

	if (r < 0)
		fail("cannot read %s of cgroup %s: %s", near->peak_file, group->rel, strerror(-r));
	return sat_sub(peak, group_memory(near->bench, group).file_bytes);
}

static struct run run_once(struct near *near, const struct subject *subject, uint64_t limit)
{
	struct group *group = group_new(near->bench, near->parent, subject->name, limit);
	double sent = signals_sent(near);
	struct child *child = subjects_start(near->subjects, group, "near", subject->name, NULL);
	bool ended = child_wait(child, RUN_MS);
	struct run run = {.ms = (double)(now_ns() - child->start_ns) / 1e6};

	run.killed = group_oom_kills(near->bench, group) > 0;
	run.signalled = signals_sent(near) > sent || (ended && child_code(child) == 128 + SIGTERM);
	run.done = ended && child_code(child) == 0 && !run.killed;
	run.peak_bytes = peak_bytes(near, group);
	child_free(child);
	group_free(near->bench, group);
	return run;
}

/*
 * The highest peak of several runs without a limit, after one that has all files read: the page
 * cache is charged to its cgroup. 0: a run failed. *ret_ms: how long the last one took.
 */
static uint64_t measure_peak(struct near *near, const struct subject *subject, double *ret_ms)
{
	unsigned int runs = near->bench->quick ? 2 : 5;
	uint64_t highest = 0;

	guard_turn(near, false);
	for (unsigned int i = 0; i <= runs; i++) {
		struct run run = run_once(near, subject, 0);

		if (!run.done)
			return 0;
		if (i > 0)
			highest = MAX(highest, run.peak_bytes);
		*ret_ms = run.ms;
	}
	return highest;
}

static void count_pair(struct row *row, const struct run *alone, const struct run *guarded,
		       uint64_t limit)
{
	bool passed = guarded->peak_bytes > limit;

	row->pairs++;
	row->killed_alone += alone->killed;
	row->passed += alone->done && passed;
	if (!alone->done || passed)
		return;
	row->near_misses++;
	samples_add(&row->peak_share, (double)alone->peak_bytes / (double)limit);
	row->signalled += guarded->signalled;
	row->killed += guarded->killed;
	row->left_alone += guarded->done && !guarded->signalled;
	if (guarded->done) {
		samples_add(&row->alone_ms, alone->ms);
		samples_add(&row->guarded_ms, guarded->ms);
		samples_add(&row->ratio, guarded->ms / alone->ms);
	}
}

static void print_row(struct near *near, const struct subject *subject, double share,
		      uint64_t limit, struct row *row)
{
	double alone_ms = samples_median(&row->alone_ms);
	double guarded_ms = samples_median(&row->guarded_ms);
	double ratio = samples_median(&row->ratio);
	char times[64] = "       -        -      -";

	if (row->guarded_ms.n)
		snprintf(times, sizeof(times), "%8.0f %8.0f  %5.2f%s", alone_ms, guarded_ms, ratio,
			 ratio > SLOWER_TARGET ? " MISSED" : "");
	printf("  %-21s %3.0f %%  %5.1f .. %-5.1f %4u %7u %7u %9u %7u  %4u/%-4u %s\n",
	       subject->label, share * 100, 100 * samples_quantile(&row->peak_share, 0.001),
	       100 * samples_max(&row->peak_share), row->pairs, row->killed_alone, row->passed,
	       row->signalled, row->killed, row->left_alone, row->near_misses, times);
	fflush(stdout);
	json_object_set_new(near->json, text("%s_%.0f", subject->name, share * 100),
			    json_pack("{s:I s:i s:i s:i s:i s:i s:i s:i s:f s:f s:f s:f}",
				      "limit_bytes", (json_int_t)limit, "pairs", row->pairs,
				      "killed_alone", row->killed_alone, "passed", row->passed,
				      "near_misses", row->near_misses, "signalled", row->signalled,
				      "killed", row->killed, "left_alone", row->left_alone,
				      "peak_share_max", samples_max(&row->peak_share), "alone_ms",
				      alone_ms, "guarded_ms", guarded_ms, "ratio", ratio));
	near->rows++;
	near->slow += ratio > SLOWER_TARGET;
	near->near_misses += row->near_misses;
	near->left_alone += row->left_alone;
}

/* Alone and guarded, guarded and alone, and so on: what drifts meets both. */
static void share_run(struct near *near, const struct subject *subject, double share, uint64_t peak,
		      unsigned int pairs)
{
	uint64_t limit = (uint64_t)((double)peak / share);
	struct row row = {0};

	for (unsigned int i = 0; i < pairs; i++) {
		struct run runs[2];

		for (unsigned int k = 0; k < 2; k++) {
			bool guarded = (i + k) % 2;

			guard_turn(near, guarded);
			runs[guarded] = run_once(near, subject, limit);
		}
		count_pair(&row, &runs[false], &runs[true], limit);
	}
	print_row(near, subject, share, limit, &row);
	samples_done(&row.peak_share);
	samples_done(&row.alone_ms);
	samples_done(&row.guarded_ms);
	samples_done(&row.ratio);
}

static void subject_run(struct near *near, const struct subject *subject)
{
	const char *reason = subjects_prepare(near->subjects, subject->name);
	unsigned int pairs = near->pairs;
	uint64_t peak = 0;
	double ms = 0;

	if (!reason) {
		peak = measure_peak(near, subject, &ms);
		if (!peak)
			reason = subjects_error(near->subjects);
	}
	if (reason) {
		printf("  %-21s skipped: %s\n", subject->label, reason);
		json_object_set_new(near->json, subject->name,
				    json_pack("{s:s}", "skipped", reason));
		return;
	}
	if (ms < SHORT_MS)
		pairs *= SHORT_MORE;
	for (size_t i = 0; i < ARRAY_SIZE(shares); i++)
		share_run(near, subject, shares[i], peak, pairs);
}

static void print_header(void)
{
	printf("\nNear misses (apoptosis watch with default options)\n\n");
	printf("  %-21s %5s  %14s %4s %7s %7s %9s %7s  %9s %8s %8s  %5s\n", "", "to be",
	       "peak, % of", "", "killed", "passed", "", "killed", "left", "ms", "ms", "");
	printf("  %-21s %5s  %14s %4s %7s %7s %9s %7s  %9s %8s %8s  %5s\n", "", "at", "the limit",
	       "runs", "alone", "guarded", "signalled", "guarded", "alone", "alone", "guarded",
	       "ratio");
}

static void print_sum(const struct near *near)
{
	printf("\n  near misses: %u of %u left alone\n", near->left_alone, near->near_misses);
	printf("\n  A near miss is a pair whose run without a guard did its work; left alone means "
	       "that the one\n  with the guard did so too, and got no signal. Times are medians of "
	       "the pairs that both did it.\n");
	printf("  Target: every near miss is left alone: %s. Target: at most %.1f times as slow: ",
	       near->left_alone == near->near_misses ? "met" : "MISSED", SLOWER_TARGET);
	if (near->slow)
		printf("MISSED in %u of %u rows.\n", near->slow, near->rows);
	else
		printf("met.\n");
	json_object_set_new(near->json, "near_misses", json_integer(near->near_misses));
	json_object_set_new(near->json, "left_alone", json_integer(near->left_alone));
	json_object_set_new(near->json, "rows_slow", json_integer(near->slow));
}

void near_run(struct bench *bench)
{
	struct near near = {
		.bench = bench,
		.parent = group_new(bench, NULL, "near", PARENT_BYTES),
		.peak_file = cgroup_tree_version(bench->tree) == 1 ? "memory.max_usage_in_bytes"
								   : "memory.peak",
		.pairs = repeats(bench, 20, 2),
	};

	if (faccessat(near.parent->fd, near.peak_file, R_OK, 0) < 0) {
		printf("\nNear misses: not measured, this kernel keeps no %s\n", near.peak_file);
		group_free(bench, near.parent);
		return;
	}
	near.json = json_object();
	near.subjects = subjects_new(bench, text("%s/program", bench->subjects));
	print_header();
	for (size_t i = 0; i < ARRAY_SIZE(subjects); i++)
		if (is_wanted(bench, subjects[i].name))
			subject_run(&near, &subjects[i]);
	guard_turn(&near, false);
	print_sum(&near);
	json_object_set_new(bench->json, "near", near.json);
	subjects_free(near.subjects);
	group_free(bench, near.parent);
}
