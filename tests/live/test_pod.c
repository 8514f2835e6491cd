/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pods as the kubelet makes them: a cgroup for the pod, named by its uid as the cgroup driver wants it, with one for each
 * container below, whose processes the kernel kills as a group on v2. Limits are those of both, and are resized.
 */
#include <string.h>

#include "base/util.h"
#include "events.h"

TestSuite(pod, .init = live_setup, .fini = live_teardown, .timeout = 300);

#define CONTAINER "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct pod {
	struct live_cgroup *cgroup, *container;
};

static struct pod make_pod(const char *name, uint64_t limit, const char *container,
			   uint64_t container_limit)
{
	struct live_cgroup *above = live_cgroup(NULL, "burstable", 0);
	struct pod pod = {.cgroup = live_cgroup_called(above, name, limit)};

	pod.container = live_cgroup_called(pod.cgroup, container, container_limit);
	if (cgroup_tree_version(live_tree()) == 2)
		live_set(pod.container, "memory.oom.group", "1");
	return pod;
}

/* Another pod beside it is left alone. */
static void save_by_uid(const char *uid, const char *other, const char *name, const char *container)
{
	struct pod pod = make_pod(name, 128 * MIB, container, 64 * MIB);
	struct pod neighbour = make_pod(other, 0, container, 64 * MIB);
	struct live_process *guard = live_watch("--pod", uid);
	struct live_process *victim = live_victim(pod.container, "--rate", "200"), *unguarded;
	json_t *verdict = live_expect_victim_saved(guard, victim, pod.container), *ready;

	live_expect_text(verdict, "memory.limit_cgroup", pod.container->rel);
	live_expect_text(verdict, "process.container_id", CONTAINER);
	ready = live_event(guard, "ready", 0);
	live_expect_text(ready, "mode", "pod");
	live_expect_text(ready, "guard.cgroup", pod.cgroup->rel);
	unguarded = live_victim(neighbour.container, "--max", "62M");
	live_expect_undisturbed(unguarded);
	live_check(!live_find_event(guard, "trip", unguarded->pid, 0), "another pod is guarded");
	live_stop(guard);
}

Test(pod, is_found_by_its_uid_under_the_cgroupfs_driver)
{
	save_by_uid("2c48913c-b29f-11e7-9350-020968147796",
		    "pod2c48913c-b29f-11e7-9350-020968147797",
		    "pod2c48913c-b29f-11e7-9350-020968147796", CONTAINER);
}

Test(pod, is_found_by_its_uid_under_the_systemd_driver)
{
	save_by_uid("2c48913c-b29f-11e7-9350-020968147796",
		    "kubepods-burstable-pod2c48913c_b29f_11e7_9350_020968147797.slice",
		    "kubepods-burstable-pod2c48913c_b29f_11e7_9350_020968147796.slice",
		    "cri-containerd-" CONTAINER ".scope");
}

/* Whoever has a part of the tree to himself could take the guard away from the pod. */
Test(pod, who_else_calls_a_cgroup_so_is_told_of)
{
	static const char uid[] = "2c48913c-b29f-11e7-9350-020968147796";
	struct pod pod = make_pod(live_format("pod%s", uid), 128 * MIB, CONTAINER, 64 * MIB);
	struct live_cgroup *delegated = live_cgroup(NULL, "delegated", 0);
	const struct live_cgroup *other =
		live_cgroup_called(delegated, live_format("pod%s", uid), 64 * MIB);
	struct live_process *guard =
		live_tool_argv(NULL, (const char *const[]){"watch", "--pod", uid, NULL});

	live_wait_exit(guard);
	live_check(live_exit_code(guard) == 2, "it ended with %d", live_exit_code(guard));
	live_check(strstr(guard->output[1], pod.cgroup->rel) &&
			   strstr(guard->output[1], other->rel),
		   "it says: %s", guard->output[1]);
}

/* As by a resize in place: first the container alone, so that the pod's limit binds, and then the pod, too. */
static void save_after_a_resize(bool lends, uint64_t raised_pod)
{
	struct pod pod = make_pod("pod1", 96 * MIB, CONTAINER, 64 * MIB);
	struct live_cgroup *binding = raised_pod ? pod.container : pod.cgroup;
	uint64_t limit = raised_pod ? 128 * MIB : 96 * MIB;
	struct live_process *guard, *victim, *neighbour;
	json_t *verdict;

	guard = live_watch("--airbag", lends ? "auto" : "off", "--pod", "1");
	neighbour = live_victim(pod.container, "--max", "4M", "--hold");
	live_wait_ready(neighbour);
	victim = live_victim(pod.container, "--rate", "50", "--mark", "24M");
	live_wait_ready(victim);
	live_set_limit(pod.container, 128 * MIB);
	if (raised_pod)
		live_set_limit(pod.cgroup, raised_pod);
	verdict = live_expect_victim_saved(guard, victim, binding);
	live_expect_text(verdict, "memory.limit_cgroup", binding->rel);
	live_expect_int(verdict, "memory.limit_bytes", (json_int_t)limit);
	live_expect_ended_as_told(neighbour);
	live_expect_limit_back(pod.container, 128 * MIB);
	live_expect_limit_back(pod.cgroup, raised_pod ? raised_pod : 96 * MIB);
	live_stop(guard);
}

Test(pod, its_limit_binds_when_that_of_the_container_was_raised)
{
	save_after_a_resize(false, 0);
}

Test(pod, its_limit_is_raised_for_a_trip_when_that_of_the_container_was_raised)
{
	save_after_a_resize(true, 0);
}

Test(pod, limit_of_the_container_binds_when_both_were_raised)
{
	save_after_a_resize(false, 256 * MIB);
}

Test(pod, limit_of_the_container_is_raised_for_a_trip_when_both_were_raised)
{
	save_after_a_resize(true, 256 * MIB);
}

/* As by a resize down, which the kubelet does when it fits: the pod's is the one that counts from then on. */
Test(pod, its_limit_binds_when_it_was_lowered)
{
	struct pod pod = make_pod("pod1", 512 * MIB, CONTAINER, 256 * MIB);
	struct live_process *guard = live_watch("--pod", "1");
	struct live_process *victim = live_victim(pod.container, "--rate", "50", "--mark", "24M");
	json_t *verdict;

	live_wait_ready(victim);
	live_set_limit(pod.cgroup, 96 * MIB);
	verdict = live_expect_victim_saved(guard, victim, pod.cgroup);
	live_expect_text(verdict, "memory.limit_cgroup", pod.cgroup->rel);
	live_expect_int(verdict, "memory.limit_bytes", (json_int_t)(96 * MIB));
	live_stop(guard);
}
