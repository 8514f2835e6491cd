// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/commands.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "cmd/common.h"
#include "engine/explain.h"
#include "engine/profile_files.h"
#include "output/explain.h"
#include "output/json.h"

static int print(const struct explanation *explanation, const struct options *options)
{
	return options->json
		       ? json_write_line_new(stdout, explain_json(explanation, &options->policy))
		       : explain_text(stdout, explanation, &options->policy);
}

int cmd_explain(int argc, char **argv)
{
	struct explanation explanation = {};
	struct options options;
	struct profiles *profiles = NULL;
	int r, status = common_options(COMMAND_EXPLAIN, argc, argv, &options);

	if (status >= 0)
		return status;
	status = options.no_profiles ? 0 : profile_files_read(options.profiles, &profiles);
	if (status)
		return status;
	r = explain(options.pid, &options.policy, profiles, &explanation);
	status = r ? common_explain_refused(options.pid, r)
		   : common_written(print(&explanation, &options));
	explanation_clear(&explanation);
	profiles_free(profiles);
	return status;
}
