// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/covered.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/util.h"

/* The memory cgroups of this machine. The exit status. */
static int open_tree(struct cgroup_tree **ret)
{
	_cleanup_close_ int root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root_fd >= 0 && !cgroup_tree_new(ret, root_fd))
		return 0;
	log_error("the memory controller is not mounted: mount cgroup2 on /sys/fs/cgroup");
	return EXIT_CANNOT;
}

/* The cgroup that is meant. The exit status. */
static int find_cgroup(const char *option, const char *which, struct covered *covered)
{
	_cleanup_close_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = parse_pid(which, &covered->pid)
			? cgroup_path_normalize(covered->tree, which, &covered->cgroup)
			: cgroup_path_of_pid(covered->tree, proc_fd, covered->pid,
					     &covered->cgroup);

	if (r)
		log_error("%s '%s': %s: give the path of a cgroup or the number of a running "
			  "process",
			  option, which, strerror(-r));
	return r ? EXIT_USAGE : 0;
}

int covered_find(struct config *config, const char *option, const char *which, struct covered *ret)
{
	size_t length = 0;
	int status;

	*ret = (struct covered){.config = config};
	status = open_tree(&ret->tree) ?: find_cgroup(option, which, ret);
	if (status)
		return status;
	ret->workloads = workloads_new(ret->tree);
	if (!ret->workloads)
		return EXIT_RUNTIME;
	config_look_with(config, workloads_look, ret->workloads);
	workloads_look(ret->cgroup, WORKLOAD_DECLARED | WORKLOAD_PROCESS, &ret->facts.workload,
		       ret->workloads);
	ret->facts.cgroup = ret->cgroup;
	ret->facts.guard = config_covering(config, ret->cgroup, &length);
	if (ret->facts.guard + 1 < config_guards(config))
		ret->facts.at = ret->at = strndup(ret->cgroup, length);
	return 0;
}

void covered_done(struct covered *covered)
{
	config_look_with(covered->config, NULL, NULL);
	workload_clear(&covered->facts.workload);
	workloads_free(covered->workloads);
	cgroup_tree_free(covered->tree);
	free(covered->cgroup);
	free(covered->at);
}
