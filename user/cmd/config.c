// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/commands.h"

#include <errno.h>

#include "base/util.h"
#include "cmd/common.h"
#include "cmd/covered.h"
#include "core/config.h"
#include "output/config.h"
#include "output/json.h"

static int print(const struct config *config, const struct config_covered *covered, bool json)
{
	if (!json)
		return covered ? config_covered_text(stdout, config, covered)
			       : config_text(stdout, config);
	return json_write_line_new(stdout, covered ? config_covered_json(config, covered)
						   : config_json(config));
}

static int show(struct config *config, const struct options *options)
{
	struct covered covered = {.config = config};
	int status = options->subject
			     ? covered_find(config, "--effective", options->subject, &covered)
			     : 0;

	if (!status)
		status = common_written(
			print(config, options->subject ? &covered.facts : NULL, options->json));
	covered_done(&covered);
	return status;
}

int cmd_config(int argc, char **argv)
{
	struct config *config = NULL;
	struct options options;
	int status = common_options(COMMAND_CONFIG, argc, argv, &options);

	if (status >= 0)
		return status;
	status = common_config(&options, NULL, NULL, &config) ?: show(config, &options);
	config_free(config);
	return status;
}
