/* SPDX-License-Identifier: BSD-2-Clause */
/* The tool among other programs: what it inherits, who reads its output, and what it leaves. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "events.h"

TestSuite(script, .init = live_setup, .fini = live_teardown, .timeout = 300);

static struct live_spawn in_limit(void)
{
	return (struct live_spawn){.cgroup = live_cgroup(NULL, "limited", 128 * MIB)};
}

static const char *shell(void)
{
	const char *path = live_program("sh");

	if (!path)
		live_skip("sh", "no shell in $PATH");
	return path;
}

/*
 * The shell: what a program inherits, where its output goes. $0 is the tool; $OWN, of those that
 * ask for it by OWN_CGROUP, the directory of their memory cgroup.
 */
static struct live_process *script(const struct live_spawn *spec, const char *text)
{
	const char *tool = getenv("APOPTOSIS");

	return live_spawn_argv(spec, (const char *const[]){shell(), "-c", text,
							   tool ? tool : "build/apoptosis", NULL});
}

static const char *own_cgroup(void)
{
	return live_format("OWN=%s$(sed -n 's/^[0-9]*:%s://p' /proc/self/cgroup); ",
			   cgroup_tree_mount(live_tree()),
			   cgroup_tree_version(live_tree()) == 1 ? "memory" : "");
}

static void expect_script(int status, const char *text)
{
	struct live_spawn spec = in_limit();
	struct live_process *process = script(&spec, text);

	live_wait_exit(process);
	live_check(live_exit_code(process) == status, "%s: status %d, not %d", text,
		   live_exit_code(process), status);
}

Test(script, output_that_cannot_be_written_is_a_failure)
{
	static const char *const commands[] = {"--help", "--version",	  "watch --help",
					       "rss $$", "rss --json $$", "doctor"};

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		expect_script(1, live_format("\"$0\" %s >/dev/full", commands[i]));
}

Test(script, run_without_standard_descriptors)
{
	expect_script(7, "exec \"$0\" run -- sh -c 'exit 7' <&- >&- 2>&-");
}

Test(script, run_where_children_are_ignored)
{
	expect_script(7, "exec env --ignore-signal=CHLD \"$0\" run -q -- sh -c 'exit 7'");
}

/* A pipe without a reader: SIGPIPE is ours, the command does not hear of it. */
Test(script, run_whose_events_nobody_reads)
{
	const char *fifo = live_path("fifo");

	expect_script(7, live_format("mkfifo '%s'; sleep 60 <'%s' & exec 4>'%s'; kill $!; wait; "
				     "exec \"$0\" run --json -- sh -c 'sleep 0.2; exit 7' 2>&4",
				     fifo, fifo, fifo));
}

Test(script, run_takes_another_name_for_a_cgroup_that_is_there)
{
	struct live_spawn spec = in_limit();
	struct live_process *run;
	const char *cgroup;

	spec.events = EVENTS_ON_STDERR;
	run = script(&spec, live_format("%smkdir $OWN/apoptosis-run-$$; "
					"exec \"$0\" run --json --limit 64M -- true",
					own_cgroup()));
	live_wait_exit(run);
	if (cgroup_tree_version(live_tree()) == 2)
		live_skip("v1", "on v2 the cgroup is made elsewhere");
	live_check(live_exit_code(run) == 0, "status %d", live_exit_code(run));
	cgroup = live_text(live_event(run, "ready", 0), "guard.cgroup");
	live_check(strcmp(cgroup, live_format("%s/apoptosis-run-%d-2", spec.cgroup->rel,
					      (int)run->pid)) == 0,
		   "the cgroup is %s", cgroup);
}

Test(script, run_removes_what_the_command_made_below_its_cgroup)
{
	struct live_spawn spec = in_limit();
	struct live_process *run =
		live_run(&spec, "--limit", "64M", "--", shell(), "-c",
			 live_format("%smkdir -p \"$OWN/a/b\" && exit 7", own_cgroup()));
	int fd;

	live_wait_exit(run);
	live_check(live_exit_code(run) == 7, "status %d", live_exit_code(run));
	live_check(cgroup_open(live_tree(), live_text(live_event(run, "ready", 0), "guard.cgroup"),
			       &fd) == -ENOENT,
		   "the cgroup is left");
}

/* Said even to those who want to hear of errors only. */
Test(script, run_says_who_keeps_its_cgroup)
{
	struct live_spawn spec = in_limit();
	const char *pid_file = live_path("pid");
	struct live_process *run;
	const char *pid;

	run = script(&spec, live_format("exec \"$0\" run -q --limit 64M -- sh -c '"
					"sleep 600 >/dev/null 2>&1 & echo $! >\"%s\"'",
					pid_file));
	live_wait_exit(run);
	pid = live_read(pid_file);
	live_check(live_exit_code(run) == 0, "status %d", live_exit_code(run));
	live_check(run->output[1] && strstr(run->output[1], "cannot remove cgroup") &&
			   strstr(run->output[1], live_format("process %d, left", atoi(pid))) &&
			   strstr(run->output[1], "rmdir '"),
		   "it says: %s", run->output[1] ?: "");
	kill(atoi(pid), SIGKILL);
}

/* --- the exit status after a trip ---------------------------------------------------------- */

/* `run OPTIONS -- sh -c TEXT` in a cgroup of its own; $0 is the victim. */
static struct live_process *run_shell(const char *const options[], const char *text)
{
	const char *const command[] = {"--", shell(), "-c", text, live_workload("victim"), NULL};
	const char *args[16] = {"--limit", "128M"};
	size_t n = 2;

	while (*options)
		args[n++] = *options++;
	for (size_t i = 0; command[i]; i++)
		args[n++] = command[i];
	return live_run_argv(NULL, args);
}

/* Returns the verdict; of several any one. */
static json_t *expect_end(struct live_process *run, int status, const char *verdict)
{
	json_t *event;

	live_wait_exit(run);
	event = live_event(run, "verdict", 0);
	live_check(live_exit_code(run) == status, "status %d, not %d", live_exit_code(run), status);
	live_expect_text(event, "verdict", verdict);
	return event;
}

#define EXPECT_END(status, verdict, text, ...)                                              \
	expect_end(run_shell((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL}, text), \
		   status, verdict)

/* Nobody takes what was broken off for a finished job. */
Test(script, run_of_a_command_that_a_trip_ends_is_no_success)
{
	static const char victim[] = "exec \"$0\" --rate 200";
	json_t *verdict = EXPECT_END(ENDED_BY_TRIP, "saved", victim);

	live_expect_int(verdict, "exit.code", 0);
	EXPECT_END(9, "saved", victim, "--exit-on-trip", "9");
	EXPECT_END(0, "saved", victim, "--exit-on-trip", "off");
}

/* The main process is told, and ends with what it says itself. */
Test(script, run_passes_a_status_on_that_says_more)
{
	static const char waits[] = "trap 'kill $!; exit %d' TERM; \"$0\" --rate 200 & wait";

	EXPECT_END(3, "saved", live_format(waits, 3), "--target", "leader");
	EXPECT_END(ENDED_BY_TRIP, "saved", live_format(waits, 0), "--target", "leader");
}

/* The verdict is about the grower, and the command is told with it. */
Test(script, run_of_a_command_that_is_told_with_all)
{
	EXPECT_END(ENDED_BY_TRIP, "saved", "trap 'wait; exit 0' TERM; \"$0\" --rate 200 & wait",
		   "--target", "all");
}

/* The command has seen what became of it, and goes on. */
Test(script, run_of_a_command_whose_worker_is_ended_by_a_trip)
{
	EXPECT_END(0, "saved", "\"$0\" --rate 200; exit 0");
}

Test(script, run_of_a_command_that_gives_memory_back_and_goes_on)
{
	static const char told_twice[] = "trap 'kill $!' TERM; trap 'kill $!; exit 0' USR1; "
					 "\"$0\" --rate 200 & wait; sleep 600 & wait";
	struct live_process *run = run_shell(
		(const char *const[]){"--target", "leader", "--grace", "1s", NULL}, told_twice);

	live_expect_text(live_event(run, "verdict", 0), "reason",
			 "handled the signal, gave memory back and runs on");
	live_signal(run, SIGUSR1);
	expect_end(run, 0, "saved");
}

Test(script, run_of_a_command_that_would_have_been_told)
{
	EXPECT_END(0, "dry run", "exec \"$0\" --max 120M", "--dry-run");
}

Test(script, watch_of_a_process_ends_with_it)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "ends", 64 * MIB);
	struct live_process *sleeper = live_start(cgroup, shell(), "-c", "exec sleep 600");
	struct live_process *guard = live_watch("--pid", live_format("%d", (int)sleeper->pid));

	live_signal(sleeper, SIGKILL);
	live_wait_exit(guard);
	live_check(live_exit_code(guard) == 0, "status %d", live_exit_code(guard));
	live_check(live_find_event(guard, "status", 0, 0), "no status");
	live_check(strstr(guard->output[1] ?: "",
			  live_format("process %d has ended", (int)sleeper->pid)),
		   "it says: %s", guard->output[1] ?: "");
}

Test(script, watch_outlives_a_hangup_under_nohup)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "nohup", 64 * MIB);
	const struct live_spawn spec = {.events = EVENTS_ON_STDOUT};
	struct live_process *guard =
		script(&spec, live_format("trap '' HUP; exec \"$0\" watch --json --cgroup %s",
					  cgroup->rel));
	const char *blocked;

	live_event(guard, "ready", 0);
	live_signal(guard, SIGHUP);
	live_signal(guard, SIGUSR1);
	live_event(guard, "status", 0);
	/* A signal that is blocked is not ignored, but kept for the one who asks for it. */
	blocked = strstr(live_read(live_format("/proc/%d/status", (int)guard->pid)), "SigBlk:");
	live_check(blocked && !(strtoull(blocked + strlen("SigBlk:"), NULL, 16) & 1),
		   "SIGHUP is blocked: %.30s", blocked ?: "it ended");
	live_stop(guard);
}

/* A full pipe costs events, and neither reports nor the guard. */
Test(script, watch_goes_on_when_nobody_reads)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "deaf", 128 * MIB);
	const char *reports = live_path("reports");
	char block[4096] = {0};
	struct live_process *guard, *victim;
	const struct live_spawn spec = {};
	int fds[2];

	live_check(pipe2(fds, O_NONBLOCK | O_CLOEXEC) == 0, "pipe: %m");
	while (write(fds[1], block, sizeof(block)) > 0)
		;
	guard = script(&spec, live_format("exec \"$0\" watch --json --cgroup %s --report-dir %s "
					  ">/proc/%d/fd/%d",
					  cgroup->rel, reports, (int)getpid(), fds[1]));
	live_wait_output(guard, 1, "nobody reads the events");
	victim = live_victim(cgroup, "--rate", "200");
	live_wait_exit(victim);
	live_check(live_exit_code(victim) == 0, "status %d", live_exit_code(victim));
	while (read(fds[0], block, sizeof(block)) > 0)
		;
	live_signal(guard, SIGTERM);
	live_wait_exit(guard);
	live_check(live_exit_code(guard) == 0, "status %d", live_exit_code(guard));
	live_wait_output(guard, 1, "were dropped");
	expect_script(0, live_format("ls '%s' | grep -q json", reports));
	close(fds[0]);
	close(fds[1]);
}

/* To its end, in a /var/lib and a /run of its own, each a tmpfs of those mount options. It ends with 0. */
static struct live_process *with_places(const char *lib, const char *run, const char *text)
{
	struct live_spawn spec = in_limit();
	struct live_process *process;

	if (!live_program("unshare"))
		live_skip("unshare", "no unshare in $PATH");
	process = script(&spec, live_format("exec unshare -m sh -c 'mount -t tmpfs -o %s none "
					    "/var/lib && mount -t tmpfs -o %s none /run && %s' "
					    "\"$0\"",
					    lib, run, text));
	live_wait_exit(process);
	live_check(live_exit_code(process) == 0, "it ended with %d", live_exit_code(process));
	return process;
}

static const char *run_and_report(void)
{
	return live_format("\"$0\" run -- %s --rate 0; \"$0\" report", live_workload("victim"));
}

/* Nothing has to be named: root's reports have a place. */
Test(script, report_after_run_just_works)
{
	struct live_process *process = with_places("rw", "rw", run_and_report());

	live_wait_output(process, 0, "saved: victim");
}

/* As below a root that is read-only: what happened last is known all the same. */
Test(script, report_after_run_works_where_nothing_can_be_kept)
{
	struct live_process *process = with_places("ro", "rw", run_and_report());

	live_wait_output(process, 0, "saved: victim");
	live_wait_output(process, 1,
			 "cannot write reports to /var/lib/apoptosis/reports: Read-only file "
			 "system; until reboot they are in /run/apoptosis/reports");
}

/* Where no place can be written there are none, and the guard works all the same. */
Test(script, without_a_place_for_them_there_are_no_reports)
{
	struct live_process *process = with_places(
		"ro", "ro", live_format("\"$0\" run -- %s --noop", live_workload("victim")));

	live_wait_output(process, 1,
			 "no reports are kept: cannot write to /var/lib/apoptosis/reports: "
			 "Read-only file system");
}
