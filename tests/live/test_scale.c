/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Protection does not end silently: cgroups that are made anew, wide and deep trees, and full maps.
 */
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "events.h"

TestSuite(scale, .init = live_setup, .fini = live_teardown, .timeout = 600);

#define LIMIT (128 * MIB)

/* The status as it is now. */
static const json_t *status_of(struct live_process *guard)
{
	size_t before = live_count_events(guard, "status", 0);
	uint64_t deadline = live_deadline();

	live_signal(guard, SIGUSR1);
	while (live_count_events(guard, "status", 0) == before)
		live_pump(deadline, "the status");
	return live_find_event(guard, "status", 0, before);
}

/* The gap of a cgroup; NULL: there is none. */
static const json_t *gap_of(const json_t *status, const char *rel)
{
	const json_t *gap;
	size_t i;

	json_array_foreach (json_object_get(status, "gaps"), i, gap)
		if (strcmp(live_text(gap, "cgroup"), rel) == 0)
			return gap;
	return NULL;
}

static void expect_no_gaps(const json_t *status)
{
	live_check(json_array_size(json_object_get(status, "gaps")) == 0, "there are gaps");
}

/* --- made anew ----------------------------------------------------------------------------- */

/* As a service manager does: the limit, then the process, at once. */
Test(scale, cgroup_that_is_made_anew_is_guarded_again_at_once)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "service", LIMIT);
	struct live_process *guard = live_watch_lending(cgroup), *victim;

	live_expect_victim_saved(guard, live_victim(cgroup, "--rate", "0"), cgroup);
	for (unsigned int i = 0; i < live_repeat(); i++) {
		json_t *verdict;

		live_expect_limit_back(cgroup, LIMIT);
		live_remove(cgroup);
		live_make_anew(cgroup, LIMIT);
		victim = live_victim(cgroup, "--rate", "0");
		verdict = live_expect_victim_saved(guard, victim, cgroup);
		live_expect_text(verdict, "memory.limit_cgroup", cgroup->rel);
		live_expect_int(verdict, "process.cgroup_id", (json_int_t)cgroup->id);
	}
	expect_no_gaps(live_stop(guard));
}

/* What is above it may go with it: a slice that is empty. The policy is still its own. */
Test(scale, cgroup_that_is_made_anew_with_what_is_above_it_has_its_policy)
{
	struct live_cgroup *slice = live_cgroup(NULL, "slice", 0);
	struct live_cgroup *cgroup = live_cgroup(slice, "service", LIMIT);
	struct live_process *guard = live_watch("--reserve", "24M", "--cgroup", cgroup->rel);
	struct live_process *victim;

	live_remove(cgroup);
	live_remove(slice);
	live_make_anew(slice, 0);
	live_make_anew(cgroup, LIMIT);
	live_wait_output(guard, 1, live_format("%s is made anew, and guarded again", cgroup->rel));
	victim = live_victim(cgroup, "--rate", "200");
	live_expect_int(live_expect_victim_saved(guard, victim, cgroup), "memory.reserve_bytes",
			24 * MIB);
	live_stop(guard);
}

Test(scale, status_says_that_a_guarded_cgroup_is_gone_until_it_is_made_anew)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "service", LIMIT);
	struct live_process *guard = live_watch("--cgroup", cgroup->rel);
	const json_t *gap;

	expect_no_gaps(status_of(guard));
	live_remove(cgroup);
	live_wait_output(guard, 1, live_format("%s is removed", cgroup->rel));
	gap = gap_of(status_of(guard), cgroup->rel);
	live_check(gap, "the status does not say that it is gone");
	live_expect_text(gap, "reason", "gone");
	live_check(!live_bool(gap, "partial"), "as if it were guarded in part");
	live_make_anew(cgroup, LIMIT);
	live_wait_output(guard, 1, "guarded again");
	expect_no_gaps(live_stop(guard));
}
