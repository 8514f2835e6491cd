// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/commands.h"

#include "base/util.h"
#include "cmd/common.h"
#include "core/config.h"
#include "engine/engine.h"

static int add(struct guards *guards, const void *userdata)
{
	return guards_add_config(guards, userdata);
}

int cmd_daemon(int argc, char **argv)
{
	struct config *configuration = NULL;
	struct engine_config config;
	struct options options, configured;
	int status = common_options(COMMAND_DAEMON, argc, argv, &options);

	if (status >= 0)
		return status;
	status = common_config(&options, &configuration);
	if (!status) {
		configured = *config_options(configuration);
		configured.json |= options.json;
		configured.verbosity = options.verbosity;
		common_engine_config(&configured, stdout, &config);
		config.mode = "daemon";
		status = common_guard(&config, add, configuration);
	}
	config_free(configuration);
	return status;
}
