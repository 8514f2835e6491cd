/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Spikes that have to be saved: the victim handles SIGTERM and stops allocating. Claimed each
 * time: its handler ran, its shutdown was finished, the kernel's OOM killer did nothing, and the
 * tool says all that of the right process.
 */
#include <unistd.h>

#include "events.h"

TestSuite(save, .init = live_setup, .fini = live_teardown, .timeout = 600);

#define LIMIT (256 * MIB)
#define SMALL (128 * MIB) /* saves time where the rate is low */

/* One victim in a cgroup of its own, guarded, again and again. */
static void save(uint64_t limit, const char *const args[])
{
	for (unsigned int i = 0; i < live_repeat(); i++) {
		struct live_cgroup *cgroup = live_cgroup(NULL, "victim", limit);
		struct live_process *guard = live_watch("--cgroup", cgroup->rel);
		const struct live_spawn spec = {.cgroup = cgroup};
		struct live_process *victim = live_victim_argv(&spec, args);
		json_t *verdict = live_expect_victim_saved(guard, victim, cgroup);
		json_t *trip = live_event(guard, "trip", (pid_t)live_int(verdict, "process.pid"));

		live_expect_sane_trip(trip, limit);
		live_expect_text(trip, "verdict", "open");
		live_expect_text(trip, "memory.limit_cgroup", cgroup->rel);
		live_expect_int(trip, "process.cgroup_id", (json_int_t)cgroup->id);
		live_expect_int(live_stop(guard), "verdicts.saved", 1);
	}
}

#define SAVE(name, limit, ...)                                         \
	Test(save, name)                                               \
	{                                                              \
		save(limit, (const char *const[]){__VA_ARGS__, NULL}); \
	}

SAVE(anon_at_50_mib_per_s, SMALL, "--rate", "50")
SAVE(anon_at_50_mib_per_s_by_4_threads, SMALL, "--rate", "50", "--threads", "4")
SAVE(anon_at_1_gib_per_s, LIMIT, "--rate", "1024")
SAVE(anon_at_1_gib_per_s_by_4_threads, LIMIT, "--rate", "1024", "--threads", "4")
SAVE(anon_flat_out, LIMIT, "--kind", "anon")
SAVE(anon_flat_out_by_4_threads, LIMIT, "--threads", "4")
SAVE(shared_memory, LIMIT, "--kind", "shmem")
SAVE(shared_memory_by_4_threads, LIMIT, "--kind", "shmem", "--threads", "4")
SAVE(map_populate_in_chunks, LIMIT, "--kind", "populate", "--chunk", "4M")
SAVE(map_populate_at_1_gib_per_s, LIMIT, "--kind", "populate", "--rate", "1024")
SAVE(a_forked_child_grows, LIMIT, "--fork-child")
SAVE(shutdown_that_takes_half_a_second, LIMIT, "--rate", "1024", "--shutdown-ms", "500")

static void need_huge_pages(void)
{
	const char *mode = live_read("/sys/kernel/mm/transparent_hugepage/enabled");

	if (!*mode || strstr(mode, "[never]"))
		live_skip("thp", "no transparent huge pages: '%s'", mode);
}

Test(save, transparent_huge_pages)
{
	need_huge_pages();
	save(LIMIT, (const char *const[]){"--kind", "thp", NULL});
}

Test(save, transparent_huge_pages_by_4_threads)
{
	need_huge_pages();
	/* Flat out they fill the reserve in 1.7 ms, less than a thread may wait for a CPU. */
	save(LIMIT,
	     (const char *const[]){"--kind", "thp", "--threads", "4", "--rate", "4096", NULL});
}

Test(save, tmpfs_writes_at_1_gib_per_s)
{
	const char *dir = live_tmpfs(1024);

	save(LIMIT, (const char *const[]){"--kind", "tmpfs", "--dir", dir, "--rate", "1024", NULL});
}

/* A process that mostly sleeps is seldom the one that a timer tick finds running. */
Test(save, tmpfs_writes_at_50_mib_per_s)
{
	const char *dir = live_tmpfs(1024);

	save(SMALL, (const char *const[]){"--kind", "tmpfs", "--dir", dir, "--rate", "50", NULL});
}

Test(save, tmpfs_writes_flat_out)
{
	const char *dir = live_tmpfs(1024);

	save(LIMIT, (const char *const[]){"--kind", "tmpfs", "--dir", dir, NULL});
}

Test(save, two_processes_that_share_a_cgroup)
{
	for (unsigned int i = 0; i < live_repeat(); i++) {
		struct live_cgroup *cgroup = live_cgroup(NULL, "pair", LIMIT);
		struct live_process *guard = live_watch("--cgroup", cgroup->rel);
		struct live_process *one = live_victim(cgroup, "--rate", "400");
		struct live_process *two = live_victim(cgroup, "--rate", "400");

		live_expect_victim_saved(guard, one, cgroup);
		live_expect_victim_saved(guard, two, cgroup);
		live_expect_int(live_stop(guard), "verdicts.saved", 2);
	}
}

/* The limit is the parent's, and the guard is asked for by the child's name, then by the parent's. */
static void save_below_a_limited_parent(bool watch_parent)
{
	for (unsigned int i = 0; i < live_repeat(); i++) {
		struct live_cgroup *parent = live_cgroup(NULL, "parent", LIMIT);
		struct live_cgroup *child = live_cgroup(parent, "child", 0);
		struct live_process *guard =
			live_watch("--cgroup", watch_parent ? parent->rel : child->rel);
		struct live_process *victim = live_victim(child, "--rate", "1024");
		json_t *verdict = live_expect_victim_saved(guard, victim, parent);

		live_expect_text(verdict, "memory.limit_cgroup", parent->rel);
		live_expect_text(verdict, "process.cgroup", child->rel);
		live_expect_sane_trip(live_event(guard, "trip", victim->pid), LIMIT);
		live_stop(guard);
	}
}

Test(save, limit_on_the_parent_guarding_the_child)
{
	save_below_a_limited_parent(false);
}

Test(save, limit_on_the_parent_guarding_the_parent)
{
	save_below_a_limited_parent(true);
}

/* The least headroom binds, not the nearest limit. */
Test(save, limit_in_ancestor_wins)
{
	struct live_cgroup *parent = live_cgroup(NULL, "parent", SMALL);
	struct live_cgroup *child = live_cgroup(parent, "child", LIMIT);
	struct live_process *guard = live_watch("--cgroup", child->rel);
	struct live_process *victim = live_victim(child, "--rate", "1024");
	json_t *verdict = live_expect_victim_saved(guard, victim, parent);

	live_expect_text(verdict, "memory.limit_cgroup", parent->rel);
	live_expect_sane_trip(live_event(guard, "trip", victim->pid), SMALL);
	live_stop(guard);
}

/* The limit changes at 32 MiB, while the victim goes on growing. */
static void save_with_changed_limit(uint64_t before, uint64_t after)
{
	for (unsigned int i = 0; i < live_repeat(); i++) {
		struct live_cgroup *cgroup = live_cgroup(NULL, "changed", before);
		struct live_process *guard = live_watch("--cgroup", cgroup->rel);
		struct live_process *victim = live_victim(cgroup, "--rate", "50", "--mark", "32M");
		json_t *verdict;

		live_wait_ready(victim);
		live_set_limit(cgroup, after);
		verdict = live_expect_victim_saved(guard, victim, cgroup);
		live_expect_int(verdict, "memory.limit_bytes", (json_int_t)after);
		live_expect_sane_trip(live_event(guard, "trip", victim->pid), after);
		live_stop(guard);
	}
}

Test(save, limit_lowered_while_it_grows)
{
	save_with_changed_limit(512 * MIB, 128 * MIB);
}

Test(save, limit_raised_while_it_grows)
{
	save_with_changed_limit(128 * MIB, 192 * MIB);
}

Test(save, guard_of_one_process)
{
	for (unsigned int i = 0; i < live_repeat(); i++) {
		struct live_cgroup *cgroup = live_cgroup(NULL, "one", LIMIT);
		const struct live_spawn spec = {.cgroup = cgroup, .wants_stdin = true};
		/* It starts when the guard is ready. */
		struct live_process *victim = live_victim_argv(
			&spec, (const char *const[]){"--wait-stdin", "--rate", "1024", NULL});
		struct live_process *guard =
			live_watch("--pid", live_format("%d", (int)victim->pid));

		live_expect_text(live_event(guard, "ready", 0), "guard.cgroup", cgroup->rel);
		live_release(victim);
		live_expect_victim_saved(guard, victim, cgroup);
		live_stop(guard);
	}
}

/* A program in another language: what it left and how it ended is all there is to see. */
static void save_program(const char *const argv[], const char *state)
{
	for (unsigned int i = 0; i < live_repeat(); i++) {
		struct live_cgroup *cgroup = live_cgroup(NULL, "program", LIMIT);
		struct live_process *guard = live_watch("--cgroup", cgroup->rel);
		const struct live_spawn spec = {.cgroup = cgroup};
		struct live_process *program;

		unlink(state);
		program = live_spawn_argv(&spec, argv);
		live_wait_exit(program);
		live_check(live_exit_code(program) == 0, "it ended with %d",
			   live_exit_code(program));
		live_expect_saved(guard, program->pid, state, cgroup);
		live_stop(guard);
	}
}

Test(save, go_server_that_builds_one_huge_json_reply)
{
	const char *server = live_workload("hugejson"), *state = live_path("state");

	save_program((const char *const[]){server, "-self-request", "-state", state, NULL}, state);
}

Test(save, python_program)
{
	const char *python = live_program("python3"), *state = live_path("state");

	if (!python)
		live_skip("python", "no python3 in $PATH");
	save_program((const char *const[]){python, live_workload("grow.py"), state, NULL}, state);
}

Test(save, node_program)
{
	const char *node = live_program("node"), *state = live_path("state");

	if (!node)
		live_skip("node", "no node in $PATH");
	/*
	 * Node's code is 90 MB of file pages. Charged to this cgroup they can be reclaimed, and
	 * are, over and over, while the shutdown runs on them: it crawls (docs/troubleshooting.md
	 * says what to do). So they are read from outside first, and belong to nobody here.
	 */
	live_wait_exit(live_start(NULL, "/bin/sh", "-c", "cat \"$0\" > /dev/null", node));
	save_program((const char *const[]){node, live_workload("grow.js"), state, NULL}, state);
}
