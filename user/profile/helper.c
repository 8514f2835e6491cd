// SPDX-License-Identifier: BSD-2-Clause
#include "profile/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/util.h"

struct helper {
	struct helper_config config;
	int pidfd;
	uv_poll_t *poll; /* its end */
	uv_timer_t *timer;
	bool is_done;
};

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
	char *const envp[] = {NULL};
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
	r = -posix_spawn(ret, config->path, &actions, &attributes, config->argv, envp);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return r;
}

static void kill_it(const struct helper *helper)
{
	syscall(SYS_pidfd_send_signal, helper->pidfd, SIGKILL, NULL, 0);
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

	kill_it(helper);
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
	*helper = (struct helper){.config = *config, .pidfd = -1};
	r = spawn(config, &pid);
	if (!r) {
		r = watch(helper, pid);
		if (r) { /* ours alone: nobody else has waited for it */
			kill(pid, SIGKILL);
			waitpid(pid, NULL, WNOHANG);
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
	if (!helper)
		return NULL;
	loop_poll_drop(helper->poll); /* before what it polls is closed */
	loop_timer_drop(helper->timer);
	if (helper->pidfd >= 0) {
		kill_it(helper);
		/* Unless run has; and without waiting for one that cannot end. */
		waitid(P_PIDFD, (id_t)helper->pidfd, &(siginfo_t){}, WEXITED | WNOHANG);
	}
	close_fd(helper->pidfd);
	free(helper);
	return NULL;
}
