/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is signalled, with what, and what is said where a signal would do nothing: targets,
 * dispositions, odd ways to grow, warnings, grace, cooldown, dry runs, reports.
 */
#include <dirent.h>
#include <inttypes.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "events.h"

TestSuite(targets, .init = live_setup, .fini = live_teardown, .timeout = 600);

#define LIMIT (128 * MIB)

static const struct live_spawn in_pid_namespace = {.pid_namespace = true};

Test(targets, leader_is_signalled_when_its_child_grows)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "leader", LIMIT);
	struct live_process *guard = live_watch("--target", "leader", "--cgroup", cgroup->rel);
	struct live_process *victim = live_victim(cgroup, "--fork-child", "--rate", "200");
	json_t *verdict, *result;
	pid_t child;

	live_wait_exit(victim);
	result = live_result(victim);
	child = (pid_t)live_int(result, "grower");
	verdict = live_expect_saved(guard, child, victim->state, cgroup);
	live_expect_text(verdict, "target.policy", "leader");
	live_expect_int(verdict, "target.pid", victim->pid);
	live_expect_int(verdict, "target.signalled", 1);
	/* The leader hands the signal on to the child. */
	live_expect_int(result, "parent_handler_count", 1);
	live_expect_int(result, "handler_count", 1);
	live_stop(guard);
}

Test(targets, all_are_signalled)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "all", LIMIT);
	struct live_process *guard = live_watch("--target", "all", "--cgroup", cgroup->rel);
	struct live_process *idle[2], *grower;
	json_t *verdict;

	for (size_t i = 0; i < ARRAY_SIZE(idle); i++) {
		idle[i] = live_victim(cgroup, "--max", "4M", "--hold");
		live_wait_ready(idle[i]);
	}
	grower = live_victim(cgroup, "--rate", "200");
	verdict = live_expect_victim_saved(guard, grower, cgroup);
	live_expect_text(verdict, "target.policy", "all");
	live_expect_int(verdict, "target.signalled", 3);
	for (size_t i = 0; i < ARRAY_SIZE(idle); i++) {
		live_wait_exit(idle[i]);
		live_expect_int(live_result(idle[i]), "handler_count", 1);
		live_check(live_state_reason(idle[i]->state), "a bystander was not told");
	}
	live_stop(guard);
}

/* A bystander whose small fault happens to be the one that crosses is not the grower. */
Test(targets, bystander_is_not_signalled)
{
	for (unsigned int i = 0; i < live_repeat(); i++) {
		struct live_cgroup *cgroup = live_cgroup(NULL, "bystander", LIMIT);
		struct live_process *guard = live_watch("--cgroup", cgroup->rel);
		struct live_process *bystander =
			live_victim(cgroup, "--sawtooth", "1M:2M", "--cycles", "1000000");
		struct live_process *grower = live_victim(cgroup, "--rate", "100");

		live_expect_victim_saved(guard, grower, cgroup);
		live_signal(bystander, SIGTERM);
		live_wait_exit(bystander);
		live_expect_int(live_result(bystander), "handler_count", 1);
		live_check(!live_find_event(guard, "trip", bystander->pid, 0),
			   "the bystander was taken for the grower");
		live_stop(guard);
	}
}

Test(targets, blocked_signal_reaches_sigwait)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "blocked", LIMIT);
	struct live_process *guard = live_watch("--cgroup", cgroup->rel);
	struct live_process *victim = live_victim(cgroup, "--block-term", "--rate", "200");
	json_t *verdict = live_expect_victim_saved(guard, victim, cgroup);

	live_expect_text(verdict, "target.disposition", "blocked");
	live_stop(guard);
}

/* The thread that crosses the line blocks the signal, another one has to take it. */
Test(targets, signal_blocked_in_the_growing_threads)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "blocked", LIMIT);
	struct live_process *guard = live_watch("--cgroup", cgroup->rel);
	struct live_process *victim =
		live_victim(cgroup, "--block-growth", "--threads", "2", "--rate", "200");
	json_t *verdict = live_expect_victim_saved(guard, victim, cgroup);

	live_check(live_bool(verdict, "action.delivered"), "no handler was seen");
	live_stop(guard);
}

Test(targets, default_action_ends_it_without_an_oom_kill)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "default", LIMIT);
	struct live_process *guard = live_watch("--cgroup", cgroup->rel);
	struct live_process *victim = live_victim(cgroup, "--default-term", "--rate", "200");
	json_t *verdict = live_event(guard, "verdict", victim->pid);

	live_wait_exit(victim);
	live_check(live_exit_code(victim) == 128 + SIGTERM, "it ended with %d",
		   live_exit_code(victim));
	live_check(live_kernel_events(cgroup).oom_kills == 0, "an OOM kill");
	live_expect_text(verdict, "target.disposition", "default");
	live_expect_text(verdict, "exit.signal", "TERM");
	live_expect_text(verdict, "verdict", "ended");
	live_stop(guard);
}

/* Nobody can make use of the signal: nothing is sent, the kernel kills, and the event says so. */
static void expect_nothing_to_do(struct live_process *guard, struct live_process *victim,
				 const char *disposition)
{
	json_t *verdict = live_event(guard, "verdict", victim->pid);

	live_wait_exit(victim);
	live_check(live_exit_code(victim) == 128 + SIGKILL, "it ended with %d",
		   live_exit_code(victim));
	live_expect_text(verdict, "process.disposition", disposition);
	live_expect_text(verdict, "action.result", "none");
	live_expect_text(verdict, "verdict", "ignored");
	live_expect_text(verdict, "exit.signal", "KILL");
	live_expect_int(live_stop(guard), "counters.sent", 0);
}

Test(targets, ignored_signal_is_not_sent)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "ignored", LIMIT);
	struct live_process *guard = live_watch("--cgroup", cgroup->rel);
	struct live_process *victim = live_victim(cgroup, "--ignore-term", "--rate", "200");

	expect_nothing_to_do(guard, victim, "ignored");
}

Test(targets, init_of_a_pid_namespace_without_a_handler)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "init", LIMIT);
	struct live_process *guard = live_watch("--cgroup", cgroup->rel);
	struct live_spawn spec = in_pid_namespace;
	struct live_process *victim;

	spec.cgroup = cgroup;
	victim = live_victim_argv(&spec,
				  (const char *const[]){"--default-term", "--rate", "200", NULL});
	expect_nothing_to_do(guard, victim, "init");
}

/* SIGTERM would do nothing, but SIGINT has a handler. */
static void expect_saved_by_int(struct live_process *guard, struct live_process *victim,
				const struct live_cgroup *cgroup)
{
	json_t *verdict = live_event(guard, "verdict", victim->pid), *result;

	live_wait_exit(victim);
	live_check(live_exit_code(victim) == 0, "it ended with %d", live_exit_code(victim));
	result = live_result(victim);
	live_expect_int(result, "handler_signal", SIGINT);
	live_expect_int(result, "handler_count", 1);
	live_check(live_state_reason(victim->state), "the shutdown was not finished");
	live_check(live_kernel_events(cgroup).oom_kills == 0, "an OOM kill");
	live_expect_text(verdict, "action.wanted_signal", "TERM");
	live_expect_text(verdict, "action.signal", "INT");
	live_expect_text(verdict, "verdict", "saved");
	live_stop(guard);
}

/* The default action drains nothing; a program that handles only SIGINT, as CPython does, may shut down. */
Test(targets, int_is_sent_where_only_int_has_a_handler)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "int", LIMIT);
	struct live_process *guard = live_watch("--cgroup", cgroup->rel);
	struct live_process *victim =
		live_victim(cgroup, "--default-term", "--handle-int", "--rate", "200");

	expect_saved_by_int(guard, victim, cgroup);
}

Test(targets, but_not_where_the_operator_has_named_another)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "term", LIMIT);
	struct live_process *guard = live_watch("--signal", "TERM", "--cgroup", cgroup->rel);
	struct live_process *victim =
		live_victim(cgroup, "--default-term", "--handle-int", "--rate", "200");
	json_t *verdict = live_event(guard, "verdict", victim->pid);

	live_wait_exit(victim);
	live_check(live_exit_code(victim) == 128 + SIGTERM, "it ended with %d",
		   live_exit_code(victim));
	live_expect_text(verdict, "verdict", "ended");
	live_stop(guard);
}

Test(targets, ignored_term_falls_back_to_int)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "fallback", LIMIT);
	struct live_process *guard = live_watch("--cgroup", cgroup->rel);

	expect_saved_by_int(guard,
			    live_victim(cgroup, "--ignore-term", "--handle-int", "--rate", "200"),
			    cgroup);
}

Test(targets, init_of_a_pid_namespace_falls_back_to_int)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "init-int", LIMIT);
	struct live_process *guard = live_watch("--cgroup", cgroup->rel);
	struct live_spawn spec = in_pid_namespace;

	spec.cgroup = cgroup;
	expect_saved_by_int(guard,
			    live_victim_argv(&spec,
					     (const char *const[]){"--default-term", "--handle-int",
								   "--rate", "200", NULL}),
			    cgroup);
}

Test(targets, init_of_a_pid_namespace_with_a_handler)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "init-handler", LIMIT);
	struct live_process *guard = live_watch("--cgroup", cgroup->rel);
	struct live_spawn spec = in_pid_namespace;
	struct live_process *victim;
	json_t *verdict;

	spec.cgroup = cgroup;
	victim = live_victim_argv(&spec, (const char *const[]){"--rate", "200", NULL});
	verdict = live_expect_saved(guard, victim->pid, victim->state, cgroup);
	live_expect_int(verdict, "process.ns_pid", 1);
	live_expect_text(verdict, "target.disposition", "handled");
	live_wait_exit(victim);
	live_check(live_exit_code(victim) == 0, "it ended with %d", live_exit_code(victim));
	live_stop(guard);
}

/* Odd ways to grow: the owner of the memory is the grower. */
static void save_oddly(const char *const args[])
{
	for (unsigned int i = 0; i < live_repeat(); i++) {
		struct live_cgroup *cgroup = live_cgroup(NULL, "odd", LIMIT);
		struct live_process *guard = live_watch("--cgroup", cgroup->rel);
		const struct live_spawn spec = {.cgroup = cgroup};
		struct live_process *victim = live_victim_argv(&spec, args);
		json_t *verdict = live_expect_victim_saved(guard, victim, cgroup);

		live_expect_int(verdict, "target.pid", victim->pid);
		live_check(live_count_events(guard, "trip", 0) == 1, "%zu trips, not 1",
			   live_count_events(guard, "trip", 0));
		live_stop(guard);
	}
}

#define SAVE_ODDLY(name, ...)                                         \
	Test(targets, name)                                           \
	{                                                             \
		save_oddly((const char *const[]){__VA_ARGS__, NULL}); \
	}

SAVE_ODDLY(child_that_shares_the_memory, "--vm-child", "--rate", "200")
SAVE_ODDLY(vfork_and_exec_all_the_time, "--vfork-spawn", "--rate", "200")
SAVE_ODDLY(exec_during_growth, "--exec-at", "64M", "--rate", "200")
SAVE_ODDLY(growth_by_process_vm_writev, "--kind", "remote", "--rate", "200")
SAVE_ODDLY(pipes_full_of_data, "--kind", "pipe", "--rate", "200")

Test(targets, dry_run_signals_nothing)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "dry", LIMIT);
	struct live_process *guard = live_watch("--dry-run", "--cgroup", cgroup->rel);
	struct live_process *victim =
		live_victim(cgroup, "--burst", "120M", "--rate", "200", "--hold-ms", "300");
	json_t *verdict;

	live_expect_undisturbed(victim);
	verdict = live_event(guard, "verdict", victim->pid);
	live_expect_sane_trip(live_event(guard, "trip", victim->pid), LIMIT);
	live_expect_text(verdict, "action.result", "dry run");
	live_expect_text(verdict, "verdict", "dry run");
	live_check(!live_bool(verdict, "action.generated"), "a signal was seen");
	live_expect_int(live_stop(guard), "counters.sent", 0);
}

/* The softer signal at 80 %, once, and nothing else below the line. */
Test(targets, warning_below_the_line)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "warn", LIMIT);
	struct live_process *guard = live_watch("--warn", "80%:USR1", "--cgroup", cgroup->rel);
	struct live_process *victim =
		live_victim(cgroup, "--burst", "108M", "--rate", "200", "--hold-ms", "300");
	json_t *warn, *result;

	live_wait_exit(victim);
	live_check(live_exit_code(victim) == 0, "it ended with %d", live_exit_code(victim));
	warn = live_event(guard, "warn", victim->pid);
	live_expect_text(warn, "rule", "warn");
	live_expect_text(warn, "action.signal", "USR1");
	live_check(live_int(warn, "memory.need_bytes") >= (json_int_t)(LIMIT / 10 * 8),
		   "warned below 80 %%");
	live_check(live_int(warn, "memory.need_bytes") < (json_int_t)(LIMIT / 10 * 9),
		   "warned behind the line");
	result = live_result(victim);
	live_expect_int(result, "usr1_count", 1);
	live_expect_int(result, "handler_count", 0);
	live_check(live_count_events(guard, "trip", 0) == 0, "tripped at 85 %%");
	live_expect_int(live_stop(guard), "counters.trips", 0);
}

Test(targets, warning_then_trip)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "warn-trip", LIMIT);
	struct live_process *guard = live_watch("--warn", "80%:USR1", "--cgroup", cgroup->rel);
	struct live_process *victim = live_victim(cgroup, "--rate", "200");

	live_expect_victim_saved(guard, victim, cgroup);
	live_check(live_count_events(guard, "warn", victim->pid) == 1, "not one warning");
	live_expect_int(live_result(victim), "usr1_count", 1);
	live_stop(guard);
}

/* Whoever outlives the grace is killed, by us. */
static void expect_killed_after_grace(const char *const args[])
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "grace", LIMIT);
	struct live_process *guard = live_watch("--grace", "300ms", "--cgroup", cgroup->rel);
	const struct live_spawn spec = {.cgroup = cgroup};
	struct live_process *victim = live_victim_argv(&spec, args);
	json_t *verdict = live_event(guard, "verdict", victim->pid);

	live_wait_exit(victim);
	live_check(live_exit_code(victim) == 128 + SIGKILL, "it ended with %d",
		   live_exit_code(victim));
	live_check(live_kernel_events(cgroup).oom_kills == 0, "it was the kernel's OOM killer");
	live_check(live_bool(verdict, "action.killed_after_grace"), "not killed after the grace");
	live_expect_text(verdict, "verdict", "ignored");
	live_stop(guard);
}

Test(targets, deaf_process_is_killed_after_the_grace)
{
	expect_killed_after_grace(
		(const char *const[]){"--deaf", "--burst", "120M", "--hold-ms", "100000", NULL});
}

Test(targets, ignoring_process_is_killed_after_the_grace)
{
	expect_killed_after_grace((const char *const[]){"--ignore-term", "--burst", "120M",
							"--hold-ms", "100000", NULL});
}

Test(targets, grace_is_not_used_up_by_a_quick_shutdown)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "quick", LIMIT);
	struct live_process *guard = live_watch("--grace", "60s", "--cgroup", cgroup->rel);
	struct live_process *victim = live_victim(cgroup, "--rate", "200");
	json_t *verdict = live_expect_victim_saved(guard, victim, cgroup);

	live_check(!live_bool(verdict, "action.killed_after_grace"), "killed");
	live_stop(guard);
}

/* Up through every line, half the reserve and a quarter of it: one signal within the cooldown. */
Test(targets, cooldown_allows_one_signal)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "cooldown", LIMIT);
	struct live_process *guard = live_watch("--cooldown", "10m", "--cgroup", cgroup->rel);
	struct live_process *victim =
		live_victim(cgroup, "--deaf", "--sawtooth", "32M:124M", "--cycles", "5");

	live_wait_exit(victim);
	live_check(live_exit_code(victim) == 0, "it ended with %d", live_exit_code(victim));
	live_expect_int(live_result(victim), "handler_count", 1);
	live_stop(guard);
}

/* Each tooth crosses the line anew, and the cooldown is over before. */
Test(targets, signalled_again_after_the_cooldown)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "again", LIMIT);
	struct live_process *guard = live_watch("--cooldown", "1ms", "--cgroup", cgroup->rel);
	struct live_process *victim =
		live_victim(cgroup, "--deaf", "--sawtooth", "32M:118M", "--cycles", "5");

	live_wait_exit(victim);
	live_check(live_exit_code(victim) == 0, "it ended with %d", live_exit_code(victim));
	live_expect_int(live_result(victim), "handler_count", 5);
	live_stop(guard);
}

Test(targets, report_files_are_private_and_equal_to_the_verdicts)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "reports", LIMIT);
	const char *dir = live_path("reports");
	struct live_process *guard, *victim, *shown;
	json_t *verdict, *report;
	struct dirent *entry;
	size_t files = 0;
	DIR *listing;

	live_check(mkdir(dir, 0700) == 0, "mkdir %s: %m", dir);
	guard = live_watch("--report-dir", dir, "--cgroup", cgroup->rel);
	victim = live_victim(cgroup, "--rate", "200");
	verdict = live_expect_victim_saved(guard, victim, cgroup);
	live_stop(guard);
	listing = opendir(dir);
	live_check(listing, "open %s: %m", dir);
	while ((entry = readdir(listing))) {
		const char *path = live_format("%s/%s", dir, entry->d_name);
		struct stat st;

		if (*entry->d_name == '.')
			continue;
		files++;
		live_check(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600, "mode of %s is %o",
			   path, st.st_mode & 07777);
		live_check(strcmp(entry->d_name,
				  live_format("%s.json", live_text(verdict, "id"))) == 0,
			   "the report is called %s", entry->d_name);
		report = json_loads(live_read(path), 0, NULL);
		live_check(json_object_del(report, "recording") == 0, "%s has no recording", path);
		live_check(report && json_equal(report, verdict), "%s is not the verdict:\n%s",
			   path, live_read(path));
		json_decref(report);
	}
	closedir(listing);
	live_check(files == 1, "%zu files in the report directory", files);
	shown = live_tool("report", "--report-dir", dir);
	live_check(live_exit_code(shown) == 0 && strncmp(shown->output[0], "saved: ", 7) == 0,
		   "report says: %s", shown->output[0]);
	shown = live_tool("report", "list", "--json", "--report-dir", dir);
	report = json_loads(shown->output[0], 0, NULL);
	live_check(report && json_equal(report, verdict), "report list says: %s", shown->output[0]);
	json_decref(report);
	shown = live_tool("report", live_text(verdict, "id"), "--report-dir", dir);
	live_check(strstr(shown->output[0], live_text(verdict, "id")), "report says: %s",
		   shown->output[0]);
}

/*
 * The kernel kills the biggest process of the cgroup, which need not be the one that grows: a big
 * quiet neighbour in it dies because of a small deaf one. Nothing was wrong with the neighbour
 * and it never got a signal; the event has to say that this kill was not caught. The deaf one
 * grows slowly, so that the neighbour's own growth is forgotten when the line is crossed. On a slow
 * machine it is killed as well, before the neighbour's memory is free.
 */
Test(targets, oom_kill_that_no_trip_preceded_is_reported)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "missed", LIMIT);
	struct live_process *guard = live_watch("--cgroup", cgroup->rel);
	struct live_process *big = live_victim(cgroup, "--max", "80M", "--hold");
	struct live_process *deaf;
	json_t *kill_event, *status;
	uint64_t kills;

	live_wait_ready(big);
	deaf = live_victim(cgroup, "--deaf", "--rate", "10", "--max", "60M");
	kill_event = live_event(guard, "oom_kill", big->pid);
	live_wait_exit(big);
	live_wait_exit(deaf);
	live_check(live_exit_code(big) == 128 + SIGKILL, "the big one ended with %d",
		   live_exit_code(big));
	live_expect_text(kill_event, "verdict", "missed");
	kills = live_kernel_events(cgroup).oom_kills;
	live_check(kills == 1U + (live_exit_code(deaf) == 128 + SIGKILL), "%" PRIu64 " OOM kills",
		   kills);
	status = live_stop(guard);
	live_expect_int(status, "counters.oom_kills", (json_int_t)kills);
	live_expect_int(json_array_get(json_object_get(status, "limits"), 0), "oom_kills_uncaught",
			1);
}

/*
 * With the daemon stopped its ring buffer fills up: records are lost and counted, and the signals
 * go out all the same, because the kernel side needs nobody to send them.
 */
Test(targets, signals_go_out_when_the_ring_buffer_is_full)
{
	enum { VICTIMS = 450 }; /* three records each; 256 KiB hold those of about 370 */
	struct live_cgroup *cgroup = live_cgroup(NULL, "full", 12 * MIB);
	struct live_process *guard = live_watch("--cgroup", cgroup->rel);
	json_t *status;

	live_signal(guard, SIGSTOP);
	for (int i = 0; i < VICTIMS; i++) {
		struct live_process *victim = live_victim(cgroup, "--state-kib", "1");

		live_wait_exit(victim);
		live_check(live_exit_code(victim) == 0, "victim %d ended with %d", i,
			   live_exit_code(victim));
		live_expect_int(live_result(victim), "handler_count", 1);
	}
	live_check(live_kernel_events(cgroup).oom_kills == 0, "an OOM kill");
	live_signal(guard, SIGCONT);
	status = live_stop(guard);
	live_expect_int(status, "counters.trips", VICTIMS);
	live_expect_int(status, "counters.sent", VICTIMS);
	live_check(live_int(status, "counters.lost_records") > 0, "no record was lost");
	live_check(live_int(status, "verdicts.saved") < VICTIMS, "all records arrived");
}
