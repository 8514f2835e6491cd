// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/commands.h"

#include "base/util.h"
#include "cmd/common.h"
#include "engine/engine.h"

static int add(struct guards *guards, void *userdata)
{
	const struct options *options = userdata;

	switch (options->mode) {
	case MODE_PID:
		return guards_add_pid(guards, &options->policy, options->pid);
	case MODE_CGROUP:
		return guards_add_cgroup(guards, &options->policy, options->cgroup);
	case MODE_POD:
		return guards_add_pod(guards, &options->policy, options->pod);
	case MODE_ALL:
	case MODE_NONE:
		break;
	}
	return guards_add_all(guards, &options->policy);
}

int cmd_watch(int argc, char **argv)
{
	struct options options;
	struct common_guard what = {.add = add, .userdata = &options};
	struct engine_config config;
	int status = common_options(COMMAND_WATCH, argc, argv, &options);

	if (status >= 0)
		return status;
	common_engine_config(&options, stdout, &config);
	if (common_notifier(&options, false, NULL, NULL, &config.notifier))
		return EXIT_USAGE;
	config.mode = guard_mode_name(options.mode);
	config.may_look = !options.require_protection && options.mode != MODE_ALL;
	config.views.metrics_textfile = options.metrics_textfile;
	config.views.metrics_listen = options.metrics_listen;
	return common_guard(&config, &what);
}
