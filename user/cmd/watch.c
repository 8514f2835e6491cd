// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/watch.h"

#include <signal.h>

#include "cmd/common.h"
#include "daemon/session.h"

static void on_signal(const struct signalfd_siginfo *info, void *userdata)
{
	struct session *session = *(struct session **)userdata;

	switch (info->ssi_signo) {
	case SIGUSR1:
		session_status(session);
		break;
	case SIGINT:
	case SIGTERM:
	case SIGHUP:
	case SIGQUIT:
		session_stop(session);
		break;
	default:
		break;
	}
}

static int guard(struct session *session, const struct options *options)
{
	switch (options->mode) {
	case MODE_PID:
		return session_guard_pid(session, options->pid);
	case MODE_CGROUP:
		return session_guard_cgroup(session, options->cgroup);
	case MODE_ALL:
	case MODE_NONE:
		break;
	}
	return session_guard_all(session);
}

int cmd_watch(int argc, char **argv)
{
	struct session *session = NULL;
	const struct session_events events = {.on_signal = on_signal, .userdata = &session};
	struct options options;
	int status = common_options(COMMAND_WATCH, argc, argv, &options);

	if (status >= 0)
		return status;
	status = session_new(&session, &options, stdout);
	if (!status)
		status = guard(session, &options);
	if (!status)
		status = session_start(session, &events);
	if (!status) {
		session_ready(session, 0);
		session_loop(session); /* until a signal, or the end of the process of --pid */
		session_settle(session);
		session_status(session);
	}
	session_free(session);
	return status;
}
