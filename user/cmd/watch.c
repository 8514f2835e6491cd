// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/commands.h"

#include <signal.h>

#include "cmd/common.h"
#include "engine/engine.h"

static void on_signal(const struct signalfd_siginfo *info, void *userdata)
{
	struct engine *engine = *(struct engine **)userdata;

	switch (info->ssi_signo) {
	case SIGUSR1:
		engine_status(engine);
		break;
	case SIGINT:
	case SIGTERM:
	case SIGHUP:
	case SIGQUIT:
		engine_stop(engine);
		break;
	default:
		break;
	}
}

static int guard(struct engine *engine, const struct options *options)
{
	struct guards *guards = engine_guards(engine);

	switch (options->mode) {
	case MODE_PID:
		return guards_add_pid(guards, &options->policy, options->pid);
	case MODE_CGROUP:
		return guards_add_cgroup(guards, &options->policy, options->cgroup);
	case MODE_ALL:
	case MODE_NONE:
		break;
	}
	return guards_add_all(guards, &options->policy);
}

int cmd_watch(int argc, char **argv)
{
	struct engine *engine = NULL;
	const struct engine_events events = {.on_signal = on_signal, .userdata = &engine};
	struct engine_config config;
	struct options options;
	int status = common_options(COMMAND_WATCH, argc, argv, &options);

	if (status >= 0)
		return status;
	common_engine_config(&options, stdout, &config);
	config.mode = guard_mode_name(options.mode);
	status = engine_new(&engine, &config);
	if (!status)
		status = guard(engine, &options);
	if (!status)
		status = engine_start(engine, &events);
	if (!status) {
		engine_ready(engine, 0);
		engine_loop(engine); /* until a signal, or the end of the process of --pid */
		engine_settle(engine);
		engine_status(engine);
	}
	engine_free(engine);
	return status;
}
