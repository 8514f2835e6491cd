/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is promised while a part of the guard hangs: one thread of it is stopped, as by a disk that takes no
 * report, with ptrace(2).
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "events.h"

TestSuite(keeper, .init = live_setup, .fini = live_teardown, .timeout = 600);

#define LIMIT (128 * MIB)

static pid_t find_thread(const struct live_process *guard, const char *name)
{
	const char *tasks = live_format("/proc/%d/task", (int)guard->pid);
	DIR *dir = opendir(tasks);
	pid_t found = 0;

	live_check(dir, "cannot open %s: %m", tasks);
	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
		const char *comm = live_format("%s/%s/comm", tasks, entry->d_name);

		if (strcmp(live_read(comm), live_format("%s\n", name)) == 0)
			found = (pid_t)strtol(entry->d_name, NULL, 10);
	}
	closedir(dir);
	live_check(found, "there is no thread %s", name);
	return found;
}

/* It does not run any more when this returns. */
static void stop_thread(pid_t tid)
{
	int status;

	live_check(!ptrace(PTRACE_SEIZE, tid, 0, 0) && !ptrace(PTRACE_INTERRUPT, tid, 0, 0),
		   "cannot stop a thread: %m");
	live_check(waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status),
		   "it has not stopped");
}

static void resume_thread(pid_t tid)
{
	live_check(!ptrace(PTRACE_DETACH, tid, 0, 0), "cannot let a thread go: %m");
}

/* --- the slow path ------------------------------------------------------------------------- */

Test(keeper, limits_go_back_and_graces_end_while_the_slow_path_hangs)
{
	struct live_cgroup *parent = live_cgroup(NULL, "host", 4096 * MIB);
	struct live_cgroup *quick = live_cgroup(parent, "quick", LIMIT);
	struct live_cgroup *stubborn = live_cgroup(parent, "stubborn", LIMIT);
	struct live_process *guard =
		live_watch("--airbag", "auto", "--grace", "2s", "--cgroup", parent->rel);
	struct live_process *victim, *deaf;

	stop_thread(guard->pid);
	victim = live_victim(quick, "--rate", "200");
	deaf = live_victim(stubborn, "--deaf", "--max", "136M", "--hold");
	live_wait_exit(victim);
	live_wait_exit(deaf);
	live_expect_limit_back(quick, LIMIT);
	live_expect_limit_back(stubborn, LIMIT);
	live_check(live_exit_code(deaf) == 128 + SIGKILL, "it ended with %d", live_exit_code(deaf));
	live_check(!live_kernel_events(stubborn).oom_kills, "the kernel killed it");

	/* Later, but all of it. */
	resume_thread(guard->pid);
	live_expect_victim_saved(guard, victim, quick);
	live_check(live_bool(live_event(guard, "verdict", deaf->pid), "action.killed_after_grace"),
		   "not by the guard");
	live_stop(guard);
}

Test(keeper, nobody_is_killed_whose_limit_has_room_again)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "tenant", LIMIT);
	struct live_process *guard =
		live_watch("--airbag", "auto", "--grace", "2s", "--cgroup", cgroup->rel);
	struct live_process *other = live_victim(cgroup, "--max", "64M", "--hold"), *victim;
	json_t *verdict;

	live_wait_ready(other);
	victim = live_victim(cgroup, "--deaf", "--max", "72M", "--hold", "--rate", "200");
	live_event(guard, "trip", victim->pid);
	live_signal(other, SIGKILL);
	verdict = live_event(guard, "verdict", victim->pid);
	live_check(!live_bool(verdict, "action.killed_after_grace"), "it was killed");
	live_check(!victim->exited, "it was ended");
	live_expect_limit_back(cgroup, LIMIT);
	live_stop(guard);
}

/* A process that has moved to where there is room is no matter of the limit it had. */
Test(keeper, nobody_is_killed_who_has_moved_away)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "tenant", LIMIT);
	struct live_cgroup *other = live_cgroup(NULL, "other", 0);
	struct live_process *guard =
		live_watch("--airbag", "auto", "--grace", "3s", "--cgroup", cgroup->rel);
	struct live_process *victim = live_victim(cgroup, "--deaf", "--max", "136M", "--hold");
	json_t *verdict;

	live_event(guard, "trip", victim->pid);
	live_set(other, "cgroup.procs", live_format("%d", (int)victim->pid));
	verdict = live_event(guard, "verdict", victim->pid);
	live_check(!live_bool(verdict, "action.killed_after_grace"), "it was killed");
	live_check(!victim->exited, "it was ended");
	live_stop(guard);
}

/* --- the service manager ------------------------------------------------------------------- */

static int listen_on(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	live_check(strlen(path) < sizeof(address.sun_path), "%s is too long", path);
	strcpy(address.sun_path, path);
	live_check(fd >= 0 && !bind(fd, (struct sockaddr *)&address, sizeof(address)),
		   "cannot listen on %s: %m", path);
	return fd;
}

static void expect_told(int manager, const char *state)
{
	uint64_t deadline = live_deadline();
	char text[64] = "";

	while (strcmp(text, state) != 0) {
		ssize_t n = recv(manager, text, sizeof(text) - 1, MSG_DONTWAIT);

		text[MAX(n, 0)] = '\0';
		if (n < 0)
			live_pump(deadline, state);
	}
}

static void forget_told(int manager)
{
	char text[64];

	while (recv(manager, text, sizeof(text), MSG_DONTWAIT) >= 0)
		;
}

static void hangs(const char *thread)
{
	const char *path = live_path("notify");
	struct live_cgroup *cgroup = live_cgroup(NULL, "tenant", LIMIT);
	int manager = listen_on(path);
	struct live_process *guard;
	pid_t tid;

	setenv("NOTIFY_SOCKET", path, 1);
	setenv("WATCHDOG_USEC", "400000", 1);
	guard = live_watch("--cgroup", cgroup->rel);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	expect_told(manager, "READY=1");
	expect_told(manager, "WATCHDOG=1");

	tid = find_thread(guard, thread);
	stop_thread(tid);
	live_wait_output(guard, 1, live_format("the %s does not answer", thread));
	forget_told(manager);
	resume_thread(tid);
	expect_told(manager, "WATCHDOG=1");
	live_stop(guard);
	expect_told(manager, "STOPPING=1");
	close(manager);
}

Test(keeper, the_watchdog_is_not_fed_while_the_responder_hangs)
{
	hangs("responder");
}

Test(keeper, nor_while_the_keeper_does)
{
	hangs("keeper");
}
