// SPDX-License-Identifier: BSD-2-Clause
#include "engine/accounts.h"

#include <errno.h>
#include <stdlib.h>

#include "base/util.h"

static int collect_guards(struct source *source, const struct cgroup_tree *tree,
			  struct status *status)
{
	_cleanup_free_ uint64_t *ids = NULL;
	_cleanup_free_ struct apo_guard *accounts = NULL;
	size_t n;
	int r = source_guards(source, &ids, &accounts, &n);

	if (r)
		return r;
	status->guards = calloc(n ?: 1, sizeof(*status->guards));
	if (!status->guards)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		status->guards[i].id = ids[i];
		status->guards[i].account = accounts[i];
		if (cgroup_path_of_id(tree, ids[i], &status->guards[i].path))
			status->guards[i].path = NULL;
	}
	status->guard_count = n;
	return 0;
}

static int collect_processes(struct source *source, struct status *status)
{
	_cleanup_free_ uint32_t *pids = NULL;
	_cleanup_free_ struct apo_process *accounts = NULL;
	size_t n;
	int r = source_processes(source, &pids, &accounts, &n);

	if (r)
		return r;
	status->processes = calloc(n ?: 1, sizeof(*status->processes));
	if (!status->processes)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		status->processes[i].pid = pids[i];
		status->processes[i].account = accounts[i];
	}
	status->process_count = n;
	return 0;
}

int accounts_read(struct source *source, const struct cgroup_tree *tree, struct status *status)
{
	int r = collect_guards(source, tree, status);

	if (!r)
		r = collect_processes(source, status);
	return r ?: source_counters(source, status->counters);
}

void accounts_clear(struct status *status)
{
	for (size_t i = 0; i < status->guard_count; i++)
		free(status->guards[i].path);
	free(status->guards);
	free(status->processes);
	status->guards = NULL;
	status->processes = NULL;
	status->guard_count = status->process_count = 0;
}
