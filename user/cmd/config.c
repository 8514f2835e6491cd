// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/util.h"
#include "cmd/common.h"
#include "core/config.h"
#include "output/config.h"
#include "output/json.h"
#include "sense/cgroup.h"

/* The cgroup that is meant, by its path or a process in it. The exit status. */
static int find_cgroup(const char *which, char **ret)
{
	_cleanup_close_ int root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct cgroup_tree *tree = NULL;
	pid_t pid;
	int r = root_fd < 0 || proc_fd < 0 ? -errno : cgroup_tree_new(&tree, root_fd);

	if (r) {
		log_error("the memory controller is not mounted: mount cgroup2 on /sys/fs/cgroup");
		return EXIT_CANNOT;
	}
	r = parse_pid(which, &pid) ? cgroup_path_normalize(tree, which, ret)
				   : cgroup_path_of_pid(tree, proc_fd, pid, ret);
	cgroup_tree_free(tree);
	if (r)
		log_error("--effective '%s': %s: give the path of a cgroup or the number of a "
			  "running process",
			  which, strerror(-r));
	return r ? EXIT_USAGE : 0;
}

static int print(const struct config *config, const struct config_covered *covered, bool json)
{
	if (!json)
		return covered ? config_covered_text(stdout, config, covered)
			       : config_text(stdout, config);
	return json_write_line_new(stdout, covered ? config_covered_json(config, covered)
						   : config_json(config));
}

static int show(const struct config *config, const struct options *options)
{
	_cleanup_free_ char *cgroup = NULL, *at = NULL;
	struct config_covered covered = {};
	size_t length = 0;
	int r = options->subject ? find_cgroup(options->subject, &cgroup) : 0;

	if (r)
		return r;
	if (cgroup) {
		covered.cgroup = cgroup;
		covered.guard = config_covering(config, cgroup, &length);
		if (covered.guard + 1 < config_guards(config))
			at = strndup(cgroup, length);
		covered.at = at;
	}
	return common_written(print(config, cgroup ? &covered : NULL, options->json));
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
