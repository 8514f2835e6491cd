/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The growth trigger is attached while a limit is armed, and some time after. Asked of the kernel, by the
 * guard's descriptors; and of victims that spike while it is away: these are saved as any other.
 */
#include <sched.h>

#include "events.h"

TestSuite(arming, .init = live_setup, .fini = live_teardown, .timeout = 600);

/* Far more than two CPUs fill between two timer ticks, so that it is armed from half full on. */
#define LIMIT (512 * MIB)

static bool is_attached(const struct live_process *guard)
{
	return live_count_links(guard, "tp_name:\trss_stat\n") == 1;
}

static void wait_for_growth(const struct live_process *guard, bool wanted)
{
	uint64_t deadline = live_deadline();

	while (is_attached(guard) != wanted)
		live_pump(deadline, wanted ? "the growth trigger to be attached"
					   : "the growth trigger to be detached");
}

/* One that lives far below its limit keeps nothing armed; one that is half full does, for as long as it grows. */
Test(arming, growth_trigger_comes_and_goes)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "victim", LIMIT);
	struct live_process *guard = live_watch("--cgroup", cgroup->rel), *busy, *victim;

	busy = live_victim(cgroup, "--max", "32M", "--hold");
	live_wait_ready(busy);
	wait_for_growth(guard, false);
	victim = live_victim(cgroup, "--rate", "200", "--max", "320M", "--hold");
	live_wait_ready(victim);
	wait_for_growth(guard, true);
	/* Both sleep now: no limit is looked at. */
	wait_for_growth(guard, false);
	live_expect_ended_as_told(victim);
	live_expect_ended_as_told(busy);
	live_expect_quiet(guard);
}

/* Of what was there before nothing is left, and who comes then grows no further, on the same CPU. */
Test(arming, a_limit_that_was_full_before_is_seen_to_fill_again)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "victim", LIMIT);
	struct live_process *guard = live_watch("--cgroup", cgroup->rel), *victim;
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	live_check(!sched_setaffinity(0, sizeof(one), &one), "sched_setaffinity: %m");
	for (int i = 0; i < 2; i++) {
		wait_for_growth(guard, false);
		victim = live_victim(cgroup, "--max", "280M", "--mark", "280M", "--hold");
		live_wait_ready(victim);
		wait_for_growth(guard, true);
		wait_for_growth(guard, false);
		live_expect_ended_as_told(victim);
	}
	live_expect_quiet(guard);
}

/* While it is away: each kind of growth, from the first page on. */
static void save_unarmed(const char *const args[])
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "victim", LIMIT);
	struct live_process *guard = live_watch("--cgroup", cgroup->rel), *victim;
	const struct live_spawn spec = {.cgroup = cgroup};

	wait_for_growth(guard, false);
	victim = live_victim_argv(&spec, args);
	live_expect_victim_saved(guard, victim, cgroup);
	live_check(is_attached(guard), "it was not attached for the spike");
	live_expect_int(live_stop(guard), "verdicts.saved", 1);
}

#define SAVE_UNARMED(name, ...)                                         \
	Test(arming, name)                                              \
	{                                                               \
		save_unarmed((const char *const[]){__VA_ARGS__, NULL}); \
	}

SAVE_UNARMED(spike_flat_out, "--kind", "anon")
SAVE_UNARMED(spike_flat_out_by_4_threads, "--threads", "4")
SAVE_UNARMED(spike_of_1_gib_per_s, "--rate", "1024")
SAVE_UNARMED(spike_of_shared_memory, "--kind", "shmem")
SAVE_UNARMED(spike_by_map_populate, "--kind", "populate", "--chunk", "4M")

/* A cgroup that was not there when the trigger went, and is small. */
Test(arming, spike_in_a_new_small_cgroup)
{
	struct live_cgroup *parent = live_cgroup(NULL, "parent", LIMIT), *child;
	struct live_process *guard = live_watch("--cgroup", parent->rel), *victim;

	wait_for_growth(guard, false);
	child = live_cgroup(parent, "child", 64 * MIB);
	victim = live_victim(child, "--kind", "anon");
	live_expect_victim_saved(guard, victim, child);
	live_stop(guard);
}

/* What grew unseen is not put down to who was looked at meanwhile. */
Test(arming, bystander_of_a_spike_is_left_alone)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "both", LIMIT);
	struct live_process *guard = live_watch("--cgroup", cgroup->rel), *busy, *victim;

	busy = live_victim(cgroup, "--sawtooth", "8M:24M", "--cycles", "1000000", "--rate", "50");
	wait_for_growth(guard, false);
	for (unsigned int i = 0; i < live_repeat(); i++) {
		victim = live_victim(cgroup, "--kind", "anon");
		live_expect_victim_saved(guard, victim, cgroup);
		live_check(live_count_events(guard, "trip", busy->pid) == 0,
			   "the bystander was signalled");
		live_expect_limit_back(cgroup, LIMIT);
	}
	live_expect_ended_as_told(busy);
	live_stop(guard);
}
