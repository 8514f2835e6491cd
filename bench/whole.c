/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What whole programs pay that are nowhere near a limit: alone, guarded while no limit is armed, guarded while
 * another one is, and not guarded while another one is. In rounds of a few runs each, so that what drifts meets
 * all of them: a round's ratio is that of its quickest runs, as what disturbs a run only makes it slower, and the
 * figure is the median of the rounds.
 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/util.h"
#include "bench.h"
#include "numbers.h"
#include "subjects.h"
#include "tool.h"

#define HOST_BYTES (1ULL << 40) /* never near; a guard wants some limit */
#define LIMIT_BYTES (16384 * MIB)
#define ARMED_BYTES (256 * MIB)
#define RUN_MS 120000
#define ARMED_MS 10000
#define TARGET 1.02
#define RUNS_IN_TURN 4 /* each change of guard waits until no limit is armed */

enum how { ALONE, UNARMED, ARMED, OTHER, HOWS };

static const struct subject {
	const char *name, *label;
} subjects[] = {
	{"cc", "cc, a large table"},	 {"compiles", "cc, many small files"},
	{"redis", "redis, a bulk load"}, {"requests", "redis-benchmark"},
	{"go", "Go, an index"},		 {"jvm", "JVM, an index"},
	{"forks", "a shell that forks"},
};

struct whole {
	struct bench *bench;
	struct group *host, *guarded, *plain, *armed, *idle;
	struct child *
		neighbour; /* always there, as it takes a part of the machine; in `armed` it keeps that armed */
	bool is_armed;
	struct tool *tool;
	struct subjects *subjects;
	json_t *json;
	unsigned int rows, slow, unclear;
};

/* Three quarters of its limit, and always a little more and less: it is looked at. */
static int neighbour_main(void *arg)
{
	size_t most = ARMED_BYTES * 3 / 4, part = 16 * MIB;
	char *map = mmap(NULL, most, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	(void)arg;
	if (map == MAP_FAILED)
		return 1;
	for (;;) {
		madvise(map, part, MADV_DONTNEED);
		sleep_ms(250);
		for (size_t i = 0; i < part; i += 4096)
			((volatile char *)map)[i] = 1;
		sleep_ms(250);
	}
}

static bool is_growth_attached(struct whole *whole)
{
	const json_t *status, *program;
	bool attached = false;
	size_t i;

	child_signal(whole->tool->child, SIGUSR1);
	status = tool_event(whole->tool, "status", 0, ARMED_MS);
	if (!status)
		fail("apoptosis does not say its status");
	json_array_foreach (json_at(status, "programs"), i, program)
		if (strcmp(json_text_at(program, "name"), "on_rss_stat") == 0)
			attached = json_is_true(json_at(program, "attached"));
	tool_forget(whole->tool);
	return attached;
}

/* The guard as it is to be for that, and what it is to be like. */
static void set_up(struct whole *whole, enum how how)
{
	bool armed = how == ARMED || how == OTHER;

	if ((how != ALONE) != !!whole->tool)
		whole->tool = whole->tool ? tool_stop(whole->tool)
					  : tool_start(whole->bench, whole->host, NULL);
	if (!whole->neighbour || armed != whole->is_armed) {
		child_free(whole->neighbour);
		whole->neighbour =
			child_fork(armed ? whole->armed : whole->idle, neighbour_main, NULL);
		whole->is_armed = armed;
	}
	for (unsigned int waited = 0; whole->tool && is_growth_attached(whole) != armed;) {
		waited += 100;
		if (waited > 3 * ARMED_MS)
			fail("the growth trigger is %s",
			     armed ? "not attached" : "always attached here");
		sleep_ms(100);
	}
	machine_settle();
}

/* Milliseconds; 0: it failed. */
static double run_once(struct whole *whole, const struct subject *subject, enum how how)
{
	struct group *parent = how == OTHER ? whole->plain : whole->guarded;
	struct group *group = group_new(whole->bench, parent, subject->name, LIMIT_BYTES);
	struct child *child = subjects_start(whole->subjects, group, "near", subject->name, NULL);
	bool ended = child_wait(child, RUN_MS);
	double ms = (double)(now_ns() - child->start_ns) / 1e6;
	bool done = ended && child_code(child) == 0;

	child_free(child);
	group_free(whole->bench, group);
	return done ? ms : 0;
}

/* That has the median in 95 of 100 cases, by the binomial distribution; of less than six it is all. */
static void interval(struct samples *ratios, double *ret_low, double *ret_high)
{
	double n = (double)ratios->n, rank = round((n - 1.96 * sqrt(n)) / 2);

	rank = MAX(rank, 1.0) - 0.5;
	*ret_low = samples_quantile(ratios, rank / n);
	*ret_high = samples_quantile(ratios, 1 - rank / n);
}

static void print_row(struct whole *whole, const struct subject *subject, double alone_ms,
		      struct samples ratios[HOWS])
{
	json_t *row = json_object();
	static const char *const names[HOWS] = {"alone", "unarmed", "armed", "other_armed"};

	printf("  %-22s %8.0f ", subject->label, alone_ms);
	json_object_set_new(row, "alone_ms", json_real(alone_ms));
	for (enum how how = UNARMED; how < HOWS; how++) {
		double ratio = samples_median(&ratios[how]), low, high;

		interval(&ratios[how], &low, &high);
		printf("  %5.3f (%5.3f..%5.3f)%s", ratio, low, high,
		       ratio <= TARGET ? "  "
		       : low > TARGET  ? " M"
				       : " ?");
		whole->slow += low > TARGET;
		whole->unclear += ratio > TARGET && low <= TARGET;
		whole->rows++;
		json_object_set_new(row, names[how],
				    json_pack("{s:f s:f s:f}", "ratio", ratio, "low", low, "high",
					      high));
	}
	putchar('\n');
	fflush(stdout);
	json_object_set_new(whole->json, subject->name, row);
}

/* The quickest of a few runs; 0: all failed. */
static double turn(struct whole *whole, const struct subject *subject, enum how how)
{
	double quickest = 0;

	set_up(whole, how);
	for (unsigned int k = 0; k < RUNS_IN_TURN; k++) {
		double ms = run_once(whole, subject, how);

		if (ms > 0 && (quickest == 0 || ms < quickest))
			quickest = ms;
	}
	return quickest;
}

static void round_run(struct whole *whole, const struct subject *subject, unsigned int number,
		      struct samples *alone, struct samples ratios[HOWS])
{
	double ms[HOWS];

	for (unsigned int i = 0; i < HOWS; i++) {
		enum how how = (enum how)((i + number) % HOWS);

		ms[how] = turn(whole, subject, how);
		if (ms[how] == 0)
			fail("%s: %s", subject->name, subjects_error(whole->subjects));
	}
	samples_add(alone, ms[ALONE]);
	for (enum how how = UNARMED; how < HOWS; how++)
		samples_add(&ratios[how], ms[how] / ms[ALONE]);
}

static void subject_run(struct whole *whole, const struct subject *subject, unsigned int rounds)
{
	const char *reason = subjects_prepare(whole->subjects, subject->name);
	struct samples alone = {0}, ratios[HOWS] = {0};
	double first = 0;

	if (!reason) {
		set_up(whole, ALONE);
		first = run_once(whole, subject, ALONE); /* has all files read */
		if (first == 0)
			reason = subjects_error(whole->subjects);
	}
	if (reason) {
		printf("  %-22s skipped: %s\n", subject->label, reason);
		json_object_set_new(whole->json, subject->name,
				    json_pack("{s:s}", "skipped", reason));
		return;
	}
	for (unsigned int round = 0; round < rounds; round++)
		round_run(whole, subject, round, &alone, ratios);
	print_row(whole, subject, samples_median(&alone), ratios);
	samples_done(&alone);
	for (unsigned int i = 0; i < HOWS; i++)
		samples_done(&ratios[i]);
}

void whole_run(struct bench *bench)
{
	struct whole whole = {
		.bench = bench,
		.host = group_new(bench, NULL, "whole", HOST_BYTES),
		.plain = group_new(bench, NULL, "plain", 0),
		.idle = group_new(bench, NULL, "idle", 0),
		.json = json_object(),
	};

	whole.guarded = group_new(bench, whole.host, "guarded", 0);
	whole.armed = group_new(bench, whole.host, "armed", ARMED_BYTES);
	whole.subjects = subjects_new(bench, text("%s/program", bench->subjects));
	printf("\nWhole programs far from any limit (apoptosis watch with default options)\n\n"
	       "  %-22s %8s   %-21s  %-21s  %s\n  %-22s %8s   %-21s  %-21s  %s\n",
	       "", "alone,", "guarded,", "guarded,", "not guarded,", "", "ms", "no limit armed",
	       "another armed", "another armed");
	for (size_t i = 0; i < ARRAY_SIZE(subjects); i++)
		if (is_wanted(bench, subjects[i].name))
			subject_run(&whole, &subjects[i], repeats(bench, 9, 2));
	printf("\n  Ratios to that alone, the median of the rounds and the interval of 95 %% that "
	       "it is "
	       "from.\n"
	       "  Target: at most %.2f: %s; M: missed in %u of %u, ?: not clear in %u.\n",
	       TARGET, whole.slow + whole.unclear ? "MISSED" : "met", whole.slow, whole.rows,
	       whole.unclear);
	json_object_set_new(bench->json, "whole", whole.json);
	set_up(&whole, ALONE);
	child_free(whole.neighbour);
	subjects_free(whole.subjects);
	group_free(bench, whole.guarded);
	group_free(bench, whole.armed);
	group_free(bench, whole.host);
	group_free(bench, whole.plain);
	group_free(bench, whole.idle);
}
