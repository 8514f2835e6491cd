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

/* Says what is wrong; the exit status. */
static int refuse(pid_t pid, int error)
{
	switch (error) {
	case -ESRCH:
		log_error("no process %d: give the pid of a running process", pid);
		return EXIT_USAGE;
	case -EPERM:
		log_error("process %d is never signalled: the init of the machine, a kernel "
			  "thread, or "
			  "this one",
			  pid);
		return EXIT_USAGE;
	case -ENODEV:
		log_error(
			"the memory controller is not mounted: mount cgroup2 on /sys/fs/cgroup (or "
			"the v1 memory hierarchy)");
		return EXIT_CANNOT;
	default:
		log_error("cannot look at process %d: %s", pid, strerror(-error));
		return EXIT_RUNTIME;
	}
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
	status = r ? refuse(options.pid, r) : common_written(print(&explanation, &options));
	explanation_clear(&explanation);
	profiles_free(profiles);
	return status;
}
