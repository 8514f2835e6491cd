/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `watch --all`: every limited cgroup, those made later included, from their first page on; and
 * nothing else. It guards this whole machine while it runs, so the tests are short.
 */
#include "events.h"

TestSuite(all, .init = live_setup, .fini = live_teardown, .timeout = 600);

#define LIMIT (64 * MIB)
#define ROUNDS 20

/* The cgroup is made, limited and spiked in without a moment for anybody to look. */
Test(all, cgroup_made_later_is_guarded_from_its_first_page)
{
	struct live_process *guard = live_watch("--all");

	live_check(json_is_null(live_member(live_event(guard, "ready", 0), "guard")),
		   "a single guard with --all");
	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct live_cgroup *cgroup = live_cgroup(NULL, "new", LIMIT);
		struct live_process *victim = live_victim(cgroup, "--state-kib", "16");

		live_expect_victim_saved(guard, victim, cgroup);
	}
	live_check(live_int(live_stop(guard), "verdicts.saved") >= ROUNDS, "not all were saved");
}

Test(all, limit_set_later_is_guarded)
{
	struct live_process *guard = live_watch("--all");
	struct live_cgroup *cgroup = live_cgroup(NULL, "later", 0);
	struct live_process *victim = live_victim(cgroup, "--rate", "50", "--mark", "16M");

	live_wait_ready(victim);
	live_set_limit(cgroup, LIMIT);
	live_expect_victim_saved(guard, victim, cgroup);
	live_stop(guard);
}

Test(all, cgroup_without_a_limit_is_left_alone)
{
	struct live_process *guard = live_watch("--all");
	struct live_cgroup *cgroup = live_cgroup(NULL, "unlimited", 0);
	struct live_process *victim = live_victim(cgroup, "--burst", "400M", "--hold-ms", "300");

	live_expect_undisturbed(victim);
	live_check(!live_find_event(guard, "trip", victim->pid, 0), "tripped without a limit");
	live_stop(guard);
}

/* Two spikes at once in two cgroups: each gets its own. */
Test(all, two_cgroups_at_once)
{
	struct live_process *guard = live_watch("--all");

	for (unsigned int i = 0; i < live_repeat(); i++) {
		struct live_cgroup *one = live_cgroup(NULL, "one", LIMIT);
		struct live_cgroup *two = live_cgroup(NULL, "two", 2 * LIMIT);
		struct live_process *first = live_victim(one, "--rate", "500");
		struct live_process *second = live_victim(two, "--rate", "1000");
		json_t *verdict = live_expect_victim_saved(guard, first, one);

		live_expect_text(verdict, "memory.limit_cgroup", one->rel);
		verdict = live_expect_victim_saved(guard, second, two);
		live_expect_text(verdict, "memory.limit_cgroup", two->rel);
	}
	live_stop(guard);
}
