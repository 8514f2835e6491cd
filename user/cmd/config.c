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
#include "engine/workloads.h"
#include "output/config.h"
#include "output/json.h"
#include "sense/cgroup.h"

/* The memory cgroups of this machine. The exit status. */
static int open_tree(struct cgroup_tree **ret)
{
	_cleanup_close_ int root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root_fd >= 0 && !cgroup_tree_new(ret, root_fd))
		return 0;
	log_error("the memory controller is not mounted: mount cgroup2 on /sys/fs/cgroup");
	return EXIT_CANNOT;
}

/* The cgroup that is meant, by its path or a process in it. The exit status. */
static int find_cgroup(const struct cgroup_tree *tree, const char *which, char **ret)
{
	_cleanup_close_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pid_t pid;
	int r = parse_pid(which, &pid) ? cgroup_path_normalize(tree, which, ret)
				       : cgroup_path_of_pid(tree, proc_fd, pid, ret);

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

/* One cgroup's. */
static int show_covered(struct config *config, const struct options *options)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = NULL;
	_cleanup_free_ char *cgroup = NULL, *at = NULL;
	struct config_covered covered = {};
	struct workloads *workloads = NULL;
	size_t length = 0;
	int status = open_tree(&tree) ?: find_cgroup(tree, options->subject, &cgroup);

	if (status)
		return status;
	workloads = workloads_new(tree);
	if (!workloads)
		return EXIT_RUNTIME;
	config_look_with(config, workloads_look, workloads);
	workloads_look(cgroup, &covered.workload, workloads);
	covered.cgroup = cgroup;
	covered.guard = config_covering(config, cgroup, &length);
	if (covered.guard + 1 < config_guards(config))
		at = strndup(cgroup, length);
	covered.at = at;
	status = common_written(print(config, &covered, options->json));
	config_look_with(config, NULL, NULL);
	workload_clear(&covered.workload);
	workloads_free(workloads);
	return status;
}

static int show(struct config *config, const struct options *options)
{
	return options->subject ? show_covered(config, options)
				: common_written(print(config, NULL, options->json));
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
