// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/commands.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "cmd/common.h"
#include "output/json.h"

static void keep(const char *line, void *userdata)
{
	json_array_append_new(userdata, json_text(line));
}

int cmd_check_config(int argc, char **argv)
{
	struct config *config = NULL;
	json_t *mistakes = NULL;
	struct options options;
	int status = common_options(COMMAND_CHECK_CONFIG, argc, argv, &options);

	if (status >= 0)
		return status;
	if (options.json)
		mistakes = json_array();
	status = common_config(&options, mistakes ? keep : NULL, mistakes, &config);
	if (mistakes)
		status = common_written(json_write_line_new(stdout, json_pack("{s:o}", "mistakes",
									      mistakes)))
				 ?: status;
	if (!status)
		log_info("the configuration is good: %zu guards, and what they are not for",
			 config_guards(config) - 1);
	config_free(config);
	return status;
}
