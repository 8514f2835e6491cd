// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/run_polling.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/util.h"
#include "cmd/wrapped.h"
#include "core/polling.h"
#include "core/stop_signal.h"
#include "engine/profile_files.h"
#include "engine/self.h"
#include "sense/cgroup.h"
#include "sense/cgroup_memory.h"
#include "sense/pidref.h"
#include "sense/proc.h"

struct poller {
	const struct options *options;
	struct cgroup_tree *tree; /* NULL: nothing can be looked at */
	char *cgroup;
	int proc_fd, signal_fd;
	struct profiles *profiles; /* NULL: none */
	struct polling polling;
	struct wrapped command;
	struct pidref process; /* of the command */
	uint64_t kill_ns;      /* CLOCK_MONOTONIC, end of its grace; 0: none runs */
	uint64_t oom_kills;    /* of its cgroup, before it ran */
	uint64_t told_ns;      /* CLOCK_MONOTONIC; 0: it is not */
	bool has_ended;
	int status; /* of the command, as a shell says it */
};

/* --- looking ------------------------------------------------------------------------------- */

/* INT64_MAX: no limit, or it cannot be read at present. */
static int64_t headroom_of(const struct poller *poller, struct cgroup_limit *ret)
{
	if (!poller->tree || cgroup_limit_binding(poller->tree, poller->cgroup, ret) ||
	    !ret->cgroup)
		return INT64_MAX;
	return ret->headroom_bytes;
}

static uint64_t oom_kills_of(const struct poller *poller)
{
	_cleanup_close_ int dirfd = -1;
	struct cgroup_events events;

	if (!poller->tree || cgroup_open(poller->tree, poller->cgroup, &dirfd) ||
	    cgroup_events_read(poller->tree, dirfd, &events))
		return 0;
	return events.oom_kills;
}

/* What is looked at, said once. The exit status, if a policy does not fit the limit. */
static int begin(struct poller *poller)
{
	_cleanup_cgroup_limit_ struct cgroup_limit limit = {};
	_cleanup_free_ char *error = NULL;
	_cleanup_close_ int root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	poller->proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0 || poller->proc_fd < 0 || cgroup_tree_new(&poller->tree, root_fd) ||
	    cgroup_path_of_pid(poller->tree, poller->proc_fd, getpid(), &poller->cgroup))
		poller->tree = cgroup_tree_free(poller->tree);
	if (headroom_of(poller, &limit) == INT64_MAX) {
		log_warn("'%s' runs unguarded: no memory limit can be seen here; "
			 "--require-protection refuses to start it",
			 poller->options->argv[0]);
		return 0;
	}
	if (policy_check_limit(&poller->options->policy, limit.limit_bytes, &error)) {
		log_error("%s", error ?: "out of memory");
		return EXIT_USAGE;
	}
	poller->polling.reserve_bytes = policy_reserve_bytes(
		&poller->options->policy, limit.limit_bytes, (uint64_t)sysconf(_SC_PAGESIZE));
	poller->oom_kills = oom_kills_of(poller);
	log_warn("'%s' is guarded by looking at its limit every 2 ms to 1 s: it is told below "
		 "%" PRIu64
		 " MiB of headroom, and too late where it grows faster; no loan, no report. "
		 "apoptosis doctor says what is missing; --require-protection refuses to start it",
		 poller->options->argv[0], poller->polling.reserve_bytes >> 20);
	return 0;
}

/* --- telling ------------------------------------------------------------------------------- */

static enum apo_disposition disposition_of(int signal, void *userdata)
{
	const struct poller *poller = userdata;

	return proc_disposition(poller->proc_fd, poller->command.pid, signal);
}

static struct stop_signal signal_for_command(struct poller *poller)
{
	const struct policy *policy = &poller->options->policy;
	_cleanup_proc_info_ struct proc_info *info = NULL;
	_cleanup_close_ int dirfd = -1;
	_cleanup_free_ char *arguments = NULL;
	struct stop_wish wish = {.signal = policy->signal, .is_given = policy->signal_given};

	/* The command line is memory of a process that is busy with its memory: only where it matters. */
	if (poller->profiles && !proc_info_read(poller->proc_fd, poller->command.pid, &info) &&
	    profiles_know(poller->profiles, info->comm)) {
		dirfd = pidref_open_dir(&poller->process, poller->proc_fd);
		if (dirfd >= 0)
			proc_cmdline_read(dirfd, &arguments);
		wish.profile = profiles_find(
			poller->profiles,
			&(const struct profile_subject){.comm = info->comm, .arguments = arguments},
			0, NULL);
	}
	return stop_signal_choose(&wish, disposition_of, poller);
}

static void tell(struct poller *poller, const struct cgroup_limit *limit)
{
	const struct policy *policy = &poller->options->policy;
	struct stop_signal stop = signal_for_command(poller);
	int r = 0;

	if (stop.signal && !policy->dry_run)
		r = pidref_signal(&poller->process, stop.signal);
	log_warn("%" PRIu64 " of %" PRIu64 " MiB are needed in %s: '%s' %s%s%s%s",
		 (limit->limit_bytes - (uint64_t)limit->headroom_bytes) >> 20,
		 limit->limit_bytes >> 20, limit->cgroup, poller->command.name,
		 !stop.signal	   ? "takes no signal"
		 : policy->dry_run ? "would be sent SIG"
		 : r		   ? "cannot be sent SIG"
				   : "is sent SIG",
		 stop.signal ? signal_name(stop.signal) : "", r ? ": " : "", r ? strerror(-r) : "");
	if (policy->dry_run || r)
		return;
	if (stop.signal)
		poller->told_ns = clock_ns(CLOCK_MONOTONIC);
	if (policy->grace_ns)
		poller->kill_ns = clock_ns(CLOCK_MONOTONIC) + policy->grace_ns;
}

static void end_grace(struct poller *poller)
{
	log_warn("'%s' is still there at the end of its grace: SIGKILL", poller->command.name);
	pidref_signal(&poller->process, SIGKILL);
}

/* --- the loop ------------------------------------------------------------------------------ */

static void on_signals(struct poller *poller)
{
	struct signalfd_siginfo info;

	while (read(poller->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			poller->has_ended |= wrapped_reap(&poller->command, &poller->status) != 0;
		else if (!poller->has_ended && wrapped_takes(&poller->command, &info))
			kill(poller->command.pid, (int)info.ssi_signo);
	}
}

/* Who is back above the line is not killed. */
static void check_grace(struct poller *poller, int64_t headroom)
{
	if (!poller->kill_ns || clock_ns(CLOCK_MONOTONIC) < poller->kill_ns)
		return;
	if (polling_is_below(&poller->polling, headroom))
		end_grace(poller);
	poller->kill_ns = 0;
}

/* Looks once. Returns for how long nothing has to be looked at. */
static uint64_t look(struct poller *poller)
{
	_cleanup_cgroup_limit_ struct cgroup_limit limit = {};
	int64_t headroom = headroom_of(poller, &limit);
	uint64_t wait_ns;

	if (polling_crosses(&poller->polling, headroom))
		tell(poller, &limit);
	check_grace(poller, headroom);
	wait_ns = polling_wait_ns(&poller->polling, headroom);
	return poller->kill_ns ? MIN(wait_ns, sat_sub(poller->kill_ns, clock_ns(CLOCK_MONOTONIC)))
			       : wait_ns;
}

static void guard(struct poller *poller)
{
	struct pollfd signals = {.fd = poller->signal_fd, .events = POLLIN};

	while (!poller->has_ended) {
		uint64_t wait_ns = look(poller);
		const struct timespec wait = {.tv_sec = (time_t)(wait_ns / NSEC_PER_SEC),
					      .tv_nsec = (long)(wait_ns % NSEC_PER_SEC)};

		if (ppoll(&signals, 1, &wait, NULL) > 0)
			on_signals(poller);
	}
}

/* How it ends is its own affair where headroom was back and it ran on. */
static bool was_asked(const struct poller *poller)
{
	return poller->told_ns &&
	       (poller->polling.is_crossed ||
		clock_ns(CLOCK_MONOTONIC) - poller->told_ns < poller->options->policy.cooldown_ns);
}

/* As the kernel saw it. */
static int judge(const struct poller *poller)
{
	bool was_killed = oom_kills_of(poller) > poller->oom_kills, is_asked = was_asked(poller);
	int status = poller->status;

	if (was_killed)
		log_warn("the kernel's OOM killer has struck in %s, %s", poller->cgroup,
			 poller->told_ns ? "after the signal" : "before any signal");
	if (is_asked && !was_killed)
		log_info("'%s' was told to end, and ended with %d", poller->command.name, status);
	return is_asked && !status && poller->options->exit_on_trip ? poller->options->exit_on_trip
								    : status;
}

static int open_signals(struct poller *poller)
{
	sigset_t signals, inherited;

	self_set_up(true, &signals, &inherited);
	poller->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	return poller->signal_fd < 0 ? -errno : 0;
}

int run_polling(const struct options *options, const sigset_t *mask)
{
	struct poller poller = {
		.options = options, .proc_fd = -1, .signal_fd = -1, .process = PIDREF_NONE};
	int r = open_signals(&poller), status;

	if (r)
		log_error("cannot take signals: %s", strerror(-r));
	status = r ? EXIT_RUNTIME : begin(&poller);
	if (!status && !options->no_profiles)
		profile_files_read(options->profiles, &poller.profiles);
	if (!status)
		status = wrapped_prepare(&poller.command,
					 &(const struct wrapped_start){.argv = options->argv,
								       .mask = mask});
	if (!status) {
		pidref_open(poller.proc_fd, poller.command.pid, 0, &poller.process);
		status = wrapped_let_go(&poller.command);
		guard(&poller);
		status = status >= 0 ? status : judge(&poller);
	}
	pidref_close(&poller.process);
	profiles_free(poller.profiles);
	cgroup_tree_free(poller.tree);
	free(poller.cgroup);
	close_fd(poller.signal_fd);
	close_fd(poller.proc_fd);
	return status;
}
