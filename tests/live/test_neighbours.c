/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A limit that is shared with processes that nobody guards: what they do to it is seen, they are never
 * signalled, and who is guarded only where the kernel would kill it.
 */
#include <signal.h>
#include <sys/wait.h>

#include "base/util.h"
#include "events.h"

TestSuite(neighbours, .init = live_setup, .fini = live_teardown, .timeout = 600);

#define LIMIT (256 * MIB)

/* A service that holds most of a limit which it shares, and a neighbour that grows beyond the rest. */
static void expect_told_of_neighbour(struct live_process *guard, const struct live_cgroup *shared,
				     struct live_process *service,
				     const struct live_cgroup *neighbour_cgroup)
{
	struct live_process *neighbour =
		live_victim(neighbour_cgroup, "--deaf", "--max", "120M", "--rate", "200", "--hold");
	json_t *verdict = live_expect_victim_saved(guard, service, shared);

	live_expect_int(verdict, "cause_pid", neighbour->pid);
	live_wait_ready(neighbour);
	live_expect_limit_back(shared, LIMIT);
	live_check(!neighbour->exited, "the neighbour was ended");
	live_signal(neighbour, SIGKILL);
	live_wait_exit(neighbour);
	live_stop(guard);
}

/* The kernel would kill the service, the largest: it shuts down instead. */
Test(neighbours, one_that_fills_the_parent_is_seen)
{
	struct live_cgroup *pod = live_cgroup(NULL, "pod", LIMIT);
	struct live_cgroup *cgroup = live_cgroup(pod, "service", 0);
	struct live_process *guard = live_watch_lending(cgroup);
	struct live_process *service = live_victim(cgroup, "--max", "150M", "--hold");

	live_wait_ready(service);
	expect_told_of_neighbour(guard, pod, service, live_cgroup(pod, "neighbour", 0));
}

/* The service has grown before the guard came. */
Test(neighbours, one_in_the_same_cgroup_is_seen)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "shared", LIMIT);
	struct live_process *service = live_victim(cgroup, "--max", "150M", "--hold"), *guard;

	live_wait_ready(service);
	guard = live_watch("--airbag", "auto", "--pid", live_format("%d", (int)service->pid));
	expect_told_of_neighbour(guard, cgroup, service, cgroup);
}

/* The kernel kills the neighbour, the largest: nobody else is to end for it. */
Test(neighbours, one_that_is_larger_is_left_to_the_kernel)
{
	struct live_cgroup *pod = live_cgroup(NULL, "pod", LIMIT);
	struct live_cgroup *cgroup = live_cgroup(pod, "service", 0);
	struct live_process *guard = live_watch_lending(cgroup);
	struct live_process *service = live_victim(cgroup, "--max", "50M", "--hold"), *neighbour;

	live_wait_ready(service);
	neighbour = live_victim(live_cgroup(pod, "neighbour", 0), "--deaf", "--max", "500M",
				"--rate", "200", "--hold");
	live_wait_exit(neighbour);
	live_check(WIFSIGNALED(neighbour->status), "the neighbour was not killed");
	live_check(live_count_events(guard, "trip", 0) == 0, "somebody was signalled for it");
	live_expect_ended_as_told(service);
	live_expect_limit_back(pod, LIMIT);
	live_stop(guard);
}
