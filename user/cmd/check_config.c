// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/commands.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "cmd/common.h"
#include "output/json.h"

/* userdata: a document that they are kept in; NULL: they are for people. */
static void tell(const char *line, void *userdata)
{
	if (userdata)
		json_array_append_new(userdata, json_text(line));
	else
		log_error("%s", line);
}

int cmd_check_config(int argc, char **argv)
{
	struct config *config = NULL;
	json_t *mistakes = NULL;
	struct notifier_config notifier;
	gid_t group;
	struct options options;
	int status = common_options(COMMAND_CHECK_CONFIG, argc, argv, &options);

	if (status >= 0)
		return status;
	if (options.json)
		mistakes = json_array();
	status = common_config(&options, tell, mistakes, &config);
	if (!status && common_group(&options, config, tell, mistakes, &group))
		status = EXIT_USAGE;
	if (config && common_notifier(config_options(config), true, tell, mistakes, &notifier))
		status = EXIT_USAGE;
	if (mistakes)
		status = common_written(json_write_line_new(stdout, json_pack("{s:o}", "mistakes",
									      mistakes)))
				 ?: status;
	if (!status)
		log_info("the configuration is good: %zu guards, and what they are not for%s",
			 config_guards(config) - 1,
			 config_host(config) ? ", and the machine's own memory" : "");
	config_free(config);
	return status;
}
