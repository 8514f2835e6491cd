/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Limits that only cgroup v2 has: memory.high, of swap, OOM kills of whole groups; limits nested
 * as nobody sane nests them, but systemd; and limits lowered below what is used.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "events.h"

#define LIMIT (128 * MIB)

TestSuite(unified, .init = live_setup_v2, .fini = live_teardown, .timeout = 600);

/* A counter in memory.events; 0 where the kernel does not count it. */
static unsigned long long event_count(const struct live_cgroup *cgroup, const char *name)
{
	const char *line = strstr(live_get(cgroup, "memory.events"), live_format("%s ", name));

	return line ? strtoull(line + strlen(name), NULL, 10) : 0;
}

/*
 * memory.high. The kernel makes a process that is above it sleep, the longer the further it is:
 * the marks here are near, or the tests would take minutes.
 */

Test(unified, growth_through_memory_high)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "high", LIMIT);
	struct live_process *guard, *victim;

	live_set(cgroup, "memory.high", "112M");
	guard = live_watch("--cgroup", cgroup->rel);
	victim = live_victim(cgroup, "--rate", "200");
	live_expect_victim_saved(guard, victim, cgroup);
	live_expect_sane_trip(live_event(guard, "trip", victim->pid), LIMIT);
	live_check(event_count(cgroup, "high") > 0, "memory.high was not met");
	live_stop(guard);
}

/* memory.high is no limit: who stays above it and below the line is the kernel's business. */
Test(unified, stay_above_memory_high)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "high", LIMIT);
	struct live_process *guard, *victim;

	live_set(cgroup, "memory.high", "104M");
	guard = live_watch("--cgroup", cgroup->rel);
	victim = live_victim(cgroup, "--burst", "109M", "--hold-ms", "300");
	live_expect_undisturbed(victim);
	live_check(event_count(cgroup, "high") > 0, "memory.high was not met");
	live_expect_quiet(guard);
}

/* Held in tmpfs by a writer that ends as planned. Returns the file. */
static const char *hold(const struct live_cgroup *cgroup, unsigned int mib)
{
	const char *file = live_format("%s/held", live_tmpfs(512));
	struct live_process *writer = live_start(cgroup, "/bin/dd", "if=/dev/zero",
						 live_format("of=%s", file), "bs=64K",
						 live_format("count=%u", mib * 16));

	live_wait_exit(writer);
	live_check(live_exit_code(writer) == 0, "it ended with %d", live_exit_code(writer));
	return file;
}

static void let_go(const char *file)
{
	live_check(unlink(file) == 0, "%s: %m", file);
}

/* A first loan is for who lives on, as slowly as the owner wants it to. */
Test(unified, first_loan_leaves_memory_high_alone)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "high", 64 * MIB);
	struct live_process *guard;
	uint64_t deadline = live_deadline();
	const char *held;

	live_set_high(cgroup, 59 * MIB);
	guard = live_watch_lending(cgroup);
	held = hold(cgroup, 62);
	live_check(event_count(cgroup, "high") > 0, "memory.high was not met");
	while (live_limit(cgroup) == 64 * MIB)
		live_pump(deadline, "the loan");
	live_check(live_high_is_back(cgroup), "memory.high was lifted");
	let_go(held);
	live_expect_limit_back(cgroup, 64 * MIB);
	live_expect_quiet(guard);
}

/*
 * Far beyond memory.high a thread sleeps 2 s for each 64 pages that it charges. Many can pass the limit
 * all the same; the shutdown is one thread, which would not come to its end: memory.high does not hold for as
 * long as that takes.
 */
Test(unified, shutdown_is_not_slowed_down_by_memory_high)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "high", 64 * MIB);
	struct live_process *guard = live_watch("--airbag", "auto", "--brake", "off", "--grace",
						"60s", "--cgroup", cgroup->rel);
	const struct live_spawn spec = {.cgroup = cgroup, .wants_stdin = true};
	const char *const args[] = {"--threads",       "16",  "--wait-stdin",
				    "--shutdown-size", "12M", NULL};
	const char *held = hold(cgroup, 61);
	uint64_t deadline = live_deadline();
	struct live_process *victim;
	unsigned long long slowed;

	live_read_victim();
	victim = live_victim_argv(&spec, args);
	while (!strstr(live_read(live_format("/proc/%d/stat", (int)victim->pid)), "(victim) S"))
		live_pump(deadline, "the victim to wait");
	live_set_high(cgroup, 32 * MIB);
	live_release(victim);
	while (live_high_is_back(cgroup) && !victim->exited)
		live_pump(deadline, "memory.high to be lifted");
	slowed = event_count(cgroup, "high");
	live_check(slowed > 0, "memory.high was not met");
	live_expect_victim_saved(guard, victim, cgroup);
	live_check(event_count(cgroup, "high") == slowed, "its shutdown was slowed down");
	let_go(held);
	live_expect_limit_back(cgroup, 64 * MIB);
	live_stop(guard);
}

/* It stays, and the loan, which the process still needs, does not end for it. */
Test(unified, memory_high_that_somebody_sets_meanwhile_stays)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "high", 64 * MIB);
	uint64_t deadline = live_deadline();
	struct live_process *guard, *victim;
	json_t *verdict;

	live_read_victim();
	live_set_high(cgroup, 63 * MIB);
	guard = live_watch("--airbag", "auto", "--grace", "5s", "--cgroup", cgroup->rel);
	victim = live_victim(cgroup, "--deaf", "--max", "80M", "--hold", "--rate", "100");
	while (live_high_is_back(cgroup))
		live_pump(deadline, "memory.high to be lifted");
	live_wait_ready(victim);
	live_set_high(cgroup, 70 * MIB);
	verdict = live_event(guard, "verdict", victim->pid);
	live_check(live_bool(verdict, "action.killed_after_grace"), "not our SIGKILL");
	live_check(live_kernel_events(cgroup).oom_kills == 0, "an OOM kill");
	live_wait_exit(victim);
	live_expect_limit_back(cgroup, 64 * MIB);
	live_stop(guard);
}

/* Swap. */

static struct live_cgroup *swapping_cgroup(const char *parent_max, const char *max)
{
	struct live_cgroup *parent = live_cgroup(NULL, "parent", 0);
	struct live_cgroup *cgroup = live_cgroup(parent, "swapping", 64 * MIB);

	if (faccessat(cgroup->fd, "memory.swap.max", W_OK, 0) < 0)
		live_skip("swap", "swap is not accounted here");
	if (strcmp(live_read("/proc/sys/vm/swappiness"), "0\n") == 0)
		live_skip("swap", "vm.swappiness is 0");
	live_set(parent, "memory.swap.max", parent_max);
	live_set(cgroup, "memory.swap.max", max);
	live_swap(192);
	return cgroup;
}

Test(unified, swap_that_is_forbidden_is_no_room)
{
	struct live_cgroup *cgroup = swapping_cgroup("max", "0");
	struct live_process *guard = live_watch("--cgroup", cgroup->rel);
	struct live_process *victim = live_victim(cgroup, "--rate", "200");
	json_t *trip;

	live_expect_victim_saved(guard, victim, cgroup);
	trip = live_event(guard, "trip", victim->pid);
	live_expect_sane_trip(trip, 64 * MIB);
	live_expect_int(trip, "memory.swap_room_bytes", 0);
	live_stop(guard);
}

/* More than twice the limit, and all of it used: the rest is in swap. */
Test(unified, swap_that_is_allowed_is_room)
{
	struct live_cgroup *cgroup = swapping_cgroup("max", "max");
	struct live_process *guard = live_watch("--cgroup", cgroup->rel);
	struct live_process *victim = live_victim(cgroup, "--burst", "140M", "--hold-ms", "300");

	live_expect_undisturbed(victim);
	live_check(live_kernel_events(cgroup).at_limit > 0, "the limit was not met");
	live_expect_quiet(guard);
}

/* The limit, and what an ancestor allows of swap, are used up but for the reserve. */
Test(unified, swap_within_the_limit_of_an_ancestor)
{
	struct live_cgroup *cgroup = swapping_cgroup("32M", "max");
	struct live_process *guard = live_watch("--cgroup", cgroup->rel);
	struct live_process *victim = live_victim(cgroup, "--rate", "200");
	json_t *trip, *result;

	live_expect_victim_saved(guard, victim, cgroup);
	trip = live_event(guard, "trip", victim->pid);
	live_expect_sane_trip(trip, 64 * MIB);
	live_check(live_int(trip, "memory.swap_room_bytes") < (json_int_t)(32 * MIB),
		   "the ancestor's limit was not seen");
	result = live_result(victim);
	live_check(live_int(result, "units_at_signal") * live_int(result, "unit_bytes") >
			   (json_int_t)(80 * MIB),
		   "it could have grown on");
	live_stop(guard);
}

/* memory.oom.group: the kernel kills all of a cgroup, or nobody. */

struct group {
	struct live_cgroup *cgroup, *one, *other;
};

static struct group oom_group(void)
{
	struct group group = {.cgroup = live_cgroup(NULL, "group", LIMIT)};

	live_set(group.cgroup, "memory.oom.group", "1");
	group.one = live_cgroup(group.cgroup, "one", 0);
	group.other = live_cgroup(group.cgroup, "other", 0);
	return group;
}

Test(unified, oom_group_is_spared_by_a_save)
{
	struct group group = oom_group();
	struct live_process *guard = live_watch("--cgroup", group.cgroup->rel);
	struct live_process *neighbour = live_victim(group.other, "--max", "4M", "--hold");
	struct live_process *victim;

	live_wait_ready(neighbour);
	victim = live_victim(group.one, "--rate", "200");
	live_expect_victim_saved(guard, victim, group.cgroup);
	live_check(event_count(group.cgroup, "oom_group_kill") == 0, "the group was killed");
	live_expect_ended_as_told(neighbour);
	live_stop(guard);
}

static void expect_killed(struct live_process *victim)
{
	live_wait_exit(victim);
	live_check(live_exit_code(victim) == 128 + SIGKILL, "%s ended with %d", victim->name,
		   live_exit_code(victim));
}

/*
 * As targets::oom_kill_that_no_trip_preceded_is_reported, but everybody is killed: the two that
 * were never told are missed, each once; the deaf one was told, in vain.
 */
Test(unified, oom_group_kill_is_reported_once_for_each)
{
	struct group group = oom_group();
	struct live_process *guard = live_watch("--cgroup", group.cgroup->rel);
	struct live_process *big = live_victim(group.one, "--max", "80M", "--hold");
	struct live_process *small = live_victim(group.other, "--max", "2M", "--hold");
	struct live_process *deaf;
	json_t *status, *account;

	live_wait_ready(big);
	live_wait_ready(small);
	deaf = live_victim(group.other, "--deaf", "--rate", "10", "--max", "60M");
	live_expect_text(live_event(guard, "oom_kill", big->pid), "verdict", "missed");
	live_expect_text(live_event(guard, "oom_kill", small->pid), "verdict", "missed");
	live_expect_text(live_event(guard, "verdict", deaf->pid), "verdict", "too late");
	expect_killed(big);
	expect_killed(small);
	expect_killed(deaf);
	status = live_stop(guard);
	live_check(live_count_events(guard, "oom_kill", 0) == 2, "%zu uncaught kills, not 2",
		   live_count_events(guard, "oom_kill", 0));
	live_check(live_count_events(guard, "verdict", 0) == 1, "%zu verdicts, not 1",
		   live_count_events(guard, "verdict", 0));
	live_expect_int(status, "counters.oom_kills", 3);
	live_expect_int(status, "verdicts.missed", 2);
	account = json_array_get(json_object_get(status, "limits"), 0);
	live_expect_text(account, "cgroup", group.cgroup->rel);
	live_expect_int(account, "oom_kills", 3);
	live_expect_int(account, "oom_kills_uncaught", 2);
}

/*
 * The limit is the grandparent's; the cgroup between has none, the leaf a looser one. A cousin's
 * page cache fills the grandparent, and can be dropped: it is neither need nor a reason to trip.
 */

struct family {
	struct live_cgroup *grandparent, *leaf;
	struct live_process *guard;
};

static struct family family_with_page_cache(void)
{
	struct family family = {.grandparent = live_cgroup(NULL, "grandparent", LIMIT)};
	struct live_cgroup *parent = live_cgroup(family.grandparent, "parent", 0);
	struct live_cgroup *cousin = live_cgroup(family.grandparent, "cousin", 0);
	struct live_process *reader;
	const char *dir = live_disk_dir();

	family.leaf = live_cgroup(parent, "leaf", 2 * LIMIT);
	family.guard = live_watch("--cgroup", family.leaf->rel);
	live_expect_text(live_event(family.guard, "ready", 0), "guard.limit_cgroup",
			 family.grandparent->rel);
	reader = live_victim(cousin, "--kind", "file-read", "--file-size", "80M", "--max", "160M",
			     "--hold", "--dir", dir);
	live_wait_ready(reader);
	live_check(live_memory(family.grandparent).file_bytes > 64 * MIB, "no page cache");
	return family;
}

Test(unified, page_cache_of_a_cousin_is_no_need)
{
	struct family family = family_with_page_cache();
	struct live_process *victim =
		live_victim(family.leaf, "--burst", "96M", "--hold-ms", "300");

	live_expect_undisturbed(victim);
	live_check(live_kernel_events(family.grandparent).at_limit > 0, "the limit was not met");
	live_expect_quiet(family.guard);
}

Test(unified, limit_of_the_grandparent_binds)
{
	struct family family = family_with_page_cache();
	struct live_process *victim = live_victim(family.leaf, "--rate", "200");
	json_t *verdict = live_expect_victim_saved(family.guard, victim, family.grandparent);
	json_t *trip = live_event(family.guard, "trip", victim->pid);

	live_expect_sane_trip(trip, LIMIT);
	live_expect_text(verdict, "memory.limit_cgroup", family.grandparent->rel);
	live_expect_text(verdict, "process.cgroup", family.leaf->rel);
	live_check(live_int(trip, "memory.reclaimable_bytes") > (json_int_t)MIB,
		   "the page cache was not seen");
	live_expect_text(json_array_get(json_object_get(live_stop(family.guard), "limits"), 0),
			 "cgroup", family.grandparent->rel);
}

/*
 * memory.max below what a process uses: the kernel reclaims, then kills, in the context of whoever
 * wrote it. What is said has to be what was.
 */

/* Killed by the kernel: told before, too late; or not, and missed. Not both, and once. */
static void expect_truth(struct live_process *guard, struct live_process *victim,
			 const struct live_cgroup *cgroup)
{
	json_t *trip, *event, *status;

	live_wait_exit(victim);
	if (live_exit_code(victim) == 0) {
		live_expect_victim_saved(guard, victim, cgroup);
		live_stop(guard);
		return;
	}
	live_check(live_exit_code(victim) == 128 + SIGKILL, "it ended with %d",
		   live_exit_code(victim));
	status = live_stop(guard);
	trip = live_find_event(guard, "trip", victim->pid, 0);
	event = live_find_event(guard, trip ? "verdict" : "oom_kill", victim->pid, 0);
	live_check(event, "the kill is not reported");
	live_expect_text(event, "verdict", trip ? "too late" : "missed");
	live_expect_text(event, "memory.limit_cgroup", cgroup->rel);
	live_check(live_count_events(guard, "verdict", 0) +
				   live_count_events(guard, "oom_kill", 0) ==
			   1,
		   "more than one verdict for one process");
	live_expect_int(status, "counters.oom_kills", 1);
	live_check(live_kernel_events(cgroup).oom_kills == 1, "not one OOM kill");
}

Test(unified, limit_lowered_below_what_an_idle_process_needs)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "lowered", 256 * MIB);
	struct live_process *guard = live_watch("--cgroup", cgroup->rel);
	struct live_process *victim = live_victim(cgroup, "--max", "96M", "--hold");

	live_wait_ready(victim);
	live_set_limit(cgroup, 64 * MIB);
	expect_truth(guard, victim, cgroup);
}

Test(unified, limit_lowered_below_what_a_growing_process_needs)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "lowered", 256 * MIB);
	struct live_process *guard = live_watch("--cgroup", cgroup->rel);
	struct live_process *victim = live_victim(cgroup, "--rate", "100", "--mark", "96M");

	live_wait_ready(victim);
	live_set_limit(cgroup, 64 * MIB);
	expect_truth(guard, victim, cgroup);
}

/* Page cache makes room for the new limit: nobody has to go. */
Test(unified, limit_lowered_below_usage_but_not_need)
{
	const char *dir = live_disk_dir();
	struct live_cgroup *cgroup;
	struct live_process *guard, *victim;

	cgroup = live_cgroup(NULL, "lowered", 256 * MIB);
	guard = live_watch("--cgroup", cgroup->rel);
	victim = live_victim(cgroup, "--kind", "file-read", "--file-size", "96M", "--max", "192M",
			     "--base", "16M", "--hold", "--dir", dir);
	live_wait_ready(victim);
	live_check(live_memory(cgroup).usage_bytes > 96 * MIB, "no page cache");
	live_set_limit(cgroup, 64 * MIB);
	live_check(live_memory(cgroup).usage_bytes <= 64 * MIB, "the kernel did not reclaim");
	live_expect_ended_as_told(victim);
	live_expect_quiet(guard);
}

/* --- cgroups without a memory controller --------------------------------------------------- */

/* What is in it is charged to the cgroup above, which itself has no process. */
Test(unified, leader_is_found_where_its_cgroup_has_no_memory_controller)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "charged", LIMIT);
	struct live_process *guard = live_watch("--target", "leader", "--cgroup", cgroup->rel);
	struct live_cgroup inner = {.rel = live_format("%s/inner", cgroup->rel)};
	struct live_process *victim;
	json_t *verdict;
	pid_t child;

	live_check(!mkdirat(cgroup->fd, "inner", 0755), "no cgroup below: %m");
	inner.fd = openat(cgroup->fd, "inner", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	victim = live_victim(&inner, "--fork-child", "--rate", "200");
	live_wait_exit(victim);
	child = (pid_t)live_int(live_result(victim), "grower");
	verdict = live_expect_saved(guard, child, victim->state, cgroup);
	live_expect_int(verdict, "target.pid", victim->pid);
	live_expect_int(verdict, "target.signalled", 1);
	live_stop(guard);
	close(inner.fd);
}
