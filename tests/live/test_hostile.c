/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tenants that want to hurt the guard, or each other. What counts is what becomes of their neighbours.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
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
