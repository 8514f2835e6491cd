/* SPDX-License-Identifier: BSD-2-Clause */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"

static void become_child(const struct group *group, int output_fd, int start_fd, pid_t parent)
{
	uint64_t start_ns;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(98);
	/* First of all, so that everything is charged there. */
	if (group && cgroup_attach(group->fd, 0) < 0)
		_exit(98);
	if (output_fd >= 0 && dup2(output_fd, STDOUT_FILENO) < 0)
		_exit(98);
	start_ns = now_ns();
	if (write(start_fd, &start_ns, sizeof(start_ns)) != sizeof(start_ns))
		_exit(98);
}

/* Waits until it is in its group. */
static struct child *child_new(pid_t pid, int output_fd, const int start_fds[2])
{
	struct child *child = calloc(1, sizeof(*child));

	if (pid < 0)
		fail("cannot fork: %s", strerror(errno));
	if (!child)
		fail("out of memory");
	close(start_fds[1]);
	if (read(start_fds[0], &child->start_ns, sizeof(child->start_ns)) !=
	    sizeof(child->start_ns))
		child->start_ns = now_ns(); /* it has failed, as its status says */
	close(start_fds[0]);
	child->pid = pid;
	child->output_fd = output_fd;
	child->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (child->pidfd < 0)
		fail("pidfd_open: %s", strerror(errno));
	return child;
}

struct child *child_exec(const struct group *group, const char *errors, const char *const argv[])
{
	pid_t parent = getpid(), pid;
	int fds[2], start_fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0 || pipe2(start_fds, O_CLOEXEC) < 0)
		fail("pipe: %s", strerror(errno));
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDONLY | O_CLOEXEC), error_fd;

		become_child(group, fds[1], start_fds[1], parent);
		/* As who starts services has it: a shell in the background ignores them for the bench. */
		signal(SIGINT, SIG_DFL);
		signal(SIGQUIT, SIG_DFL);
		dup2(null, STDIN_FILENO);
		if (errors) {
			error_fd = open(errors, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
			dup2(error_fd, STDERR_FILENO);
		}
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	close_fd(fds[1]);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	return child_new(pid, fds[0], start_fds);
}

struct child *child_fork(const struct group *group, int (*body)(void *arg), void *arg)
{
	pid_t parent = getpid(), pid;
	int start_fds[2];

	if (pipe2(start_fds, O_CLOEXEC) < 0)
		fail("pipe: %s", strerror(errno));
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		become_child(group, -1, start_fds[1], parent);
		_exit(body(arg));
	}
	return child_new(pid, -1, start_fds);
}

static void collect(struct child *child)
{
	char buffer[16384], *grown;
	ssize_t n;

	while (child->output_fd >= 0 &&
	       (n = read(child->output_fd, buffer, sizeof(buffer))) != -1) {
		if (n == 0) {
			child->output_fd = close_fd(child->output_fd);
			break;
		}
		grown = realloc(child->output, child->output_size + (size_t)n + 1);
		if (!grown)
			fail("out of memory");
		memcpy(grown + child->output_size, buffer, (size_t)n);
		child->output_size += (size_t)n;
		grown[child->output_size] = '\0';
		child->output = grown;
	}
}

bool child_read(struct child *child, unsigned int timeout_ms)
{
	struct pollfd fd = {.fd = child->output_fd, .events = POLLIN};

	if (child->output_fd < 0)
		return false;
	if (poll(&fd, 1, (int)timeout_ms) > 0)
		collect(child);
	return child->output_fd >= 0;
}

bool child_wait(struct child *child, unsigned int timeout_ms)
{
	uint64_t end = now_ns() + timeout_ms * NSEC_PER_MSEC;

	while (!child->exited) {
		struct pollfd fds[2] = {{.fd = child->pidfd, .events = POLLIN},
					{.fd = child->output_fd, .events = POLLIN}};
		uint64_t now = now_ns();

		if (now >= end)
			return false;
		poll(fds, 2, (int)((end - now) / NSEC_PER_MSEC + 1));
		if (fds[1].revents)
			collect(child);
		if (fds[0].revents && waitpid(child->pid, &child->status, 0) == child->pid)
			child->exited = true;
	}
	collect(child);
	return true;
}

void child_signal(const struct child *child, int signal)
{
	if (!child->exited)
		syscall(SYS_pidfd_send_signal, child->pidfd, signal, NULL, 0);
}

struct child *child_free(struct child *child)
{
	if (!child)
		return NULL;
	if (!child->exited) {
		child_signal(child, SIGKILL);
		waitpid(child->pid, &child->status, 0);
	}
	close_fd(child->output_fd);
	close_fd(child->pidfd);
	free(child->output);
	free(child);
	return NULL;
}

int child_code(const struct child *child)
{
	return WIFEXITED(child->status) ? WEXITSTATUS(child->status)
					: 128 + WTERMSIG(child->status);
}
