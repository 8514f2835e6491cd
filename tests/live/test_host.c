/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * [host]: the machine's own memory as one more limit. The line is set so that a machine that has plenty is near it,
 * and only who is in a cgroup of the test is guarded. Where the machine may be lost, it really runs out of memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "events.h"
#include "sense/machine.h"

TestSuite(host, .init = live_setup, .fini = live_teardown, .timeout = 600);

#define ROOM \
	(256 * MIB) /* until the line; other programs of the machine take and give some of it */
#define OURS                                                  \
	"[guard others]\ncgroup = /*\nenabled = no\n"         \
	"[guard ours]\ncgroup = *-hog *-idle\npriority = 1\n" \
	"airbag = off\n"

static uint64_t available(void)
{
	uint64_t total_bytes, available_bytes;
	_cleanup_close_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	live_check(!machine_memory_read(proc_fd, &total_bytes, &available_bytes), "meminfo");
	return available_bytes;
}

/* Guards ours, with a line of [host] that is ROOM away, and more of [host]. */
static struct live_process *near_line(const char *more)
{
	return live_daemon(live_format(OURS "[host]\nreserve = %lluM\n%s",
				       (unsigned long long)((available() - ROOM) / MIB), more));
}

static void write_oom_score_adj(const struct live_process *process, const char *value)
{
	_cleanup_close_ int fd = open(live_format("/proc/%d/oom_score_adj", (int)process->pid),
				      O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, value, strlen(value)) < 0 && errno == EACCES)
		live_skip("oom_score_adj", "it cannot be lowered without CAP_SYS_RESOURCE");
	live_check(fd >= 0, "oom_score_adj: %m");
}

/* Grows to that when it is released, and stays. */
static struct live_process *waiting_victim(const struct live_cgroup *cgroup, const char *most)
{
	return live_victim_argv(&(const struct live_spawn){.cgroup = cgroup, .wants_stdin = true},
				(const char *const[]){"--rate", "0", "--max", most, "--mark", most,
						      "--hold", "--wait-stdin", NULL});
}

static const char *end_of(struct live_process *guard, const struct live_process *victim)
{
	return live_text(live_event(guard, "verdict", victim->pid), "verdict");
}

static void expect_saved(struct live_process *guard, struct live_process *victim)
{
	const json_t *trip = live_event(guard, "trip", victim->pid);

	live_expect_text(trip, "memory.limit_kind", "machine");
	live_wait_exit(victim);
	live_check(live_exit_code(victim) == 0, "it ended with %d", live_exit_code(victim));
	live_check(live_state_reason(victim->state), "its data is lost");
	live_check(!strcmp(end_of(guard, victim), "saved"), "it is %s", end_of(guard, victim));
}

/* It has no limit of its own, and is told while the machine has memory; who does not grow is not. */
Test(host, who_fills_the_machine_is_told)
{
	for (unsigned int i = 0; i < live_repeat(); i++) {
		struct live_cgroup *idle = live_cgroup(NULL, "idle", 0);
		struct live_cgroup *hog = live_cgroup(NULL, "hog", 0);
		struct live_process *bystander =
			live_victim(idle, "--max", "64M", "--mark", "64M", "--hold");
		struct live_process *guard, *victim;

		live_wait_ready(bystander);
		guard = near_line("");
		victim = live_victim(hog, "--rate", "0", "--max", "4G");
		expect_saved(guard, victim);
		live_check(!live_find_event(guard, "trip", bystander->pid, 0),
			   "who was idle tripped");
		live_check(!bystander->exited, "who was idle has ended");
		live_stop(guard);
	}
}

/* What has a limit of its own is held to that one first. */
Test(host, limits_of_cgroups_come_first)
{
	struct live_cgroup *hog = live_cgroup(NULL, "hog", 64 * MIB);
	struct live_process *guard = near_line("");
	struct live_process *victim = live_victim(hog, "--rate", "0");

	live_expect_text(live_event(guard, "trip", victim->pid), "memory.limit_kind", "memory");
	live_wait_exit(victim);
	live_stop(guard);
}

static void need_disposable(void)
{
	if (!getenv("APO_LIVE_DISPOSABLE"))
		live_skip("disposable", "the machine would run out of memory");
}

/* A process of that name grows and stays, and then another until the machine has no more. */
static void expect_told(const char *more, const char *first, const char *second, bool is_first)
{
	struct live_cgroup *hog = live_cgroup(NULL, "hog", 0);
	struct live_process *guard, *one, *two, *told, *other;
	uint64_t deadline = live_deadline();

	need_disposable();
	/* What a test before has filled is given back when its last process is gone altogether. */
	while (available() < 2 * ROOM)
		live_pump(deadline, "memory of tests before");
	guard = live_daemon(live_format(OURS "[host]\nreserve = 64M\n%s", more));
	one = live_victim(hog, "--rate", "0", "--comm", first, "--max", "256M", "--mark", "256M",
			  "--hold");
	live_wait_ready(one);
	two = live_victim(hog, "--rate", "0", "--comm", second);
	told = is_first ? one : two;
	other = is_first ? two : one;
	expect_saved(guard, told);
	live_check(is_first || !live_find_event(guard, "trip", other->pid, 0),
		   "the other one tripped");
	live_stop(guard);
}

Test(host, the_fastest_grower_is_told)
{
	expect_told("", "steady", "grower", false);
}

Test(host, who_is_preferred_is_told_and_who_is_avoided_is_not)
{
	expect_told("prefer = steady\navoid = grow*\n", "steady", "grower", true);
}

/* By what its owner says to the kernel, too. */
Test(host, who_the_kernel_may_not_kill_is_not_told)
{
	struct live_cgroup *hog = live_cgroup(NULL, "hog", 0);
	struct live_process *guard = near_line("");
	struct live_process *victim = waiting_victim(hog, live_format("%llu", 2 * ROOM));

	write_oom_score_adj(victim, "-1000");
	live_release(victim);
	live_wait_ready(victim);
	live_check(!live_find_event(guard, "trip", victim->pid, 0), "it tripped");
	/* Another one is. */
	victim = live_victim(hog, "--rate", "0");
	live_expect_text(live_event(guard, "trip", victim->pid), "memory.limit_kind", "machine");
	live_stop(guard);
}

/* As the one whom the kernel would kill first. */
static void fill_machine(struct live_process *victim)
{
	write_oom_score_adj(victim, "900");
	live_release(victim);
	live_wait_exit(victim);
}

Test(host, a_machine_that_runs_out_of_memory_loses_nobody)
{
	struct live_cgroup *hog = live_cgroup(NULL, "hog", 0);
	struct live_process *victim, *guard;

	need_disposable();
	victim = waiting_victim(hog, "64G");
	fill_machine(victim);
	live_check(live_exit_code(victim) == 128 + 9, "without a guard it ended with %d",
		   live_exit_code(victim));
	for (unsigned int i = 0; i < live_repeat(); i++) {
		guard = live_daemon("[guard ours]\ncgroup = *-hog\n[host]\nreserve = 64M\n");
		victim = waiting_victim(hog, "64G");
		fill_machine(victim);
		expect_saved(guard, victim);
		live_stop(guard);
	}
}

/* All of a cgroup are not all of the machine. */
Test(host, all_are_those_of_the_growers_cgroup)
{
	struct live_cgroup *hog = live_cgroup(NULL, "hog", 0), *idle = live_cgroup(NULL, "idle", 0);
	struct live_process *bystander =
		live_victim(idle, "--max", "16M", "--mark", "16M", "--hold");
	struct live_process *sibling = live_victim(hog, "--max", "16M", "--mark", "16M", "--hold");
	struct live_process *guard, *victim;

	live_wait_ready(bystander);
	live_wait_ready(sibling);
	guard = live_daemon(live_format("target = all\n" OURS
					"target = all\n[host]\nreserve = %lluM\n",
					(unsigned long long)((available() - ROOM) / MIB)));
	victim = live_victim(hog, "--rate", "0");
	live_event(guard, "trip", victim->pid);
	live_wait_exit(victim);
	live_wait_exit(sibling);
	live_check(live_exit_code(victim) == 0 && live_exit_code(sibling) == 0,
		   "they ended with %d and %d", live_exit_code(victim), live_exit_code(sibling));
	live_event(guard, "verdict", 0);
	live_check(!bystander->exited, "who is in another cgroup was stopped");
	live_stop(guard);
}
