// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/wrapped.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "sense/cgroup.h"

#define EXIT_NOT_FOUND 127 /* as the shell has it */
#define EXIT_NOT_EXECUTABLE 126

enum step { STEP_ATTACH = 1, STEP_EXEC };

/* What kept the child from becoming the command. */
struct failure {
	enum step step;
	int error; /* errno */
};

_Noreturn static void child_main(const struct wrapped_start *start, int gate, int failed)
{
	struct failure failure = {.step = STEP_ATTACH};
	char byte;

	if (read(gate, &byte, 1) != 1)
		_exit(EXIT_CANNOT); /* the parent is gone: the command would not be guarded */
	if (start->cgroup)
		failure.error = -cgroup_attach(start->cgroup_dirfd, 0);
	if (!failure.error) {
		sigprocmask(SIG_SETMASK, start->mask, NULL);
		execvp(start->argv[0], start->argv);
		failure = (struct failure){.step = STEP_EXEC, .error = errno};
	}
	while (write(failed, &failure, sizeof(failure)) < 0 && errno == EINTR)
		;
	_exit(EXIT_NOT_FOUND);
}

static int spawn(struct wrapped *command, const struct wrapped_start *start)
{
	int gate[2] = {-1, -1}, failed[2] = {-1, -1};

	if (pipe2(gate, O_CLOEXEC) || pipe2(failed, O_CLOEXEC))
		return -errno;
	command->pid = fork();
	if (command->pid < 0)
		return -errno;
	if (!command->pid) {
		close(gate[1]);
		close(failed[0]);
		child_main(start, gate[0], failed[1]);
	}
	close(gate[0]);
	close(failed[1]);
	command->gate = gate[1];
	command->failed = failed[0];
	return 0;
}

/*
 * A signal to end that came while the kernel side was loading; 0: none. Called when the child waits
 * at the gate: an earlier signal is pending here, a later one is passed on to the child or reaches
 * it from the terminal.
 */
static int pending_end(void)
{
	const struct timespec now = {};
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	sigaddset(&ends, SIGQUIT);
	return MAX(sigtimedwait(&ends, NULL, &now), 0);
}

/* Ends the child before it becomes the command: a closed gate has it exit. */
static void call_off(struct wrapped *command)
{
	command->gate = close_fd(command->gate);
	command->failed = close_fd(command->failed);
	while (waitpid(command->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

int wrapped_prepare(struct wrapped *ret, const struct wrapped_start *start)
{
	int r;

	*ret = (struct wrapped){
		.name = start->argv[0], .cgroup = start->cgroup, .gate = -1, .failed = -1};
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	r = spawn(ret, start);
	if (r) {
		log_error("cannot start a process: %s", strerror(-r));
		return EXIT_RUNTIME;
	}
	r = pending_end();
	if (!r)
		return 0;
	call_off(ret);
	return 128 + r;
}

int wrapped_let_go(struct wrapped *command)
{
	struct failure failure = {.step = STEP_EXEC};
	const char *name = command->name;

	if (write(command->gate, "", 1) != 1)
		failure.error = errno;
	command->gate = close_fd(command->gate);
	while (!failure.error && read(command->failed, &failure, sizeof(failure)) < 0 &&
	       errno == EINTR)
		;
	command->failed = close_fd(command->failed);
	if (!failure.error)
		return -1;
	if (failure.step == STEP_ATTACH) {
		log_error("cannot move '%s' into cgroup %s: %s", name, command->cgroup,
			  strerror(failure.error));
		return EXIT_CANNOT;
	}
	log_error("cannot run '%s': %s", name, strerror(failure.error));
	return failure.error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

/*
 * Job control: when the terminal stops its foreground job, this process stops with the command, or
 * the shell would wait on. At any other stop of the command it goes on.
 */
static void stop_with_command(int signal_number)
{
	_cleanup_close_ int terminal = -1;

	if (signal_number != SIGTSTP && signal_number != SIGTTIN && signal_number != SIGTTOU)
		return;
	terminal = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
	if (terminal >= 0 && tcgetpgrp(terminal) == getpgrp())
		raise(SIGSTOP);
}

bool wrapped_asks_to_end(uint32_t signal_number)
{
	return signal_number == SIGINT || signal_number == SIGTERM || signal_number == SIGHUP ||
	       signal_number == SIGQUIT;
}

/*
 * Signals of the terminal (SI_KERNEL) reach the command without us, except a hangup, which goes to
 * the leader of the session alone. Signals that we cause, as SIGPIPE when the reader of the events
 * is gone, are not for the command.
 */
bool wrapped_takes(const struct wrapped *command, const struct signalfd_siginfo *info)
{
	if (info->ssi_signo == SIGPIPE || info->ssi_pid == (uint32_t)getpid() ||
	    info->ssi_pid == (uint32_t)command->pid)
		return false;
	return info->ssi_code != SI_KERNEL || info->ssi_signo == SIGHUP;
}

int wrapped_reap(const struct wrapped *command, int *ret_status)
{
	bool has_ended = false;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
		if (command->on_end && !WIFSTOPPED(status))
			command->on_end(pid, status, command->userdata);
		if (pid != command->pid)
			continue;
		if (WIFSTOPPED(status)) {
			stop_with_command(WSTOPSIG(status));
			continue;
		}
		has_ended = true;
		*ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	if (has_ended)
		return 1;
	return pid < 0 && errno == ECHILD ? -ECHILD : 0;
}
