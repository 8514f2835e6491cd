/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Several policies at a time, some of them below one limit: whose line it is, whose signal, and that
 * nobody pays for another. The guards are those of guards_tool.c, because `watch` has one only.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "events.h"

TestSuite(policies, .init = live_setup, .fini = live_teardown, .timeout = 600);

#define LIMIT (128 * MIB)
#define NO_GUARD "that of the processes: no guard covers this limit"

/* Two cgroups below the one that has the limit. */
struct family {
	struct live_cgroup *parent, *a, *b;
};

static struct family family_new(void)
{
	struct family family = {.parent = live_cgroup(NULL, "parent", LIMIT)};

	family.a = live_cgroup(family.parent, "a", 0);
	family.b = live_cgroup(family.parent, "b", 0);
	return family;
}

/* Groups of options of `watch`, separated by --and. */
#define guards(...) guards_argv((const char *const[]){__VA_ARGS__, (const char *)NULL})
static struct live_process *guards_argv(const char *const args[])
{
	const struct live_spawn spec = {.events = EVENTS_ON_STDOUT};
	const char *argv[48] = {live_beside("guards")};
	struct live_process *guard;
	size_t n = 1;

	for (size_t i = 0; args[i]; i++) {
		live_check(n + 3 < ARRAY_SIZE(argv), "too many arguments");
		if (i == 0 || strcmp(args[i - 1], "--and") == 0) { /* these are about reserves */
			argv[n++] = "--airbag";
			argv[n++] = "off";
		}
		argv[n++] = args[i];
	}
	argv[n] = NULL;
	guard = live_spawn_argv(&spec, argv);
	live_event(guard, "ready", 0);
	return guard;
}

/* Touches new pages all the time and never has more than a few: no spike is its doing. */
static struct live_process *toucher(const struct live_cgroup *cgroup)
{
	return live_victim(cgroup, "--sawtooth", "1M:2M", "--cycles", "1000000000");
}

static struct live_process *idler(const struct live_cgroup *cgroup)
{
	struct live_process *victim = live_victim(cgroup, "--max", "4M", "--hold");

	live_wait_ready(victim);
	return victim;
}

/* Nobody has told it anything. This does, and it ends. */
static void expect_left_alone(struct live_process *guard, struct live_process *victim)
{
	live_expect_ended_as_told(victim);
	live_expect_int(live_result(victim), "handler_signal", SIGTERM);
	live_check(live_count_events(guard, "trip", victim->pid) == 0, "a trip of %s",
		   victim->name);
}

/* What a trip of one victim is to look like. */
struct expected {
	const struct live_cgroup *limit;
	uint64_t limit_bytes;
	int signal;
	const char *signal_name;
	uint64_t line_bytes, next_line_bytes; /* it trips above the second */
};

/* By its own account, by the kernel's, and by what the tool says. */
static void expect_trip(struct live_process *guard, struct live_process *victim,
			const struct expected *expected)
{
	json_t *verdict = live_event(guard, "verdict", victim->pid), *trip, *result;

	live_wait_exit(victim);
	live_check(live_exit_code(victim) == 0, "%s ended with %d", victim->name,
		   live_exit_code(victim));
	result = live_result(victim);
	live_expect_int(result, "handler_count", 1);
	live_expect_int(result, "handler_signal", expected->signal);
	live_check(live_state_reason(victim->state), "no whole state file of %s", victim->name);
	live_check(live_kernel_events(expected->limit).oom_kills == 0, "an OOM kill");
	live_expect_text(verdict, "verdict", "saved");
	live_expect_text(verdict, "action.signal", expected->signal_name);
	live_expect_text(verdict, "memory.limit_cgroup", expected->limit->rel);
	live_check(live_count_events(guard, "trip", victim->pid) == 1, "not one trip");
	trip = live_event(guard, "trip", victim->pid);
	live_expect_sane_trip(trip, expected->limit_bytes);
	live_expect_int(trip, "memory.reserve_bytes", (json_int_t)expected->line_bytes);
	live_check(live_int(trip, "memory.headroom_bytes") > (json_int_t)expected->next_line_bytes,
		   "tripped too late, with %" JSON_INTEGER_FORMAT " left",
		   live_int(trip, "memory.headroom_bytes"));
}

/* --- two below one limit ------------------------------------------------------------------- */

/* A spike in a crosses the line of b first, where nobody may be signalled for it. */
Test(policies, limit_without_a_guard_is_judged_by_each_childs_policy)
{
	struct family family = family_new();
	const struct expected of_a = {family.parent, LIMIT, SIGINT, "INT", 12 * MIB, 0};
	const struct expected of_b = {family.parent, LIMIT, SIGTERM, "TERM", 32 * MIB, 12 * MIB};
	struct live_process *guard = guards("--cgroup", family.a->rel, "--signal", "INT",
					    "--reserve", "12M", "--and", "--cgroup", family.b->rel,
					    "--signal", "TERM", "--reserve", "32M");
	struct live_process *touching[] = {toucher(family.a), toucher(family.b)};
	struct live_process *idle[] = {idler(family.a), idler(family.b)};

	for (unsigned int i = 0; i < live_repeat(); i++) {
		expect_trip(guard, live_victim(family.a, "--handle-int", "--rate", "200"), &of_a);
		expect_trip(guard, live_victim(family.b, "--handle-int", "--rate", "200"), &of_b);
	}
	for (size_t i = 0; i < 2; i++) {
		expect_left_alone(guard, touching[i]);
		expect_left_alone(guard, idle[i]);
	}
	live_expect_int(live_stop(guard), "counters.trips", 2 * (json_int_t)live_repeat());
}

/* The victims have no handler for HUP: by the signal of the parent's policy they would be killed. */
Test(policies, guarded_limit_gives_the_line_and_the_child_the_signal)
{
	struct family family = family_new();
	const struct expected of_a = {family.parent, LIMIT, SIGINT, "INT", 24 * MIB, 12 * MIB};
	const struct expected of_b = {family.parent, LIMIT, SIGTERM, "TERM", 24 * MIB, 12 * MIB};
	struct live_process *guard =
		guards("--cgroup", family.a->rel, "--signal", "INT", "--reserve", "12M", "--and",
		       "--cgroup", family.parent->rel, "--signal", "HUP", "--reserve", "24M",
		       "--and", "--cgroup", family.b->rel, "--signal", "TERM", "--reserve", "48M");
	struct live_process *touching[] = {toucher(family.a), toucher(family.b)};

	for (unsigned int i = 0; i < live_repeat(); i++) {
		expect_trip(guard, live_victim(family.a, "--handle-int", "--rate", "200"), &of_a);
		expect_trip(guard, live_victim(family.b, "--handle-int", "--rate", "200"), &of_b);
	}
	expect_left_alone(guard, touching[0]);
	expect_left_alone(guard, touching[1]);
	live_stop(guard);
}

/* --- a process in a guarded cgroup --------------------------------------------------------- */

Test(policies, process_guarded_by_pid_has_its_own_signal)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "guarded", LIMIT);
	const struct live_spawn spec = {.cgroup = cgroup, .wants_stdin = true};
	const struct expected of_pid = {cgroup, LIMIT, SIGINT, "INT", 16 * MIB, 0};
	const struct expected of_cgroup = {cgroup, LIMIT, SIGTERM, "TERM", 16 * MIB, 0};
	struct live_process *victim =
		live_victim_argv(&spec, (const char *const[]){"--wait-stdin", "--handle-int",
							      "--rate", "200", NULL});
	struct live_process *guard = guards("--cgroup", cgroup->rel, "--signal", "TERM",
					    "--reserve", "16M", "--and", "--pid",
					    live_format("%d", (int)victim->pid), "--signal", "INT",
					    "--reserve", "32M");
	struct live_process *idle = idler(cgroup);

	live_release(victim);
	expect_trip(guard, victim, &of_pid);
	expect_trip(guard, live_victim(cgroup, "--handle-int", "--rate", "200"), &of_cgroup);
	expect_left_alone(guard, idle);
	live_stop(guard);
}

/* --- dry run ------------------------------------------------------------------------------- */

/* It stays beyond its own line, and so near the other's that a few MiB cross that. */
Test(policies, dry_run_of_one_child_does_not_keep_the_other_from_being_saved)
{
	struct family family = family_new();
	const struct expected of_b = {family.parent, LIMIT, SIGTERM, "TERM", 16 * MIB, 0};
	struct live_process *guard = guards("--cgroup", family.a->rel, "--dry-run", "--reserve",
					    "40M", "--and", "--cgroup", family.b->rel, "--reserve",
					    "16M");
	struct live_process *dry =
		live_victim(family.a, "--rate", "200", "--max", "100M", "--hold");
	json_t *verdict;

	live_wait_ready(dry);
	live_expect_int(live_event(guard, "trip", dry->pid), "memory.reserve_bytes", 40 * MIB);
	expect_trip(guard, live_victim(family.b, "--rate", "200"), &of_b);
	live_expect_ended_as_told(dry);
	verdict = live_event(guard, "verdict", dry->pid);
	live_expect_text(verdict, "verdict", "dry run");
	live_expect_text(verdict, "action.result", "dry run");
	live_check(!live_bool(verdict, "action.generated"), "a signal was seen");
	live_expect_int(live_stop(guard), "counters.sent", 1);
}

/* --- status -------------------------------------------------------------------------------- */

/* How many accounts the status has of that limit with that policy; each says where that is from. */
static size_t count_accounts(const json_t *status, const struct live_cgroup *limit,
			     json_int_t policy, const char *from)
{
	const json_t *account;
	size_t i, count = 0;

	json_array_foreach (json_object_get(status, "limits"), i, account) {
		if (live_int(account, "cgroup_id") != (json_int_t)limit->id ||
		    live_int(account, "policy") != policy)
			continue;
		live_expect_text(account, "cgroup", limit->rel);
		live_expect_text(account, "policy_from", from);
		count++;
	}
	return count;
}

static const char *nearest(const struct live_cgroup *guard, const struct live_cgroup *limit)
{
	return live_format("--cgroup %s, the nearest guard at or above %s", guard->rel, limit->rel);
}

Test(policies, status_says_which_policy_each_limit_has_and_why)
{
	struct family family = family_new();
	struct live_cgroup *own = live_cgroup(NULL, "own", LIMIT);
	struct live_cgroup *leaf = live_cgroup(own, "leaf", 0);
	struct live_cgroup *below = live_cgroup(own, "below", LIMIT / 2);
	struct live_process *guard = guards("--cgroup", family.a->rel, "--and", "--cgroup",
					    family.b->rel, "--signal", "INT", "--and", "--cgroup",
					    own->rel);
	const json_t *status;

	idler(family.a);
	idler(family.b);
	idler(leaf);
	idler(below);
	live_signal(guard, SIGUSR1);
	status = live_event(guard, "status", 0);
	live_check(json_array_size(json_object_get(status, "limits")) == 4, "not four accounts");
	live_check(count_accounts(status, family.parent, 0, NO_GUARD) == 1 &&
			   count_accounts(status, family.parent, 1, NO_GUARD) == 1,
		   "not one account of the parent's limit for each policy below it");
	live_check(count_accounts(status, own, 2, nearest(own, own)) == 1, "no account of %s",
		   own->rel);
	live_check(count_accounts(status, below, 2, nearest(own, below)) == 1, "no account of %s",
		   below->rel);
	live_stop(guard);
}
