// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/commands.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "cmd/common.h"
#include "cmd/own_cgroup.h"
#include "cmd/run_unguarded.h"
#include "cmd/wrapped.h"
#include "engine/engine.h"
#include "sinks/pressure.h"

struct run {
	const struct options *options;
	struct engine *engine;
	struct own_cgroup cgroup; /* made for the command, if it was to have one */
	struct wrapped command;
	int status; /* of the command, as a shell says it */
	bool exited;
	struct pressure_socket watch;
};

static int guard_own_cgroup(struct run *run)
{
	int status = own_cgroup_make(&run->cgroup, engine_cgroups(run->engine),
				     run->options->limit_bytes);

	return status
		       ?: guards_add_cgroup(engine_guards(run->engine), &run->options->policy,
					    run->cgroup.rel);
}

/* --- the command --------------------------------------------------------------------------- */

static void on_end(pid_t pid, int status, void *userdata)
{
	struct run *run = userdata;

	engine_on_end(run->engine, pid, status);
}

/* Reaps what has ended: the command, and the orphans it left, since we are their subreaper. */
static void reap(struct run *run)
{
	int r = wrapped_reap(&run->command, &run->status);

	run->exited |= r > 0;
	if (r) /* with no child left there is nothing to wait for, however it ended */
		engine_finish(run->engine);
}

static void on_signal(const struct signalfd_siginfo *info, void *userdata)
{
	struct run *run = userdata;

	if (info->ssi_signo == SIGCHLD)
		reap(run);
	else if (run->exited && wrapped_asks_to_end(info->ssi_signo))
		engine_stop(run->engine); /* no longer wait for a grace */
	else if (!run->exited && wrapped_takes(&run->command, info))
		kill(run->command.pid, (int)info->ssi_signo);
}

/* The exit status, once every trip is judged. */
static int pass_on(const struct run *run)
{
	int status = shutdown_status(engine_shutdown(run->engine), run->status,
				     run->options->exit_on_trip);

	if (status != run->status)
		log_info("a trip has asked the command to end, and it ended with %d: exiting with "
			 "%d (--exit-on-trip)",
			 run->status, status);
	return status;
}

static int guard_and_run(struct run *run)
{
	const struct engine_events events = {.on_signal = on_signal, .userdata = run};
	int status = run->options->limit_bytes ? guard_own_cgroup(run)
					       : guards_add_children(engine_guards(run->engine),
								     &run->options->policy);

	if (!status)
		status = engine_start(run->engine, &events);
	if (status)
		return status;
	status = wrapped_prepare(&run->command, &(const struct wrapped_start){
							.argv = run->options->argv,
							.mask = engine_inherited_mask(run->engine),
							.cgroup = run->cgroup.rel,
							.cgroup_dirfd = run->cgroup.dirfd,
						});
	if (status)
		return status;
	run->command.on_end = on_end;
	run->command.userdata = run;
	engine_ready(run->engine, run->command.pid);
	status = wrapped_let_go(&run->command);
	engine_loop(run->engine); /* until the child is reaped */
	engine_settle(run->engine);
	if (run->options->json || run->options->verbosity > 0)
		engine_status(run->engine);
	return status >= 0 ? status : pass_on(run);
}

/*
 * The command runs all the same where the kernel side cannot be had, or nothing can be guarded, unless that is refused, or
 * a limit was asked for, which it would run without.
 */
static bool may_fall_back(const struct options *options)
{
	return !options->require_protection && !options->limit_bytes;
}

/* --- who can give memory back -------------------------------------------------------------- */

/*
 * Lets the command hear of warnings. Not if somebody else has said what it is to watch, /dev/null for nothing, or if
 * warnings are off. Where they were not asked for, others do not hear of them.
 */
static void offer_watch(struct run *run, struct options *options, struct pressure_config *config)
{
	const char *const directories[] = {"/run", getenv("XDG_RUNTIME_DIR") ?: "/tmp", "/tmp",
					   NULL};
	struct policy *policy = &options->policy;
	int r;

	if (options->no_pressure_watch || getenv(PRESSURE_WATCH) ||
	    (options->warn_given && !policy->warn_permyriad))
		return;
	r = pressure_socket_open(directories, &run->watch);
	if (r || setenv(PRESSURE_WATCH, run->watch.path, 1)) {
		log_debug("the command will not hear when memory gets scarce: %s, ignoring",
			  strerror(r ? -r : errno));
		return;
	}
	unsetenv(PRESSURE_WRITE);
	config->fd = run->watch.fd;
	if (options->warn_given)
		return;
	policy->warn_is_default = true;
	policy->warn_permyriad = PRESSURE_PERMYRIAD;
}

/* There is nobody to tell any more, or nobody was to be had who would. */
static void withdraw_watch(struct run *run)
{
	if (run->watch.fd >= 0)
		unsetenv(PRESSURE_WATCH);
	pressure_socket_close(&run->watch);
}

int cmd_run(int argc, char **argv)
{
	struct options options;
	struct engine_config config;
	struct run run = {
		.options = &options, .cgroup = OWN_CGROUP_NONE, .watch = PRESSURE_SOCKET_NONE};
	int status = common_options(COMMAND_RUN, argc, argv, &options);
	sigset_t mask;

	if (status >= 0)
		return status;
	/* If SIGCHLD were inherited as ignored, children would end without a signal or a status. */
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	common_engine_config(&options, stderr, &config);
	if (common_notifier(&options, false, NULL, NULL, &config.notifier))
		return EXIT_USAGE;
	config.mode = "run";
	config.is_wrapper = true;
	config.may_look = may_fall_back(&options);
	offer_watch(&run, &options, &config.pressure);
	status = engine_new(&run.engine, &config);
	if (!status) {
		status = guard_and_run(&run);
		own_cgroup_remove(&run.cgroup);
		engine_free(run.engine);
	}
	withdraw_watch(&run);
	return !run.command.pid && status == EXIT_CANNOT && may_fall_back(&options)
		       ? run_unguarded(&options, &mask)
		       : status;
}
