/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What whole programs pay that are nowhere near a limit: alone, guarded while no limit is armed, guarded while
 * another one is, and not guarded while another one is. In rounds of a few runs each, so that what drifts meets
 * all of them.
 */
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
#define RUNS_IN_TURN 3 /* each change of guard waits until no limit is armed */

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
	struct group *host, *guarded, *plain, *armed;
	struct child *neighbour; /* that keeps a limit armed */
	struct tool *tool;
	struct subjects *subjects;
	json_t *json;
	unsigned int rows, slow;
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
	if (armed != !!whole->neighbour)
		whole->neighbour = armed ? child_fork(whole->armed, neighbour_main, NULL)
					 : child_free(whole->neighbour);
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

static void print_row(struct whole *whole, const struct subject *subject, struct samples ms[HOWS])
{
	double alone = samples_median(&ms[ALONE]), ratio[HOWS];
	json_t *row = json_object();
	static const char *const names[HOWS] = {"alone", "unarmed", "armed", "other_armed"};

	printf("  %-22s %8.0f ", subject->label, alone);
	json_object_set_new(row, "alone_ms", json_real(alone));
	for (enum how how = UNARMED; how < HOWS; how++) {
		ratio[how] = samples_median(&ms[how]) / alone;
		printf(" %10.3f%-7s", ratio[how], ratio[how] > TARGET ? " MISSED" : "");
		whole->slow += ratio[how] > TARGET;
		whole->rows++;
		json_object_set_new(row, names[how], json_real(ratio[how]));
	}
	printf("   %.3f\n",
	       samples_quantile(&ms[ALONE], 0.75) / samples_quantile(&ms[ALONE], 0.25));
	fflush(stdout);
	json_object_set_new(whole->json, subject->name, row);
}

static void subject_run(struct whole *whole, const struct subject *subject, unsigned int rounds)
{
	const char *reason = subjects_prepare(whole->subjects, subject->name);
	struct samples ms[HOWS] = {0};
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
		for (unsigned int i = 0; i < HOWS; i++) {
			enum how how = (enum how)((i + round) % HOWS);

			set_up(whole, how);
			for (unsigned int k = 0; k < RUNS_IN_TURN; k++) {
				double once = run_once(whole, subject, how);

				if (once > 0)
					samples_add(&ms[how], once);
			}
		}
	print_row(whole, subject, ms);
	for (unsigned int i = 0; i < HOWS; i++)
		samples_done(&ms[i]);
}

void whole_run(struct bench *bench)
{
	struct whole whole = {
		.bench = bench,
		.host = group_new(bench, NULL, "whole", HOST_BYTES),
		.plain = group_new(bench, NULL, "plain", 0),
		.json = json_object(),
	};

	whole.guarded = group_new(bench, whole.host, "guarded", 0);
	whole.armed = group_new(bench, whole.host, "armed", ARMED_BYTES);
	whole.subjects = subjects_new(bench, text("%s/program", bench->subjects));
	printf("\nWhole programs far from any limit (apoptosis watch with default options)\n\n"
	       "  %-22s %8s  %18s %17s %17s   %s\n  %-22s %8s  %18s %17s %17s   %s\n",
	       "", "alone,", "guarded, no limit", "guarded, another", "not guarded, but", "spread",
	       "", "ms", "armed", "armed", "another armed", "alone");
	for (size_t i = 0; i < ARRAY_SIZE(subjects); i++)
		if (is_wanted(bench, subjects[i].name))
			subject_run(&whole, &subjects[i], repeats(bench, 7, 2));
	printf("\n  Ratios of medians to that alone; spread: of the quartiles of that.\n"
	       "  Target: at most %.2f: ",
	       TARGET);
	if (whole.slow)
		printf("MISSED in %u of %u.\n", whole.slow, whole.rows);
	else
		printf("met.\n");
	json_object_set_new(bench->json, "whole", whole.json);
	set_up(&whole, ALONE);
	subjects_free(whole.subjects);
	group_free(bench, whole.guarded);
	group_free(bench, whole.armed);
	group_free(bench, whole.host);
	group_free(bench, whole.plain);
}
