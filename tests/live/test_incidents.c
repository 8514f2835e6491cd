/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * No trip disappears: not where the ring buffer was full, not where the tool was killed in the middle
 * of it. What is missing is said.
 */
#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "events.h"

TestSuite(incidents, .init = live_setup, .fini = live_teardown, .timeout = 600);

#define LIMIT (64 * MIB)

static void expect_missing(const json_t *event, const char *sentence)
{
	const json_t *text;
	size_t i;

	json_array_foreach (json_object_get(event, "missing"), i, text)
		if (strstr(json_string_value(text), sentence))
			return;
	live_fatal("'%s' is not among what is missing in %s", sentence,
		   json_dumps(event, JSON_COMPACT));
}

/* However slow the machine is, the verdict on who still runs comes after what the test does meanwhile. */
static struct live_process *watch_patiently(const struct live_cgroup *cgroup)
{
	return live_watch("--grace", "500s", "--cgroup", cgroup->rel);
}

static size_t count_trip_files(void)
{
	DIR *dir = opendir(getenv("RUNTIME_DIRECTORY"));
	struct dirent *item;
	size_t count = 0;

	live_check(dir, "$RUNTIME_DIRECTORY: %m");
	while ((item = readdir(dir)))
		count += *item->d_name != '.';
	closedir(dir);
	return count;
}

/* --- a full ring buffer -------------------------------------------------------------------- */

/* Three records each of small victims: with the tool stopped there is no room for more. */
static void fill_ring(const struct live_cgroup *cgroup)
{
	enum { VICTIMS = 450 }; /* 256 KiB hold the records of about 230 */

	for (int i = 0; i < VICTIMS; i++) {
		struct live_process *victim = live_victim(cgroup, "--state-kib", "1");

		live_wait_exit(victim);
		live_check(live_exit_code(victim) == 0, "victim %d ended with %d", i,
			   live_exit_code(victim));
	}
}

/*
 * The tool takes in what there is, and room is again: its answer comes after that. It may have to be asked
 * more than once, since it drops lines that nobody reads in time.
 */
static void drain_ring(struct live_process *guard)
{
	uint64_t deadline = live_deadline();
	json_t *status;

	live_signal(guard, SIGCONT);
	while (!(status = live_find_event(guard, "status", 0, 0))) {
		live_signal(guard, SIGUSR1);
		live_pump(deadline, "the status");
	}
	live_check(live_int(status, "counters.lost_records") > 0, "no record was lost");
}

static void expect_lost_trip(const json_t *event)
{
	expect_missing(event, "the record of the trip was lost");
	live_check(json_is_null(live_member(event, "trigger")), "a trigger is known");
	live_check(json_is_null(live_member(event, "memory.need_bytes")), "need is known");
	live_expect_int(event, "memory.limit_bytes", (json_int_t)LIMIT);
	live_expect_text(event, "action.signal", "TERM");
	live_expect_text(event, "action.result", "sent");
}

Test(incidents, trip_that_was_lost_is_told_by_the_exit)
{
	struct live_cgroup *parent = live_cgroup(NULL, "lost", 1024 * MIB);
	struct live_cgroup *filler = live_cgroup(parent, "filler", 12 * MIB);
	struct live_cgroup *cgroup = live_cgroup(parent, "victim", LIMIT);
	struct live_process *guard = live_watch("--cgroup", parent->rel);
	struct live_process *victim;
	json_t *verdict;

	live_signal(guard, SIGSTOP);
	fill_ring(filler);
	victim = live_victim(cgroup, "--rate", "200", "--shutdown-ms", "2000");
	live_wait_shutdown(victim);
	live_signal(victim, SIGSTOP);
	drain_ring(guard);
	live_check(!live_find_event(guard, "trip", victim->pid, 0), "its record was not lost");
	live_signal(victim, SIGCONT);
	verdict = live_expect_victim_saved(guard, victim, cgroup);
	expect_lost_trip(verdict);
	live_check(live_bool(verdict, "action.delivered"), "no handler was seen");
	live_check(live_count_events(guard, "verdict", victim->pid) == 1, "not one verdict");
	live_stop(guard);
}

/* Holds close to its limit; another one, which takes no signal, takes the rest. */
Test(incidents, trip_that_was_lost_is_told_by_the_oom_kill)
{
	struct live_cgroup *parent = live_cgroup(NULL, "lost", 1024 * MIB);
	struct live_cgroup *filler = live_cgroup(parent, "filler", 12 * MIB);
	struct live_cgroup *cgroup = live_cgroup(parent, "victim", LIMIT);
	struct live_process *guard = watch_patiently(parent);
	struct live_process *victim, *other;
	json_t *verdict;

	live_signal(guard, SIGSTOP);
	fill_ring(filler);
	victim = live_victim(cgroup, "--deaf", "--hold", "--rate", "200", "--max", "59M");
	live_wait_ready(victim);
	drain_ring(guard);
	live_check(!live_find_event(guard, "trip", victim->pid, 0), "its record was not lost");
	other = live_victim(cgroup, "--ignore-term", "--rate", "100", "--max", "30M");
	live_wait_exit(victim);
	live_wait_exit(other);
	live_check(live_exit_code(victim) == 128 + SIGKILL, "it ended with %d",
		   live_exit_code(victim));
	/* The kernel may kill it as well, before the victim's memory is free. */
	live_check(live_exit_code(other) == 0 || live_exit_code(other) == 128 + SIGKILL,
		   "the other one ended with %d", live_exit_code(other));
	verdict = live_event(guard, "verdict", victim->pid);
	live_expect_text(verdict, "verdict", "too late");
	live_expect_text(verdict, "exit.signal", "KILL");
	expect_lost_trip(verdict);
	live_check(live_count_events(guard, "oom_kill", victim->pid) == 0,
		   "its kill is one that no trip preceded");
	live_stop(guard);
}

/* --- cgroups that are gone ----------------------------------------------------------------- */

/* As of a service that ends while the tool is busy: systemd removes its cgroup at once. */
Test(incidents, cgroups_that_were_gone_before_anybody_asked_have_their_paths)
{
	struct live_cgroup *parent = live_cgroup(NULL, "gone", 1024 * MIB);
	struct live_process *guard = live_watch("--airbag", "off", "--cgroup", parent->rel);
	struct live_cgroup *limited, *worker;
	struct live_process *victim;
	json_t *verdict;

	live_signal(guard, SIGSTOP);
	limited = live_cgroup(parent, "limited", LIMIT);
	worker = live_cgroup(limited, "worker", 0);
	victim = live_victim(worker, "--rate", "200");
	live_wait_exit(victim);
	live_check(live_exit_code(victim) == 0, "it ended with %d", live_exit_code(victim));
	live_remove(worker);
	live_remove(limited);
	live_signal(guard, SIGCONT);
	verdict = live_event(guard, "verdict", victim->pid);
	live_expect_text(verdict, "memory.limit_cgroup", limited->rel);
	live_expect_text(verdict, "process.cgroup", worker->rel);
	live_stop(guard);
}

/* The kernel kills a neighbour of the one that was signalled. */
Test(incidents, a_cgroup_that_was_gone_before_its_kill_was_read_has_its_path)
{
	struct live_cgroup *parent = live_cgroup(NULL, "gone", 1024 * MIB);
	struct live_process *guard = live_watch("--airbag", "off", "--cgroup", parent->rel);
	struct live_cgroup *limited, *neighbour, *worker;
	struct live_process *big, *deaf;
	json_t *kill;

	live_signal(guard, SIGSTOP);
	limited = live_cgroup(parent, "limited", 128 * MIB);
	neighbour = live_cgroup(limited, "neighbour", 0);
	worker = live_cgroup(limited, "worker", 0);
	big = live_victim(neighbour, "--max", "80M", "--hold");
	live_wait_ready(big);
	deaf = live_victim(worker, "--deaf", "--rate", "10", "--max", "60M");
	live_wait_exit(big);
	live_wait_exit(deaf);
	live_check(live_exit_code(big) == 128 + SIGKILL, "it ended with %d", live_exit_code(big));
	live_remove(neighbour);
	live_remove(worker);
	live_remove(limited);
	live_signal(guard, SIGCONT);
	kill = live_event(guard, "oom_kill", big->pid);
	live_expect_text(kill, "memory.limit_cgroup", limited->rel);
	live_expect_text(kill, "process.cgroup", neighbour->rel);
	live_stop(guard);
}

/* --- killed in the middle of a trip -------------------------------------------------------- */

/* The first instance is killed while the victim, signalled by it, stands still in its shutdown. */
static struct live_process *kill_guard_in_shutdown(struct live_cgroup *cgroup, json_t **ret_trip)
{
	struct live_process *guard = watch_patiently(cgroup);
	struct live_process *victim = live_victim(cgroup, "--rate", "200", "--shutdown-ms", "2000");

	live_wait_shutdown(victim);
	live_signal(victim, SIGSTOP);
	*ret_trip = live_event(guard, "trip", victim->pid);
	live_check(!live_find_event(guard, "verdict", victim->pid, 0), "it is over already");
	live_signal(guard, SIGKILL);
	live_wait_exit(guard);
	live_check(count_trip_files() == 1, "%zu files of one trip", count_trip_files());
	return victim;
}

static void expect_same_trip(const json_t *verdict, const json_t *trip)
{
	live_expect_text(verdict, "id", live_text(trip, "id"));
	live_expect_text(verdict, "trigger", live_text(trip, "trigger"));
	live_expect_text(verdict, "process.comm", live_text(trip, "process.comm"));
	live_expect_text(verdict, "memory.limit_cgroup", live_text(trip, "memory.limit_cgroup"));
	live_expect_int(verdict, "memory.need_bytes", live_int(trip, "memory.need_bytes"));
	live_expect_int(verdict, "memory.limit_bytes", live_int(trip, "memory.limit_bytes"));
	expect_missing(verdict, "apoptosis was restarted");
}

Test(incidents, restart_goes_on_with_an_open_trip)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "restart", LIMIT);
	struct live_process *victim, *guard;
	json_t *trip, *verdict;

	victim = kill_guard_in_shutdown(cgroup, &trip);
	guard = watch_patiently(cgroup);
	live_signal(victim, SIGCONT);
	verdict = live_expect_victim_saved(guard, victim, cgroup);
	expect_same_trip(verdict, trip);
	live_expect_int(verdict, "exit.code", 0);
	live_check(live_count_events(guard, "trip", 0) == 1, "not one trip");
	live_stop(guard);
	live_check(count_trip_files() == 0, "a file stays");
}

Test(incidents, restart_after_the_end_judges_by_the_counters)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "restart", LIMIT);
	struct live_process *victim, *guard;
	json_t *trip, *verdict;

	victim = kill_guard_in_shutdown(cgroup, &trip);
	live_signal(victim, SIGCONT);
	live_wait_exit(victim);
	guard = live_watch("--cgroup", cgroup->rel);
	verdict = live_expect_victim_saved(guard, victim, cgroup);
	expect_same_trip(verdict, trip);
	expect_missing(verdict, "the end was not seen");
	live_check(json_is_null(live_member(verdict, "exit.code")), "an end that nobody saw");
	live_stop(guard);
	live_check(count_trip_files() == 0, "a file stays");
}

/* It goes on growing in its shutdown, and is beyond the limit when the guard is killed and started again. */
Test(incidents, restart_in_the_midst_of_a_loan_saves_all_the_same)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "loan", LIMIT);
	struct live_process *guard = live_watch("--airbag", "auto", "--cgroup", cgroup->rel);
	struct live_process *victim = live_victim(cgroup, "--rate", "20", "--stubborn", "--hold",
						  "--max", "80M", "--shutdown-ms", "6000");
	json_t *trip, *verdict;

	trip = live_event(guard, "trip", victim->pid);
	live_wait_shutdown(victim);
	live_signal(guard, SIGKILL);
	live_wait_exit(guard);
	live_check(live_limit(cgroup) > LIMIT, "nothing was lent");
	guard = live_watch("--airbag", "auto", "--cgroup", cgroup->rel);
	verdict = live_expect_victim_saved(guard, victim, cgroup);
	expect_same_trip(verdict, trip);
	live_expect_int(live_result(victim), "handler_count", 1);
	live_expect_limit_back(cgroup, LIMIT);
	live_stop(guard);
	live_check(count_trip_files() == 0, "a file stays");
}

/* The rest of the grace is the next instance's to keep. */
Test(incidents, restart_ends_the_grace)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "grace", LIMIT);
	struct live_process *guard = live_watch("--grace", "3s", "--cgroup", cgroup->rel);
	struct live_process *victim =
		live_victim(cgroup, "--deaf", "--hold", "--rate", "200", "--max", "59M");
	json_t *verdict;

	live_event(guard, "trip", victim->pid);
	live_wait_ready(victim);
	live_signal(guard, SIGKILL);
	live_wait_exit(guard);
	live_check(!victim->exited, "the victim has ended");
	guard = live_watch("--grace", "500s", "--cgroup", cgroup->rel);
	verdict = live_event(guard, "verdict", victim->pid);
	live_wait_exit(victim);
	live_check(live_exit_code(victim) == 128 + SIGKILL, "it ended with %d",
		   live_exit_code(victim));
	live_check(live_kernel_events(cgroup).oom_kills == 0, "it was the kernel's OOM killer");
	live_check(live_bool(verdict, "action.killed_after_grace"), "not killed after the grace");
	live_expect_text(verdict, "verdict", "ignored");
	expect_missing(verdict, "apoptosis was restarted");
	live_stop(guard);
	live_check(count_trip_files() == 0, "a file stays");
}

/* Two instances at a time: what one has open is not the other's. */
Test(incidents, trip_of_an_instance_that_lives_is_left_alone)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "alive", LIMIT);
	struct live_cgroup *elsewhere = live_cgroup(NULL, "elsewhere", LIMIT);
	struct live_process *guard = watch_patiently(cgroup), *other;
	struct live_process *victim = live_victim(cgroup, "--rate", "200", "--shutdown-ms", "2000");

	live_wait_shutdown(victim);
	live_signal(victim, SIGSTOP);
	live_event(guard, "trip", victim->pid);
	other = live_watch("--cgroup", elsewhere->rel);
	live_stop(other);
	live_check(live_count_events(other, "trip", 0) == 0 &&
			   live_count_events(other, "verdict", 0) == 0,
		   "it was taken over");
	live_check(count_trip_files() == 1, "%zu files of one trip", count_trip_files());
	live_signal(victim, SIGCONT);
	live_expect_victim_saved(guard, victim, cgroup);
	live_stop(guard);
	live_check(count_trip_files() == 0, "a file stays");
}

/* --- a limit without an OOM killer ----------------------------------------------------------- */

/* Threads that meet it wait until there is room. */
static struct live_cgroup *cgroup_without_oom_killer(void)
{
	struct live_cgroup *cgroup;

	if (cgroup_tree_version(live_tree()) != 1)
		live_skip("v1", "the OOM killer of a v2 cgroup cannot be disabled");
	cgroup = live_cgroup(NULL, "hangs", LIMIT);
	live_set(cgroup, "memory.oom_control", "1");
	return cgroup;
}

Test(incidents, who_hangs_because_the_oom_killer_is_disabled_is_said_to)
{
	struct live_cgroup *cgroup = cgroup_without_oom_killer();
	struct live_process *guard = live_watch("--airbag", "off", "--cgroup", cgroup->rel);
	struct live_process *victim = live_victim(cgroup, "--rate", "50", "--shutdown-size", "32M");
	json_t *verdict = live_event(guard, "verdict", victim->pid);

	live_check(!victim->exited, "it has ended");
	live_expect_text(verdict, "verdict", "ignored");
	live_check(strstr(live_text(verdict, "reason"), "no OOM killer acts"), "reason: %s",
		   live_text(verdict, "reason"));
	live_check(live_bool(verdict, "kernel.hangs_after"), "it does not hang");
	live_signal(victim, SIGKILL);
	live_wait_exit(victim);
	live_stop(guard);
}

Test(incidents, who_would_hang_because_the_oom_killer_is_disabled_is_lent_to)
{
	struct live_cgroup *cgroup = cgroup_without_oom_killer();
	struct live_process *guard = live_watch("--airbag", "auto", "--cgroup", cgroup->rel);
	struct live_process *victim = live_victim(cgroup, "--rate", "50", "--shutdown-size", "32M");
	json_t *verdict = live_expect_victim_saved(guard, victim, cgroup);

	live_expect_text(verdict, "airbag.result", "raised");
	live_check(!live_bool(verdict, "kernel.hangs_after"), "it hangs");
	live_expect_limit_back(cgroup, LIMIT);
	live_check(strstr(live_get(cgroup, "memory.oom_control"), "oom_kill_disable 1"),
		   "the OOM killer was enabled");
	live_stop(guard);
}
