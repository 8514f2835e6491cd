/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tenants that want to hurt the guard, or each other. What counts is what becomes of their neighbours.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "events.h"

TestSuite(hostile, .init = live_setup, .fini = live_teardown, .timeout = 600);

#define LIMIT (128 * MIB)

/*
 * A process that nobody can look into, see tests/workloads/frozen.c. It passes its limit a little, and
 * stays there.
 */
static struct live_process *start_frozen(const struct live_cgroup *cgroup)
{
	const char *dir = live_path("fuse"), *file = live_format("%s/file", live_tmpfs(512));
	struct live_process *frozen;

	if (access("/dev/fuse", R_OK | W_OK))
		live_skip("fuse", "there is no /dev/fuse");
	live_check(!mkdir(dir, 0755), "cannot make %s: %m", dir);
	frozen = live_start(cgroup, live_workload("frozen"), dir, file, "132");
	live_wait_output(frozen, 0, "frozen");
	return frozen;
}

/* With the tenant frozen in its own cgroup, all that was promised to another holds. */
static void expect_neighbour_saved(struct live_process *guard, const struct live_cgroup *parent)
{
	struct live_cgroup *cgroup = live_cgroup(parent, "neighbour", LIMIT);
	struct live_process *victim = live_victim(cgroup, "--rate", "200");

	live_wait_exit(victim);
	live_expect_victim_saved(guard, victim, cgroup);
	live_expect_limit_back(cgroup, LIMIT);
}

/* Who does not end by itself is ended when its grace is over. */
static void expect_grace_ended(struct live_process *guard, const struct live_cgroup *parent)
{
	struct live_cgroup *cgroup = live_cgroup(parent, "stubborn", LIMIT);
	struct live_process *victim = live_victim(cgroup, "--deaf", "--max", "136M", "--hold");
	json_t *verdict;

	live_wait_exit(victim);
	live_check(live_exit_code(victim) == 128 + SIGKILL, "it ended with %d",
		   live_exit_code(victim));
	verdict = live_event(guard, "verdict", victim->pid);
	live_check(live_bool(verdict, "action.killed_after_grace"), "not by the guard");
	live_check(!live_kernel_events(cgroup).oom_kills, "the kernel killed it");
	live_expect_limit_back(cgroup, LIMIT);
}

static void frozen_tenant(const char *target)
{
	struct live_cgroup *parent = live_cgroup(NULL, "host", 4096 * MIB);
	struct live_cgroup *tenant = live_cgroup(parent, "tenant", LIMIT);
	struct live_process *guard = live_watch("--airbag", "auto", "--target", target, "--grace",
						"2s", "--report-dir", live_path("reports"),
						"--cgroup", parent->rel);
	struct live_process *frozen = start_frozen(tenant);
	json_t *trip = live_event(guard, "trip", 0);

	live_expect_int(trip, "process.pid", frozen->pid);
	expect_neighbour_saved(guard, parent);
	expect_grace_ended(guard, parent);
	live_stop(guard);
}

Test(hostile, a_process_that_cannot_be_looked_into_stalls_nobody)
{
	frozen_tenant("grower");
}

Test(hostile, nor_one_that_is_a_leader)
{
	frozen_tenant("leader");
}

/* --- pids --------------------------------------------------------------------------------- */

static pid_t first_child(const struct live_process *parent)
{
	const char *path =
		live_format("/proc/%d/task/%d/children", (int)parent->pid, (int)parent->pid);
	uint64_t deadline = live_deadline();

	while (!*live_read(path))
		live_pump(deadline, "a child of the victim");
	return (pid_t)strtol(live_read(path), NULL, 10);
}

/* A process of that pid in that cgroup, which SIGTERM would end. It is there on return. */
static void start_with_pid(pid_t pid, const struct live_cgroup *cgroup)
{
	const struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = (uintptr_t)&pid,
		.set_tid_size = 1,
		.flags = 0,
	};
	uint64_t deadline = live_deadline();
	int moved[2];
	char byte;
	long child;

	live_check(!pipe2(moved, O_CLOEXEC), "no pipe: %m");
	child = syscall(SYS_clone3, &args, sizeof(args));

	while (child < 0 && errno == EEXIST) { /* nobody has taken its exit status yet */
		live_pump(deadline, "the pid to be free");
		child = syscall(SYS_clone3, &args, sizeof(args));
	}
	live_check(child >= 0, "cannot make a process of pid %d: %m", (int)pid);
	if (child == 0) {
		int fd = openat(cgroup->fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);

		signal(SIGTERM, SIG_DFL);
		if (fd < 0 || write(fd, "0", 1) != 1 || write(moved[1], "m", 1) != 1)
			_exit(1);
		execl("/bin/sleep", "sleep", "1000", NULL);
		_exit(1);
	}
	close(moved[1]);
	live_check(read(moved[0], &byte, 1) == 1, "it is not in its cgroup");
	close(moved[0]);
}

/* The responder hears of the trip when the pid is another process's, and its cgroup has another leader. */
static void pid_used_again(const char *target)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "tenant", LIMIT);
	struct live_cgroup *other = live_cgroup(NULL, "other", 0);
	struct live_process *guard = live_watch("--target", target, "--cgroup", cgroup->rel);
	struct live_process *victim;
	json_t *trip;
	pid_t grower;

	live_signal(guard, SIGSTOP);
	victim = live_victim(cgroup, "--fork-child", "--ignore-term", "--rate", "100");
	grower = first_child(victim);
	live_wait_exit(victim); /* with its child, which the kernel has killed */
	start_with_pid(grower, other);
	live_signal(guard, SIGCONT);
	trip = live_event(guard, "trip", grower);
	live_expect_text(trip, "process.comm", "victim");
	live_event(guard, "verdict", grower);
	live_check(waitpid(grower, NULL, WNOHANG) == 0, "the other process was signalled");
	live_stop(guard);
	live_check(waitpid(grower, NULL, WNOHANG) == 0, "the other process was signalled");
	kill(grower, SIGKILL);
	waitpid(grower, NULL, 0);
}

Test(hostile, a_pid_that_is_another_s_by_now_has_no_leader)
{
	pid_used_again("leader");
}

Test(hostile, nor_is_it_the_grower)
{
	pid_used_again("grower");
}

/* Who has left the cgroup when the responder hears of the trip is no matter of its limit any more. */
static void moved_away(const char *target)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "tenant", LIMIT);
	struct live_cgroup *elsewhere = live_cgroup(NULL, "elsewhere", 0);
	struct live_process *guard = live_watch("--target", target, "--airbag", "off", "--reserve",
						"32M", "--cgroup", cgroup->rel);
	struct live_process *first = live_victim(cgroup, "--max", "8M", "--hold"), *grower;
	json_t *verdict;

	live_wait_ready(first);
	live_signal(guard, SIGSTOP);
	grower = live_victim(cgroup, "--max", "104M", "--hold");
	live_wait_ready(grower);
	live_set(elsewhere, "cgroup.procs", live_format("%d", (int)first->pid));
	live_signal(guard, SIGCONT);
	verdict = live_expect_victim_saved(guard, grower, cgroup);
	live_expect_int(verdict, "target.pid", grower->pid);
	live_stop(guard);
	live_expect_ended_as_told(first);
}

Test(hostile, a_leader_that_has_moved_away_is_left_alone)
{
	moved_away("leader");
}

Test(hostile, nor_is_it_one_of_all)
{
	moved_away("all");
}
