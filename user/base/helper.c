// SPDX-License-Identifier: BSD-2-Clause
#include "base/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/loop.h"
#include "base/util.h"

struct helper {
	struct helper_config config;
	int pidfd;
	uv_poll_t *poll; /* its end */
	uv_timer_t *timer;
	bool is_done;
};

/* --- those that were freed before they ended ----------------------------------------------- */

/*
 * A process that is killed takes a moment to end, or for ever. Nobody waits for it then, and what has ended and is not
 * waited for stays in the table of processes: each start and each end of a helper looks whether they have.
 */
#define LEFT_MAX 64 /* one too many is forgotten */

static int left[LEFT_MAX]; /* pidfds */
static size_t left_count;

/* Also where somebody else has waited for it. */
static bool has_ended(int pidfd)
{
	siginfo_t info = {};

	return waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) || info.si_pid;
}

static void reap_left(void)
{
	for (size_t i = left_count; i-- > 0;) {
		if (!has_ended(left[i]))
			continue;
		close(left[i]);
		left[i] = left[--left_count];
	}
}

/* Takes it. */
static void leave(int pidfd)
{
	if (!has_ended(pidfd) && left_count < LEFT_MAX)
		left[left_count++] = pidfd;
	else
		close(pidfd);
}

/* --- the whole ----------------------------------------------------------------------------- */

int helper_find(const char *program, char path[PATH_MAX])
{
	const char *const directories[] = {"", APO_LIBEXEC "/"};
	char place[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
		snprintf(place, sizeof(place), "%s%s", directories[i], program);
		if (!file_beside_self(place, path, PATH_MAX) && access(path, X_OK) == 0)
			return 0;
	}
	return -ENOENT;
}

static void keep_fd(posix_spawn_file_actions_t *actions, int fd)
{
	if (fd >= 0) /* onto itself: no longer closed by exec */
		posix_spawn_file_actions_adddup2(actions, fd, fd);
}

static void set_standard_fd(posix_spawn_file_actions_t *actions, int fd, int standard)
{
	if (fd >= 0)
		posix_spawn_file_actions_adddup2(actions, fd, standard);
	else
		posix_spawn_file_actions_addopen(actions, standard, "/dev/null", O_RDWR, 0);
}

static int spawn(const struct helper_config *config, pid_t *ret)
{
	char *const nothing[] = {NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_init(&actions);
	for (size_t i = 0; i < config->kept_count; i++)
		keep_fd(&actions, config->kept_fds[i]);
	set_standard_fd(&actions, config->in, STDIN_FILENO);
	set_standard_fd(&actions, config->out, STDOUT_FILENO);
	set_standard_fd(&actions, -1, STDERR_FILENO);
	r = -posix_spawn(ret, config->path, &actions, &attributes, config->argv,
			 config->envp ? config->envp : nothing);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return r;
}

void helper_signal(const struct helper *helper, int signal)
{
	syscall(SYS_pidfd_send_signal, helper->pidfd, signal, NULL, 0);
}

static void done(struct helper *helper, bool in_time)
{
	helper->is_done = true;
	helper->timer = loop_timer_drop(helper->timer);
	helper->config.on_done(in_time, helper->config.userdata);
}

/* The owner may free it in the last callback. */
static void on_end(uv_poll_t *poll, int status, int events)
{
	struct helper *helper = poll->data;
	const struct helper_config config = helper->config;

	(void)status;
	(void)events;
	uv_poll_stop(poll);
	waitid(P_PIDFD, (id_t)helper->pidfd, &(siginfo_t){}, WEXITED | WNOHANG);
	if (!helper->is_done)
		done(helper, true);
	if (config.on_end)
		config.on_end(config.userdata);
}

static void on_patience(uv_timer_t *timer)
{
	struct helper *helper = timer->data;

	helper_signal(helper, SIGKILL);
	done(helper, false);
}

static int watch(struct helper *helper, pid_t pid)
{
	helper->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (helper->pidfd < 0)
		return -errno;
	helper->timer = loop_timer_new(helper->config.loop, helper);
	helper->poll = loop_poll_new(helper->config.loop, helper->pidfd, on_end, helper);
	return helper->timer && helper->poll ? 0 : -ENOMEM;
}

int helper_start(struct helper **ret, const struct helper_config *config)
{
	struct helper *helper = calloc(1, sizeof(*helper));
	pid_t pid;
	int r;

	if (!helper)
		return -ENOMEM;
	reap_left();
	*helper = (struct helper){.config = *config, .pidfd = -1};
	r = spawn(config, &pid);
	if (!r) {
		r = watch(helper, pid);
		if (r && helper->pidfd < 0) { /* ours alone: nobody else has waited for it */
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
	}
	if (r) {
		helper_free(helper);
		return r;
	}
	uv_timer_start(helper->timer, on_patience, config->patience_ms, 0);
	*ret = helper;
	return 0;
}

struct helper *helper_free(struct helper *helper)
{
	reap_left();
	if (!helper)
		return NULL;
	loop_poll_drop(helper->poll); /* before what it polls is closed */
	loop_timer_drop(helper->timer);
	if (helper->pidfd >= 0) {
		helper_signal(helper, SIGKILL);
		leave(helper->pidfd);
	}
	free(helper);
	return NULL;
}
