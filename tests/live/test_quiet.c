/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that must not trip a guard: what reclaim would give back, what stops short of the line,
 * what happens next door. Claimed each time: no trip, no warning, nobody was signalled.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "events.h"

TestSuite(quiet, .init = live_setup, .fini = live_teardown, .timeout = 600);

#define LIMIT (256 * MIB)

/* With an airbag: there is more that could go wrong. */
static struct live_process *guard_with_airbag(const struct live_cgroup *cgroup)
{
	return live_watch("--airbag", "auto", "--cgroup", cgroup->rel);
}

static void expect_quiet(struct live_process *guard, const struct live_cgroup *cgroup)
{
	const json_t *ready = live_event(guard, "ready", 0);

	/* A loan that nobody has used is taken back when need has fallen, a moment after it has. */
	live_expect_limit_back(cgroup, (uint64_t)live_int(ready, "guard.limit_bytes"));
	live_expect_quiet(guard);
}

/* A victim that runs to its planned end under guard. */
static void stay_quiet(const char *const args[])
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "quiet", LIMIT);
	struct live_process *guard = guard_with_airbag(cgroup);
	const struct live_spawn spec = {.cgroup = cgroup};
	struct live_process *victim = live_victim_argv(&spec, args);

	live_expect_undisturbed(victim);
	live_check(live_kernel_events(cgroup).oom_kills == 0, "the kernel killed something");
	expect_quiet(guard, cgroup);
}

#define QUIET(name, ...)                                              \
	Test(quiet, name)                                             \
	{                                                             \
		stay_quiet((const char *const[]){__VA_ARGS__, NULL}); \
	}

QUIET(burst_to_85_percent_that_stops, "--burst", "217M", "--hold-ms", "1500")
QUIET(burst_to_85_percent_by_4_threads, "--burst", "217M", "--threads", "4", "--hold-ms", "1500")
QUIET(start_up_straight_to_80_percent, "--burst", "204M", "--hold-ms", "300")
QUIET(start_up_by_map_populate, "--kind", "populate", "--burst", "204M", "--hold-ms", "300")
QUIET(garbage_collector_sawtooth, "--sawtooth", "64M:208M", "--cycles",
      live_format("%u", live_bulk(20)))
QUIET(fork_of_a_big_parent, "--burst", "204M", "--fork-idle", "--hold-ms", "500")

/* Half of the limit is anonymous memory; gigabytes of page cache go through the rest. */
static void pass_through_page_cache(const char *kind, const char *threads)
{
	const char *max = live_format("%uM", live_bulk(3072)), *dir = live_disk_dir();
	const char *args[] = {"--kind", kind,	 "--threads", threads,	     "--base",
			      "128M",	"--max", max,	      "--file-size", "1G",
			      "--dir",	dir,	 NULL};
	uint64_t at_limit;
	struct live_cgroup *cgroup;
	struct live_process *guard, *victim;

	cgroup = live_cgroup(NULL, "files", LIMIT);
	guard = guard_with_airbag(cgroup);
	victim = live_victim_argv(&(struct live_spawn){.cgroup = cgroup}, args);
	live_expect_undisturbed(victim);
	/* Else it was no test: the cache has to have pressed against the limit. */
	at_limit = live_kernel_events(cgroup).at_limit;
	live_check(at_limit > 100, "the limit was met %" PRIu64 " times only", at_limit);
	expect_quiet(guard, cgroup);
}

Test(quiet, file_writes_past_the_limit)
{
	pass_through_page_cache("file-write", "1");
}

Test(quiet, file_writes_past_the_limit_by_4_threads)
{
	pass_through_page_cache("file-write", "4");
}

Test(quiet, file_reads_past_the_limit)
{
	pass_through_page_cache("file-read", "1");
}

Test(quiet, file_reads_past_the_limit_by_4_threads)
{
	pass_through_page_cache("file-read", "4");
}

/* The server of the huge reply, mended: see docs/reports.md. */
Test(quiet, go_server_that_streams_its_reply)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "stream", LIMIT);
	struct live_process *guard = guard_with_airbag(cgroup);
	struct live_process *server = live_start(cgroup, live_workload("hugejson"), "-self-request",
						 "-stream", "-max-mib",
						 live_format("%u", live_bulk(512)));

	live_wait_exit(server);
	live_check(live_exit_code(server) == 0, "it ended with %d", live_exit_code(server));
	expect_quiet(guard, cgroup);
}

/* The service that had all orders in memory, mended: see docs/reports.md. */
Test(quiet, python_service_that_reads_by_line)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "orders", LIMIT);
	struct live_process *guard = guard_with_airbag(cgroup);
	const char *dir = live_path("orders");
	struct live_process *service;

	live_check(mkdir(dir, 0755) == 0, "%s: %m", dir);
	live_wait_exit(live_start(NULL, live_python(), live_workload("orders.py"), dir, "--make",
				  live_format("%u", live_bulk(1000000))));
	service = live_start(cgroup, live_python(), live_workload("orders.py"), dir, "--by-line");
	live_wait_exit(service);
	live_check(live_exit_code(service) == 0, "it ended with %d", live_exit_code(service));
	expect_quiet(guard, cgroup);
}

/* Kernel memory that looks like need until its statistics are brought up to date. */
Test(quiet, slab_that_can_be_shrunk)
{
	struct live_cgroup *cgroup;
	struct live_process *guard, *victim;
	const char *dir = live_disk_dir();
	uint64_t at_limit;

	cgroup = live_cgroup(NULL, "dentries", 32 * MIB);
	guard = guard_with_airbag(cgroup);
	victim = live_victim(cgroup, "--kind", "dentries", "--dir", dir, "--max", "96M", "--base",
			     "8M");
	live_expect_undisturbed(victim);
	/* Seldom: one reclaim drops nearly all of it (3 times with pages of 16 KiB, 11 with 4 KiB). */
	at_limit = live_kernel_events(cgroup).at_limit;
	live_check(at_limit > 1, "the limit was met %" PRIu64 " times only", at_limit);
	expect_quiet(guard, cgroup);
}

static void write_big_source(const char *path)
{
	FILE *out = fopen(path, "we");

	live_check(out, "%s: %m", path);
	fputs("extern int sink(int, int);\n", out);
	for (int i = 0; i < 4000; i++)
		fprintf(out,
			"int f%d(int a, int b) { int s = %d; for (int i = 0; i < a; i++) { "
			"s += sink(i * b, s ^ %d); if (s > b) s -= a * %d; else s += f%d(s, i); } "
			"return s; }\n",
			i, i, i * 7, i % 13, i ? i - 1 : 0);
	live_check(fclose(out) == 0, "%s: %m", path);
}

/* What the compiler needs is measured first, so that the limit can be put above it. */
Test(quiet, compiler_run)
{
	const char *gcc = live_program("gcc"), *source = live_path("big.c");
	const char *object = live_path("big.o");
	struct live_cgroup *cgroup;
	struct live_process *guard, *compiler;
	struct cgroup_memory memory;
	uint64_t peak = 0, deadline = live_deadline();

	if (!gcc)
		live_skip("gcc", "no gcc in $PATH");
	write_big_source(source);
	cgroup = live_cgroup(NULL, "compiler", 0);
	compiler = live_start(cgroup, gcc, "-O1", "-c", source, "-o", object);
	while (!compiler->exited) {
		live_pump(deadline, "the compiler");
		memory = live_memory(cgroup);
		peak = MAX(peak, sat_sub(memory.usage_bytes, memory.file_bytes));
	}
	live_wait_exit(compiler);
	live_check(live_exit_code(compiler) == 0, "gcc failed");
	live_check(peak > 16 * MIB, "gcc used %" PRIu64 " bytes only", peak);

	live_set_limit(cgroup, peak / 2 * 3);
	guard = guard_with_airbag(cgroup);
	compiler = live_start(cgroup, gcc, "-O1", "-c", source, "-o", object);
	live_wait_exit(compiler);
	live_check(live_exit_code(compiler) == 0, "gcc failed under guard");
	expect_quiet(guard, cgroup);
}

/* The neighbour is not guarded and is killed by the kernel; ours is not touched. */
Test(quiet, neighbour_in_another_cgroup_spikes)
{
	struct live_cgroup *ours = live_cgroup(NULL, "ours", LIMIT);
	struct live_cgroup *theirs = live_cgroup(NULL, "theirs", 64 * MIB);
	struct live_process *guard = guard_with_airbag(ours);
	struct live_process *victim =
		live_victim(ours, "--burst", "204M", "--hold-ms", "3000", "--threads", "2");
	struct live_process *neighbour;

	live_wait_ready(victim);
	neighbour = live_victim(theirs, "--threads", "4");
	live_wait_exit(neighbour);
	live_check(live_exit_code(neighbour) == 128 + SIGKILL, "the neighbour ended with %d",
		   live_exit_code(neighbour));
	live_check(live_kernel_events(theirs).oom_kills == 1, "no OOM kill next door");
	live_expect_undisturbed(victim);
	expect_quiet(guard, ours);
}

/*
 * Mapped file pages are pushed out by the kernel's reclaim (MADV_PAGEOUT) and faulted in again,
 * while clean page cache is dropped by hand. Real: unmapping through rmap, with the counter events
 * it makes, and the refaults. Not real: nobody is short of memory, and kswapd does not run; a test
 * that made the whole machine short of it would be no neighbour to anything else on it. Who reads again what
 * was dropped is stalled, and may be lent to.
 */
Test(quiet, file_pages_dropped_by_reclaim)
{
	const char *dir = live_disk_dir();
	struct live_cgroup *cgroup;
	struct live_process *guard, *victim;
	uint64_t deadline = live_deadline();

	cgroup = live_cgroup(NULL, "dropped", LIMIT);
	guard = guard_with_airbag(cgroup);
	victim = live_victim(cgroup, "--kind", "file-map", "--file-size", "160M", "--max",
			     live_format("%uM", live_bulk(1600)), "--base", "160M", "--threads",
			     "2", "--dir", dir);
	while (!victim->exited) {
		live_check(file_write(AT_FDCWD, "/proc/sys/vm/drop_caches", "1\n") == 0,
			   "cannot drop caches");
		live_pump(deadline, "the victim");
	}
	live_expect_undisturbed(victim);
	live_expect_quiet(guard);
	live_expect_limit_back(cgroup, LIMIT);
}

/* Swapping its own pages out moves the counters of the victim, not its need. */
Test(quiet, anonymous_pages_swapped_out)
{
	struct live_cgroup *cgroup;
	struct live_process *guard, *victim;

	if (!strstr(live_read("/proc/swaps"), "\n/"))
		live_swap(256);
	cgroup = live_cgroup(NULL, "swapped", LIMIT);
	guard = guard_with_airbag(cgroup);
	victim = live_victim(cgroup, "--kind", "anon", "--burst", "200M", "--page-out");
	live_expect_undisturbed(victim);
	expect_quiet(guard, cgroup);
}
