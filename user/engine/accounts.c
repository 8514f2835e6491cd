// SPDX-License-Identifier: BSD-2-Clause
#include "engine/accounts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

/* Whose policy it has, and why; of one that is gone nothing is known. */
static void judge(const struct policy_set *policies, struct status_limit *limit)
{
	const struct policy_subject subject = {.cgroup = limit->path};
	const struct guard *guard = limit->path ? policy_set_find(policies, &subject) : NULL;

	if (!guard) {
		limit->why = limit->path ? strdup("that of the processes: no guard covers this "
						  "limit")
					 : NULL;
		return;
	}
	limit->why = policy_set_why(guard, &subject);
	limit->policy = policy_set_policy(policies, guard->policy);
	if (guard->kind == GUARD_CONFIGURED)
		limit->guard = config_guard(guard->config, guard->index)->name;
}

static int collect_limits(struct source *source, const struct cgroup_tree *tree,
			  const struct policy_set *policies, struct status *status)
{
	_cleanup_free_ struct apo_limit_key *keys = NULL;
	_cleanup_free_ struct apo_limit *accounts = NULL;
	size_t n;
	int r = source_limits(source, &keys, &accounts, &n);

	if (r)
		return r;
	status->limits = calloc(n ?: 1, sizeof(*status->limits));
	if (!status->limits)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		status->limits[i].key = keys[i];
		status->limits[i].account = accounts[i];
		status->limits[i].lent_pages = source_lent_pages(source, keys[i].cgroup_id);
		if (cgroup_path_of_id(tree, keys[i].cgroup_id, &status->limits[i].path))
			status->limits[i].path = NULL;
		judge(policies, &status->limits[i]);
	}
	status->limit_count = n;
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
	for (size_t i = 0; i < n; i++)
		if (accounts[i].policy != APO_POLICY_NONE) /* else it only shares a limit */
			status->processes[status->process_count++] =
				(struct status_process){.pid = pids[i], .account = accounts[i]};
	return 0;
}

int accounts_read(struct source *source, struct airbag *airbag, const struct cgroup_tree *tree,
		  const struct policy_set *policies, struct status *status)
{
	int r = collect_limits(source, tree, policies, status);

	for (size_t i = 0; i < status->limit_count; i++)
		status->limits[i].loan = airbag_loan(airbag, status->limits[i].key.cgroup_id);
	if (!r)
		r = collect_processes(source, status);
	if (!r)
		r = source_counters(source, status->counters);
	return r ?: source_cost(source, &status->cost);
}

void accounts_clear(struct status *status)
{
	for (size_t i = 0; i < status->limit_count; i++) {
		free(status->limits[i].path);
		free(status->limits[i].why);
	}
	free(status->limits);
	free(status->processes);
	status->limits = NULL;
	status->processes = NULL;
	status->limit_count = status->process_count = 0;
}
