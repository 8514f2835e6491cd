// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/commands.h"

#include "base/log.h"
#include "base/util.h"
#include "cmd/common.h"
#include "core/config.h"

int cmd_check_config(int argc, char **argv)
{
	struct config *config = NULL;
	struct options options;
	int status = common_options(COMMAND_CHECK_CONFIG, argc, argv, &options);

	if (status >= 0)
		return status;
	status = common_config(&options, &config);
	if (!status)
		log_info("the configuration is good: %zu guards, and what they are not for",
			 config_guards(config) - 1);
	config_free(config);
	return status;
}
