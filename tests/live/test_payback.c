/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loans from their end: they go back whatever becomes of the guard, of another instance or of the process,
 * and it is said when they did.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "events.h"

TestSuite(payback, .init = live_setup, .fini = live_teardown, .timeout = 600);

#define LIMIT (256 * MIB)

/* --- what is said of a loan ------------------------------------------------------------------- */

/* The account of a limit in a status. */
static const json_t *account_of(const json_t *status, const struct live_cgroup *cgroup)
{
	const json_t *limits = live_member(status, "limits"), *limit;
	size_t i;

	json_array_foreach ((json_t *)limits, i, limit)
		if (strcmp(live_text(limit, "cgroup"), cgroup->rel) == 0)
			return limit;
	live_check(false, "no account of %s", cgroup->rel);
	return NULL;
}

/* The loan outlives the verdict, and the report of it is complete when that is over. */
Test(payback, what_was_lent_and_when_it_was_paid_back_is_said)
{
	struct live_cgroup *pod = live_cgroup(NULL, "pod", LIMIT + 2 * MIB);
	struct live_cgroup *cgroup = live_cgroup(pod, "container", LIMIT);
	const char *dir = live_path("reports");
	struct live_process *guard =
		live_watch("--airbag", "auto", "--report-dir", dir, "--cgroup", pod->rel);
	struct live_process *victim =
		live_victim(cgroup, "--rate", "200", "--stubborn", "--shutdown-ms", "200");
	json_t *verdict = live_expect_victim_saved(guard, victim, cgroup), *status, *report;
	uint64_t deadline = live_deadline();
	const char *file = live_format("%s/%s.json", dir, live_text(verdict, "id"));
	const json_t *account, *levels = live_member(verdict, "airbag.limits");

	live_check(json_array_size(levels) == 2, "%zu limits were raised", json_array_size(levels));
	live_expect_text(json_array_get(levels, 0), "cgroup", cgroup->rel);
	live_expect_text(json_array_get(levels, 1), "cgroup", pod->rel);
	live_check(live_int(json_array_get(levels, 0), "raised_bytes") ==
			   live_int(verdict, "airbag.raised_bytes"),
		   "the limit that binds was raised by something else");
	while (live_has_loans())
		live_pump(deadline, "the loan to be over");
	status = live_status(guard);
	account = account_of(status, cgroup);
	live_expect_int(account, "lent_bytes", 0);
	live_check(live_int(account, "loan.lent_bytes") == live_int(verdict, "airbag.raised_bytes"),
		   "the status says that something else was lent");
	live_check(live_bool(account, "loan.for_trip"), "not for a trip");
	report = json_loads(live_read(file), 0, NULL);
	/* The status knows it before the report does. */
	while (json_is_null(live_member(report, "airbag.paid_back"))) {
		live_pump(deadline, "the report to say when it was paid back");
		json_decref(report);
		report = json_loads(live_read(file), 0, NULL);
	}
	live_expect_text(report, "airbag.paid_back", live_text(account, "loan.paid_back"));
	live_check(json_real_value(live_member(report, "airbag.lent_ms")) >= 200,
		   "the shutdown took longer than the loan");
	live_check(live_member(report, "recording"), "the recording is gone");
	json_decref(report);
	live_stop(guard);
}

/* What stands when the guard ends is put back, and its report says so. */
Test(payback, what_a_guard_puts_back_at_its_end_is_said)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "end", LIMIT);
	const char *dir = live_path("reports");
	struct live_process *guard = live_run(&(struct live_spawn){.cgroup = cgroup}, "--airbag",
					      "auto", "--report-dir", dir, "--",
					      live_workload("victim"), "--rate", "200");
	json_t *verdict = live_event(guard, "verdict", 0), *report;
	const char *file = live_format("%s/%s.json", dir, live_text(verdict, "id"));

	live_wait_exit(guard);
	live_expect_text(verdict, "verdict", "saved");
	report = json_loads(live_read(file), 0, NULL);
	live_check(live_member(report, "airbag.paid_back") &&
			   json_is_string(live_member(report, "airbag.paid_back")),
		   "not said: %s", live_read(file));
	json_decref(report);
	live_expect_limit_back(cgroup, LIMIT);
}

/* --- several instances ----------------------------------------------------------------------- */

static struct live_process *watch_with(const struct live_cgroup *cgroup, const char *runtime_dir)
{
	live_check(mkdir(runtime_dir, 0700) == 0 || errno == EEXIST, "mkdir %s: %m", runtime_dir);
	live_check(setenv("RUNTIME_DIRECTORY", runtime_dir, 1) == 0, "setenv: %m");
	return live_watch_lending(cgroup);
}

/* A daemon and a sidecar guard one cgroup. One of them lends; the limit is where it was each time. */
Test(payback, two_instances_leave_the_limit_as_it_was)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "both", 64 * MIB);
	struct live_process *one = watch_with(cgroup, live_path("one"));
	struct live_process *other = watch_with(cgroup, live_path("other"));

	for (unsigned int i = 0; i < 20; i++) {
		struct live_process *victim =
			i % 2 ? live_victim(cgroup, "--rate", "200")
			      : live_victim(cgroup, "--max", "62M", "--hold-ms", "100");

		live_wait_exit(victim);
		live_check(live_limit(cgroup) <= 128 * MIB, "it was raised twice");
	}
	live_expect_limit_back(cgroup, 64 * MIB);
	live_stop(one);
	live_stop(other);
	live_check(live_limit(cgroup) == 64 * MIB, "the limit is %" PRIu64, live_limit(cgroup));
}

/* One is killed while it lends. Another, which has never heard of it, puts the limit back. */
Test(payback, what_a_killed_instance_left_another_puts_back)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "killed", 64 * MIB);
	struct live_process *guard = watch_with(cgroup, live_path("one"));
	struct live_process *victim = live_borrower(cgroup, 64 * MIB);

	live_signal(guard, SIGKILL);
	live_wait_exit(guard);
	live_check(live_limit(cgroup) > 64 * MIB, "it went back by itself");
	live_signal(victim, SIGTERM);
	live_wait_exit(victim);
	guard = watch_with(cgroup, live_path("other"));
	live_expect_limit_back(cgroup, 64 * MIB);
	live_expect_quiet(guard);
}

/* The shell that started it never looks after it: it is dead, and its pid and start time are still there. */
Test(payback, what_an_instance_left_that_is_a_zombie_is_put_back)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "zombie", 64 * MIB);
	const char *tool = getenv("APOPTOSIS"), *pid_file = live_path("pid"), *stat;
	struct live_process *guard = live_spawn_argv(
		&(struct live_spawn){.events = EVENTS_ON_STDOUT},
		(const char *const[]){"/bin/sh", "-c",
				      "\"$0\" watch --json --airbag auto --cgroup \"$1\" & "
				      "echo $! >\"$2\"; exec sleep 600",
				      tool ?: "build/apoptosis", cgroup->rel, pid_file, NULL});
	struct live_process *victim;
	uint64_t deadline = live_deadline();
	pid_t pid;

	live_event(guard, "ready", 0);
	victim = live_borrower(cgroup, 64 * MIB);
	pid = (pid_t)strtol(live_read(pid_file), NULL, 10);
	live_check(pid > 1 && kill(pid, SIGKILL) == 0, "kill %d: %m", (int)pid);
	stat = live_format("/proc/%d/stat", (int)pid);
	while (!strstr(live_read(stat), ") Z "))
		live_pump(deadline, "its death");
	live_signal(victim, SIGTERM);
	live_wait_exit(victim);
	live_check(live_limit(cgroup) > 64 * MIB, "it went back by itself");
	live_expect_quiet(live_watch_lending(cgroup));
	live_expect_limit_back(cgroup, 64 * MIB);
	live_check(!live_has_loans(), "its record stays");
}

/* One that lives on has not seen it when it started. It takes the loan over when it lends itself. */
Test(payback, what_a_killed_instance_left_goes_back_with_the_next_loan)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "left", 64 * MIB);
	struct live_process *one = live_watch_lending(cgroup), *other;
	struct live_process *victim = live_borrower(cgroup, 64 * MIB);
	json_t *verdict;

	other = live_watch_lending(cgroup);
	live_signal(one, SIGKILL);
	live_wait_exit(one);
	live_signal(victim, SIGTERM);
	live_wait_exit(victim);
	live_check(live_limit(cgroup) > 64 * MIB, "it went back by itself");
	victim = live_victim(cgroup, "--rate", "200");
	verdict = live_expect_victim_saved(other, victim, cgroup);
	live_expect_text(verdict, "airbag.result", "raised");
	live_expect_limit_back(cgroup, 64 * MIB);
	live_stop(other);
	live_check(!live_has_loans(), "its record stays");
}

/*
 * What another has put back is over, though its record is still in the first one's directory; what is set
 * then is somebody else's, be it what the limit was raised to.
 */
Test(payback, what_another_has_put_back_is_not_put_back_again)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "twice", 64 * MIB);
	struct live_process *guard = watch_with(cgroup, live_path("one"));
	const char *one = live_format("%s", getenv("RUNTIME_DIRECTORY"));
	struct live_process *victim = live_borrower(cgroup, 64 * MIB);
	uint64_t raised = live_limit(cgroup);

	live_signal(guard, SIGKILL);
	live_wait_exit(guard);
	live_signal(victim, SIGTERM);
	live_wait_exit(victim);
	guard = watch_with(cgroup, live_path("other"));
	live_expect_limit_back(cgroup, 64 * MIB);
	live_stop(guard);
	live_set_limit(cgroup, raised);
	live_stop(watch_with(cgroup, one));
	live_check(live_limit(cgroup) == raised, "the limit is %" PRIu64, live_limit(cgroup));
	live_check(!live_has_loans(), "its record stays");
}

/* It may be in the midst of writing it: who holds the lock is about to raise the limit. */
Test(payback, record_of_an_instance_that_is_about_to_lend_stays)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "begun", 64 * MIB);
	const char *record =
		live_format("%s/limit-%016" PRIx64, getenv("RUNTIME_DIRECTORY"), cgroup->id);
	int fd = open(record, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	live_check(fd >= 0, "%s: %m", record);
	live_check(flock(cgroup->fd, LOCK_EX | LOCK_NB) == 0, "flock: %m");
	live_stop(live_watch_lending(cgroup));
	live_check(access(record, F_OK) == 0, "it was removed by another");
	live_check(flock(cgroup->fd, LOCK_UN) == 0, "flock: %m");
	live_stop(live_watch_lending(cgroup));
	live_check(access(record, F_OK) != 0, "what was cut short stays");
	close(fd);
}

/* --- what somebody else sets ------------------------------------------------------------------ */

static void expect_no_loans(void)
{
	uint64_t deadline = live_deadline();

	while (live_has_loans())
		live_pump(deadline, "the loan to be over");
}

static uint64_t memsw_limit(const struct live_cgroup *cgroup)
{
	struct cgroup_limits limits = {};

	live_check(cgroup_limits_read(live_tree(), cgroup->fd, &limits) == 0, "no limits");
	return limits.memsw_bytes;
}

/* v1 has no memory with swap below memory: it goes back as far as that allows. */
Test(payback, memory_that_somebody_sets_beyond_memory_with_swap_ends_the_loan)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "memsw", 64 * MIB);
	bool has_memsw = live_memory(cgroup).swap_accounted;
	struct live_process *guard, *victim;

	if (cgroup_tree_version(live_tree()) != 1)
		live_skip("v1", "v2 has no limit of memory with swap");
	if (has_memsw)
		live_set(cgroup, "memory.memsw.limit_in_bytes", "64M");
	guard = live_watch_lending(cgroup);
	victim = live_borrower(cgroup, 64 * MIB);
	live_check(memsw_limit(cgroup) > 66 * MIB, "memory with swap is not raised");
	live_set_limit(cgroup, 66 * MIB);
	expect_no_loans();
	live_check(live_limit(cgroup) == 66 * MIB, "the limit is %" PRIu64, live_limit(cgroup));
	live_check(!has_memsw || memsw_limit(cgroup) == 66 * MIB, "with swap it is %" PRIu64,
		   memsw_limit(cgroup));
	live_expect_ended_as_told(victim);
	live_stop(guard);
}

/* What is in use does not fit below the old limit, which is nobody's any more: there is no waiting for that. */
Test(payback, limit_that_its_owner_raises_beyond_need_ends_the_loan)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "owner", 64 * MIB);
	struct live_process *guard = live_watch_lending(cgroup);
	struct live_process *victim =
		live_victim(cgroup, "--max", "100M", "--rate", "20", "--hold");
	uint64_t deadline = live_deadline();

	while (live_limit(cgroup) == 64 * MIB)
		live_pump(deadline, "the loan");
	live_set_limit(cgroup, 512 * MIB);
	live_wait_ready(victim);
	expect_no_loans();
	live_check(live_limit(cgroup) == 512 * MIB, "the limit is %" PRIu64, live_limit(cgroup));
	live_expect_ended_as_told(victim);
	live_expect_quiet(guard);
}

/* v1 could not put it back, because of tmpfs of the dead; then nothing is owed any more. */
Test(payback, limit_that_somebody_sets_while_it_is_owed_ends_the_loan)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "owed", 64 * MIB);
	const char *dir = live_tmpfs(512);
	struct live_process *guard, *writer;

	if (cgroup_tree_version(live_tree()) != 1)
		live_skip("v1", "v2 takes a limit below what is used");
	guard = live_watch_lending(cgroup);
	writer = live_start(cgroup, "/bin/sh", "-c",
			    "trap '' TERM INT; exec dd if=/dev/zero of=\"$0\"/left bs=1M count=120",
			    dir);
	live_wait_exit(writer);
	live_check(live_memory(cgroup).usage_bytes > 100 * MIB, "tmpfs went with its writer");
	live_wait_output(guard, 1, "cannot put back the limit of cgroup");
	live_set_limit(cgroup, 256 * MIB);
	expect_no_loans();
	live_check(live_limit(cgroup) == 256 * MIB, "the limit is %" PRIu64, live_limit(cgroup));
	live_stop(guard);
}

/* --- while the guard is stopped -------------------------------------------------------------- */

/* Returns when none of its threads runs any more. */
static void freeze(const struct live_process *guard)
{
	siginfo_t info;

	live_signal(guard, SIGSTOP);
	live_check(waitid(P_PID, (id_t)guard->pid, &info, WSTOPPED) == 0, "waitid: %m");
}

/* Who lives on a first loan does not need the guard, and what was lent goes back when that goes on. */
Test(payback, first_loan_outlasts_a_guard_that_is_stopped)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "frozen", LIMIT);
	struct live_process *guard = live_watch_lending(cgroup);
	struct live_process *victim = live_borrower(cgroup, LIMIT), *other;

	freeze(guard);
	other = live_victim(cgroup, "--sawtooth", "256K:1M", "--cycles", "50");
	live_wait_exit(other);
	live_check(live_exit_code(other) == 0, "it ended with %d", live_exit_code(other));
	live_expect_int(live_result(other), "handler_count", 0);
	live_expect_ended_as_told(victim);
	live_check(live_kernel_events(cgroup).oom_kills == 0, "an OOM kill");
	live_check(live_limit(cgroup) > LIMIT, "it went back by itself");
	live_signal(guard, SIGCONT);
	live_expect_limit_back(cgroup, LIMIT);
	expect_no_loans();
	live_expect_quiet(guard);
}

/* Who was lent to for its shutdown ends while nobody takes the loan back. */
Test(payback, loan_for_a_trip_outlasts_a_guard_that_is_stopped)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "frozen", LIMIT);
	struct live_process *guard =
		live_watch("--airbag", "auto", "--grace", "500s", "--cgroup", cgroup->rel);
	struct live_process *victim = live_victim(cgroup, "--rate", "50", "--stubborn", "--max",
						  "300M", "--hold", "--shutdown-ms", "3000");

	live_event(guard, "trip", victim->pid);
	freeze(guard);
	live_wait_exit(victim);
	live_check(live_limit(cgroup) > LIMIT, "it went back by itself");
	live_signal(guard, SIGCONT);
	live_expect_victim_saved(guard, victim, cgroup);
	live_expect_limit_back(cgroup, LIMIT);
	expect_no_loans();
	live_check(live_count_events(guard, "trip", 0) == 1, "another trip");
	live_stop(guard);
}

/*
 * Nothing more can be lent, and the kernel side signals all the same; only who passes the limit. What has
 * brought need near it is of a writer that has ended.
 */
Test(payback, trip_is_signalled_while_the_guard_is_stopped)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "frozen", LIMIT);
	const char *dir = live_tmpfs(512);
	struct live_process *guard = live_watch_lending(cgroup), *stays, *grows;
	uint64_t deadline = live_deadline(), lent;

	stays = live_victim(cgroup, "--max", "512K", "--hold");
	live_wait_ready(stays);
	live_wait_exit(live_start(cgroup, "/bin/dd", "if=/dev/zero", live_format("of=%s/held", dir),
				  "bs=64K", "count=4016")); /* 251 MiB */
	while ((lent = live_limit(cgroup)) == LIMIT)
		live_pump(deadline, "the loan");
	freeze(guard);
	grows = live_victim(cgroup, "--rate", "20");
	live_wait_exit(grows);
	live_check(live_limit(cgroup) == lent, "more was lent by a guard that is stopped");
	live_signal(guard, SIGCONT);
	live_expect_text(live_expect_victim_saved(guard, grows, cgroup), "action.result", "sent");
	live_check(live_count_events(guard, "trip", 0) == 1, "another trip");
	live_expect_ended_as_told(stays);
	live_check(unlink(live_format("%s/held", dir)) == 0, "%s/held: %m", dir);
	live_expect_limit_back(cgroup, LIMIT);
	expect_no_loans();
	live_stop(guard);
}

/* Not even the first loan can be made: the signal comes before the limit. */
Test(payback, trip_is_signalled_though_the_guard_was_stopped_before_it_lent)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "frozen", LIMIT);
	struct live_process *guard = live_watch_lending(cgroup), *victim;

	freeze(guard);
	victim = live_victim(cgroup, "--rate", "100");
	live_wait_exit(victim);
	live_check(live_limit(cgroup) == LIMIT, "the limit is %" PRIu64, live_limit(cgroup));
	live_signal(guard, SIGCONT);
	live_expect_text(live_expect_victim_saved(guard, victim, cgroup), "action.result", "sent");
	live_expect_limit_back(cgroup, LIMIT);
	expect_no_loans();
	live_stop(guard);
}
