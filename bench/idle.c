/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon costs when there is nothing to do: memory, and how often it runs. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/util.h"
#include "bench.h"
#include "tool.h"
#include "usage.h"

#define LIMIT_BYTES (256 * MIB)
#define FAULTING_BYTES (8 * MIB)
#define RSS_TARGET_BYTES (8 * MIB)

static int sleeper(void *arg)
{
	(void)arg;
	while (pause() < 0)
		;
	return 0;
}

static int churner(void *arg)
{
	const struct bench *bench = arg;
	char *map = mmap(NULL, FAULTING_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);

	if (map == MAP_FAILED)
		return 1;
	madvise(map, FAULTING_BYTES, MADV_NOHUGEPAGE);
	for (;;) {
		for (uint64_t i = 0; i < FAULTING_BYTES; i += bench->page_size)
			((volatile char *)map)[i] = 1;
		madvise(map, FAULTING_BYTES, MADV_DONTNEED);
	}
}

static void report(struct bench *bench, const struct usage *usage, const double rates[3],
		   unsigned int seconds)
{
	static const char *const labels[] = {"guarded and unguarded process idle",
					     "unguarded process faulting without a pause",
					     "guarded process faulting far from its line"};
	double mib = (double)MIB, worst = 0;

	printf("\nIdle (apoptosis watch --cgroup, %u threads)\n\n", usage->threads);
	printf("  resident memory   %6.1f MiB, of it anonymous %.1f MiB, locked %.1f MiB\n",
	       (double)usage->rss_bytes / mib, (double)usage->anon_bytes / mib,
	       (double)usage->locked_bytes / mib);
	printf("  kernel memory     %6.1f MiB in maps and ring buffers, %.1f MiB in programs\n",
	       (double)usage->map_bytes / mib, (double)usage->program_bytes / mib);
	for (size_t i = 0; i < ARRAY_SIZE(labels); i++) {
		printf("  wake-ups          %6.2f /s  %s (%u s)\n", rates[i], labels[i], seconds);
		worst = MAX(worst, rates[i]);
	}
	printf("\n  Target: no wake-ups when nothing happens: %s. Target: resident memory at most "
	       "8 MiB: %s.\n",
	       worst > 0 ? "MISSED" : "met",
	       usage->rss_bytes <= RSS_TARGET_BYTES ? "met" : "MISSED");
	json_object_set_new(bench->json, "idle",
			    json_pack("{s:I s:I s:I s:I s:I s:f s:f s:f}", "rss_bytes",
				      (json_int_t)usage->rss_bytes, "anon_bytes",
				      (json_int_t)usage->anon_bytes, "locked_bytes",
				      (json_int_t)usage->locked_bytes, "map_bytes",
				      (json_int_t)usage->map_bytes, "program_bytes",
				      (json_int_t)usage->program_bytes, "wakeups_idle_per_s",
				      rates[0], "wakeups_unguarded_faulting_per_s", rates[1],
				      "wakeups_guarded_faulting_per_s", rates[2]));
}

void idle_run(struct bench *bench)
{
	unsigned int seconds = bench->quick ? 5 : 10;
	struct group *guarded = group_new(bench, NULL, "idle-guarded", LIMIT_BYTES);
	struct group *plain = group_new(bench, NULL, "idle-plain", LIMIT_BYTES);
	struct child *idle[2] = {child_fork(guarded, sleeper, NULL),
				 child_fork(plain, sleeper, NULL)};
	struct tool *tool = tool_start(bench, guarded, NULL);
	struct child *busy;
	struct usage usage;
	double rates[3];

	sleep_ms(1000); /* the start is not idle */
	usage = usage_of(tool->child->pid);
	rates[0] = usage_wakeups(tool, seconds);
	busy = child_fork(plain, churner, bench);
	rates[1] = usage_wakeups(tool, seconds);
	child_free(busy);
	busy = child_fork(guarded, churner, bench);
	rates[2] = usage_wakeups(tool, seconds);
	child_free(busy);
	report(bench, &usage, rates, seconds);
	tool_stop(tool);
	for (size_t i = 0; i < ARRAY_SIZE(idle); i++)
		child_free(idle[i]);
	group_free(bench, guarded);
	group_free(bench, plain);
}
