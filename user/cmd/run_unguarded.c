// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/run_unguarded.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "cmd/wrapped.h"
#include "engine/self.h"

struct unguarded {
	struct wrapped command;
	int signal_fd;
	bool has_ended;
	int status; /* as a shell says it */
};

static void on_signals(struct unguarded *unguarded)
{
	struct signalfd_siginfo info;

	while (read(unguarded->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			unguarded->has_ended |=
				wrapped_reap(&unguarded->command, &unguarded->status) != 0;
		else if (!unguarded->has_ended && wrapped_takes(&unguarded->command, &info))
			kill(unguarded->command.pid, (int)info.ssi_signo);
	}
}

static void wait_for_end(struct unguarded *unguarded)
{
	struct pollfd signals = {.fd = unguarded->signal_fd, .events = POLLIN};

	while (!unguarded->has_ended)
		if (poll(&signals, 1, -1) > 0)
			on_signals(unguarded);
}

static int start(struct unguarded *unguarded, const struct options *options, const sigset_t *mask)
{
	sigset_t signals, inherited;

	self_set_up(true, &signals, &inherited);
	unguarded->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (unguarded->signal_fd < 0) {
		log_error("cannot take signals: %s", strerror(errno));
		return EXIT_RUNTIME;
	}
	return wrapped_prepare(&unguarded->command,
			       &(const struct wrapped_start){.argv = options->argv, .mask = mask});
}

int run_unguarded(const struct options *options, const sigset_t *mask)
{
	struct unguarded unguarded = {.signal_fd = -1};
	int status = start(&unguarded, options, mask);

	if (!status) {
		log_warn("'%s' runs unguarded; --require-protection refuses to start it",
			 options->argv[0]);
		status = wrapped_let_go(&unguarded.command);
		wait_for_end(&unguarded);
		status = status >= 0 ? status : unguarded.status;
	}
	close_fd(unguarded.signal_fd);
	return status;
}
