/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shutdowns that need more than the reserve leaves: victims that go on allocating through theirs,
 * while every CPU is kept busy by another cgroup. With the airbag and without, and what it took.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/parse.h"
#include "base/util.h"
#include "bench.h"
#include "child.h"
#include "numbers.h"
#include "tool.h"

#define LIMIT_BYTES (256 * MIB)
#define PARENT_BYTES (1ULL << 40) /* never near; a guard wants some limit */
#define VICTIM_MS 120000
#define VERDICT_MS 20000

static const struct spike {
	const char *name, *label;
	const char *arguments[7]; /* %s: a directory in memory */
} spikes[] = {
	{"anon_50", "stops: 50 MiB/s", {"--rate", "50"}},
	{"anon_1000", "stops: 1000 MiB/s", {"--rate", "1000"}},
	{"anon_flat", "stops: flat out", {NULL}},
	{"anon_4", "stops: flat out, 4 threads", {"--threads", "4"}},
	{"thp", "stops: THP", {"--kind", "thp"}},
	{"shmem", "stops: shmem", {"--kind", "shmem"}},
	{"tmpfs", "stops: tmpfs write(2)", {"--kind", "tmpfs", "--dir", "%s"}},
	{"populate", "stops: MAP_POPULATE", {"--kind", "populate"}},
	{"one_populate", "one MAP_POPULATE of 400 MiB", {"--kind", "populate", "--chunk", "400M"}},
	{"one_write",
	 "one write(2) of 400 MiB to tmpfs",
	 {"--kind", "tmpfs", "--dir", "%s", "--chunk", "400M"}},
#define GOES_ON(name, label, rate, threads, ms)                                                  \
	{                                                                                        \
		name, "goes on: " label,                                                         \
		{                                                                                \
			"--stubborn", "--rate", rate, "--threads", threads, "--shutdown-ms", ms, \
		}                                                                                \
	}
	GOES_ON("200_300", "200 MiB/s, 0.3 s", "200", "1", "300"),
	GOES_ON("200_1000", "200 MiB/s, 1 s", "200", "1", "1000"),
	GOES_ON("200_4_1000", "200 MiB/s, 1 s, 4 threads", "200", "4", "1000"),
	GOES_ON("1000_300", "1000 MiB/s, 0.3 s", "1000", "1", "300"),
	GOES_ON("1000_1000", "1000 MiB/s, 1 s", "1000", "1", "1000"),
	GOES_ON("1000_4_1000", "1000 MiB/s, 1 s, 4 threads", "1000", "4", "1000"),
	GOES_ON("flat_300", "flat out, 0.3 s", "0", "1", "300"),
	GOES_ON("flat_1000", "flat out, 1 s", "0", "1", "1000"),
	GOES_ON("flat_4_1000", "flat out, 1 s, 4 threads", "0", "4", "1000"),
};

enum guard { BARE, AIRBAG, GUARDS };

struct row {
	unsigned int saved[GUARDS];
	struct samples used_mib, raised_us;
	unsigned int braked;
};

struct run {
	struct bench *bench;
	struct group *parent;
	struct tool *tool;
	char *state, *tmpfs;
	unsigned int runs[GUARDS];
	struct row rows[ARRAY_SIZE(spikes)];
};

static int spinner(void *arg)
{
	volatile bool for_ever = true;

	(void)arg;
	while (for_ever)
		;
	return 0;
}

static struct child *start_victim(const struct run *run, const struct group *group,
				  const struct spike *spike)
{
	const char *argv[16] = {text("%s/victim", run->bench->workloads), "--state", run->state,
				"--max", "64G"};
	size_t n = 5;

	for (size_t i = 0; i < ARRAY_SIZE(spike->arguments) && spike->arguments[i]; i++)
		argv[n++] = strcmp(spike->arguments[i], "%s") == 0 ? run->tmpfs
								   : spike->arguments[i];
	return child_exec(group, "/dev/null", argv);
}

static void spike_once(struct run *run, size_t index, enum guard guard)
{
	struct group *group = group_new(run->bench, run->parent, spikes[index].name, LIMIT_BYTES);
	struct child *victim = start_victim(run, group, &spikes[index]);
	struct row *row = &run->rows[index];
	const json_t *verdict;

	if (!child_wait(victim, VICTIM_MS))
		fail("a victim does not end");
	verdict = tool_event(run->tool, "verdict", victim->pid, VERDICT_MS);
	if (!verdict)
		fail("no verdict of a victim");
	if (child_code(victim) == 0 && access(run->state, F_OK) == 0 &&
	    group_oom_kills(run->bench, group) == 0) {
		row->saved[guard]++;
		if (guard == AIRBAG) {
			double raised_us = json_number_at(verdict, "timing.crossing_to_airbag_us");

			samples_add(&row->used_mib,
				    json_number_at(verdict, "airbag.used_bytes") / (double)MIB);
			if (raised_us >= 0)
				samples_add(&row->raised_us, raised_us);
			row->braked += strcmp(json_text_at(verdict, "airbag.brake"), "held") == 0;
		}
	}
	child_free(victim);
	tool_forget(run->tool);
	unlink(run->state);
	group_free(run->bench, group);
}

static void report(struct run *run)
{
	unsigned int all[GUARDS] = {0}, rows = 0;
	json_t *json = json_object();

	printf("\nShutdowns that need more than the reserve (limit 256 MiB, reserve 4 MiB, all "
	       "CPUs busy)\n\n  %-35s %9s %9s   %-20s   %-20s %s\n",
	       "saved", "alone", "airbag", "MiB beyond the limit", "us to limit raised", "brake");
	printf("  %-35s %9s %9s   %9s %10s   %9s %10s %s\n", "", "", "", "median", "max", "median",
	       "max", "held");
	for (size_t i = 0; i < ARRAY_SIZE(spikes); i++) {
		struct row *row = &run->rows[i];

		if (!is_wanted(run->bench, spikes[i].name))
			continue;
		printf("  %-35s   %3u/%-3u   %3u/%-3u   %9.1f %10.1f   %9.0f %10.0f   %u\n",
		       spikes[i].label, row->saved[BARE], run->runs[BARE], row->saved[AIRBAG],
		       run->runs[AIRBAG], samples_median(&row->used_mib),
		       samples_max(&row->used_mib), samples_median(&row->raised_us),
		       samples_max(&row->raised_us), row->braked);
		for (enum guard guard = 0; guard < GUARDS; guard++)
			all[guard] += row->saved[guard];
		rows++;
		json_object_set_new(json, spikes[i].name,
				    json_pack("{s:i, s:i, s:f, s:f, s:f, s:f, s:i}", "alone",
					      row->saved[BARE], "airbag", row->saved[AIRBAG],
					      "used_mib_median", samples_median(&row->used_mib),
					      "used_mib_max", samples_max(&row->used_mib),
					      "raised_us_median", samples_median(&row->raised_us),
					      "raised_us_max", samples_max(&row->raised_us),
					      "braked", row->braked));
		samples_done(&row->used_mib);
		samples_done(&row->raised_us);
	}
	printf("  %-35s   %3u/%-3u   %3u/%-3u\n", "all", all[BARE], rows * run->runs[BARE],
	       all[AIRBAG], rows * run->runs[AIRBAG]);
	printf("  Target: with the airbag every one is saved: %s.\n",
	       all[AIRBAG] == rows * run->runs[AIRBAG] ? "met" : "MISSED");
	json_object_set_new(json, "runs", json_integer(run->runs[AIRBAG]));
	json_object_set_new(json, "runs_alone", json_integer(run->runs[BARE]));
	json_object_set_new(run->bench->json, "airbag", json);
}

void airbag_run(struct bench *bench)
{
	static const char *const options[GUARDS][5] = {
		[BARE] = {"--reserve", "4M", "--airbag", "off", NULL},
		[AIRBAG] = {"--reserve", "4M", "--airbag", "auto", NULL},
	};
	struct run run = {
		.bench = bench,
		.parent = group_new(bench, NULL, "airbag", PARENT_BYTES),
		.state = text("%s/state", bench->dir),
		.tmpfs = memory_new(bench),
		.runs = {[BARE] = repeats(bench, 4, 1), [AIRBAG] = repeats(bench, 20, 2)},
	};
	struct group *busy = group_new(bench, NULL, "busy", 0);
	struct child *spinners[64];
	size_t n = MIN((size_t)bench->machine.cpus_online, ARRAY_SIZE(spinners));

	for (size_t i = 0; i < n; i++)
		spinners[i] = child_fork(busy, spinner, NULL);
	for (enum guard guard = 0; guard < GUARDS; guard++) {
		run.tool = tool_start(bench, run.parent, options[guard]);
		for (size_t i = 0; i < ARRAY_SIZE(spikes); i++)
			for (unsigned int k = 0; k < run.runs[guard]; k++)
				if (is_wanted(bench, spikes[i].name))
					spike_once(&run, i, guard);
		run.tool = tool_stop(run.tool);
	}
	for (size_t i = 0; i < n; i++)
		child_free(spinners[i]);
	group_free(bench, busy);
	group_free(bench, run.parent);
	memory_free(run.tmpfs);
	report(&run);
}
