/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A full machine: 2,000 limited cgroups, 1,500 of them children of one, some 20 deep, and 10,000 processes.
 * What a guard of all of them costs to start and to keep, and whether a spike anywhere is saved as fast as
 * on an empty machine.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/util.h"
#include "bench.h"
#include "grower.h"
#include "numbers.h"
#include "tool.h"
#include "usage.h"

#define CHILDREN 1500 /* of one parent */
#define DEEP 20	      /* levels */
#define SLICES 8
#define LIMITED 2000
#define PROCESSES_EACH 5 /* of each limited cgroup: 10,000 */

#define LIMIT_BYTES (64 * MIB)
#define WIDE_ROOM_BYTES (128 * MIB) /* of the parent's limit, beside its children */
#define HOST_BYTES (1ULL << 40)	    /* never near */
#define EVENT_MS 20000

struct fleet {
	struct bench *bench;
	struct group *host, *wide, *deepest, *plain, *last_child, *unlimited_child;
	struct group *groups[LIMITED + DEEP + SLICES];
	size_t group_count;
	struct child *processes[LIMITED];
	size_t process_count;
};

/* --- making it ----------------------------------------------------------------------------- */

static int sleepers(void *arg)
{
	(void)arg;
	for (int i = 1; i < PROCESSES_EACH; i++)
		if (fork() == 0)
			break;
	while (pause() < 0)
		;
	return 0;
}

static struct group *add(struct fleet *fleet, const struct group *parent, const char *name,
			 uint64_t limit)
{
	struct group *group = group_new(fleet->bench, parent, name, limit);

	fleet->groups[fleet->group_count++] = group;
	return group;
}

static struct group *add_service(struct fleet *fleet, const struct group *parent, const char *name)
{
	struct group *group = add(fleet, parent, name, LIMIT_BYTES);

	fleet->processes[fleet->process_count++] = child_fork(group, sleepers, NULL);
	return group;
}

/* The parent of many has a limit of its own: so much more than they use. */
static void limit_wide(struct fleet *fleet)
{
	struct cgroup_memory memory = group_memory(fleet->bench, fleet->wide);

	group_set_limit(fleet->bench, fleet->wide, memory.usage_bytes + WIDE_ROOM_BYTES);
}

static void fleet_make(struct fleet *fleet)
{
	struct group *slices[SLICES], *at;
	size_t services = LIMITED - CHILDREN - 1;

	fleet->wide = add(fleet, fleet->host, "wide", HOST_BYTES);
	for (size_t i = 0; i < CHILDREN - 1; i++)
		fleet->last_child = add_service(fleet, fleet->wide, "child");
	fleet->unlimited_child = add(fleet, fleet->wide, "unlimited", 0);
	at = fleet->host;
	for (size_t i = 0; i < DEEP - 1; i++)
		at = add(fleet, at, "level", HOST_BYTES);
	fleet->deepest = add_service(fleet, at, "deepest");
	for (size_t i = 0; i < SLICES; i++)
		slices[i] = add(fleet, fleet->host, "slice", HOST_BYTES);
	for (size_t i = 0; i < services; i++)
		fleet->plain = add_service(fleet, slices[i % SLICES], "service");
	limit_wide(fleet);
}

static void fleet_free(struct fleet *fleet)
{
	while (fleet->process_count)
		child_free(fleet->processes[--fleet->process_count]);
	while (fleet->group_count) /* those below come after those above */
		group_free(fleet->bench, fleet->groups[--fleet->group_count]);
}

/* --- spikes in it -------------------------------------------------------------------------- */

struct row {
	const char *name, *label;
	struct group *group, *limited; /* where it grows; whose limit that meets */
	uint64_t room_bytes;	       /* below that, about */
	struct samples us;
	unsigned int saved, runs;
};

/* What was lent goes back first: the next spike is to meet the limit. */
static void wait_for_limit(const struct bench *bench, const struct row *row, uint64_t limit_bytes)
{
	for (unsigned int ms = 0; group_memory(bench, row->limited).limit_bytes != limit_bytes;
	     ms += 10) {
		if (ms > EVENT_MS)
			fail("the limit of %s does not go back", row->limited->rel);
		sleep_ms(10);
	}
}

static void spike(struct fleet *fleet, struct tool *tool, struct row *row)
{
	const struct grower_plan plan = {
		.threads = 1,
		.until_pages = 2 * row->room_bytes / fleet->bench->page_size,
	};
	uint64_t kills = group_oom_kills(fleet->bench, row->group);
	struct grower *grower = grower_new(fleet->bench, row->group, &plan);
	const json_t *verdict;
	double us;

	grower_go(grower);
	row->runs++;
	if (!grower_wait(grower, EVENT_MS))
		fail("a growing process does not end");
	verdict = tool_event(tool, "verdict", grower_pid(grower), EVENT_MS);
	us = json_number_at(verdict, "timing.crossing_to_handler_us");
	if (us >= 0)
		samples_add(&row->us, us);
	row->saved += grower_result(grower)->handler_ns &&
		      group_oom_kills(fleet->bench, row->group) == kills;
	grower_free(grower);
	tool_forget(tool);
}

static void run_row(struct fleet *fleet, struct tool *tool, struct row *row)
{
	uint64_t limit_bytes = group_memory(fleet->bench, row->limited).limit_bytes;
	unsigned int n = repeats(fleet->bench, 20, 3);

	for (unsigned int i = 0; i < n; i++) {
		wait_for_limit(fleet->bench, row, limit_bytes);
		spike(fleet, tool, row);
	}
	printf("  %-44s %3u of %3u   %8.0f %8.0f\n", row->label, row->saved, row->runs,
	       samples_median(&row->us), samples_max(&row->us));
	fflush(stdout);
	json_object_set_new(json_object_get(fleet->bench->json, "fleet"), row->name,
			    json_pack("{s:i s:i s:f s:f}", "runs", (int)row->runs, "saved",
				      (int)row->saved, "median_us", samples_median(&row->us),
				      "max_us", samples_max(&row->us)));
	samples_done(&row->us);
}

/* --- the guard of it ----------------------------------------------------------------------- */

/* The daemon as it is by default, but for whom it guards, and where it keeps what it knows. */
static const char *configure(const struct bench *bench, const struct group *group)
{
	const char *path = text("%s/fleet.conf", bench->dir);
	FILE *file = fopen(path, "we");

	if (!file ||
	    fprintf(file,
		    "[defaults]\nhistory = %s/history.db\nreport-dir = off\npin-dir = off\n"
		    "oomd-hook = off\n"
		    "[guard others]\ncgroup = /*\nenabled = no\n"
		    "[guard fleet]\ncgroup = %s*\npriority = 1\n",
		    bench->dir, group->rel) < 0 ||
	    fclose(file))
		fail("cannot write %s: %s", path, strerror(errno));
	return path;
}

static struct tool *start(const struct bench *bench, const struct group *group, const char *when)
{
	const char *config = configure(bench, group);
	uint64_t begin = now_ns();
	struct tool *tool = tool_start_daemon(bench, config);
	double start_ms = (double)(now_ns() - begin) / 1e6, rate;
	struct usage usage;

	sleep_ms(2000); /* the start is not idle */
	rate = usage_wakeups(tool, bench->quick ? 5 : 10);
	usage = usage_of(tool->child->pid);
	printf("  %-10s ready after %5.0f ms, resident %5.1f MiB (anonymous %.1f), kernel maps "
	       "%.1f MiB, %.2f wake-ups /s\n",
	       when, start_ms, (double)usage.rss_bytes / (double)MIB,
	       (double)usage.anon_bytes / (double)MIB, (double)usage.map_bytes / (double)MIB, rate);
	fflush(stdout);
	json_object_set_new(json_object_get(bench->json, "fleet"), when,
			    json_pack("{s:f s:I s:I s:I s:f}", "ready_ms", start_ms, "rss_bytes",
				      (json_int_t)usage.rss_bytes, "anon_bytes",
				      (json_int_t)usage.anon_bytes, "map_bytes",
				      (json_int_t)usage.map_bytes, "wakeups_per_s", rate));
	return tool;
}

static void raise_descriptors(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files))
		fail("getrlimit: %s", strerror(errno));
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) || files.rlim_max < 4 * LIMITED)
		fail("needs %d open files, and may have %llu (ulimit -Hn)", 4 * LIMITED,
		     (unsigned long long)files.rlim_max);
}

void fleet_run(struct bench *bench)
{
	struct fleet fleet = {.bench = bench, .host = group_new(bench, NULL, "fleet", HOST_BYTES)};
	struct group *lone = group_new(bench, fleet.host, "lone", LIMIT_BYTES);
	struct row alone = {"alone", "the only one", lone, lone, LIMIT_BYTES, {0}, 0, 0};
	struct tool *tool;

	raise_descriptors();
	json_object_set_new(bench->json, "fleet", json_object());
	printf("\nFleet: %d limited cgroups, %d of them children of one, one %d deep; %d "
	       "processes\n"
	       "(apoptosis daemon, limits of 64 MiB, growth flat out)\n\n",
	       LIMITED, CHILDREN, DEEP, LIMITED * PROCESSES_EACH);
	tool = start(bench, fleet.host, "empty");
	printf("\n  %-44s %10s   %17s\n", "", "saved", "us to the handler");
	printf("  %-44s %10s   %8s %8s\n", "", "", "median", "max");
	run_row(&fleet, tool, &alone);
	tool_stop(tool);

	fleet_make(&fleet);
	tool = start(bench, fleet.host, "full");
	struct row rows[] = {
		{"plain", "one of 500 in slices", fleet.plain, fleet.plain, LIMIT_BYTES, {0}, 0, 0},
		{"child",
		 "one of the 1,500 children",
		 fleet.last_child,
		 fleet.last_child,
		 LIMIT_BYTES,
		 {0},
		 0,
		 0},
		{"wide",
		 "the limit of their parent",
		 fleet.unlimited_child,
		 fleet.wide,
		 WIDE_ROOM_BYTES,
		 {0},
		 0,
		 0},
		{"deepest", "20 levels deep", fleet.deepest, fleet.deepest, LIMIT_BYTES, {0}, 0, 0},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		run_row(&fleet, tool, &rows[i]);
	tool_stop(tool);
	fleet_free(&fleet);
	group_free(bench, lone);
	group_free(bench, fleet.host);
}
