// SPDX-License-Identifier: BSD-2-Clause
#include "engine/accounts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

static void clear(struct status_limit *limit)
{
	free(limit->path);
	free(limit->why);
}

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
	limit->guard = policy_set_name(guard);
}

static int collect_limits(const struct accounts_config *config, struct status *status)
{
	_cleanup_free_ struct apo_limit_key *keys = NULL;
	_cleanup_free_ struct apo_limit *accounts = NULL;
	size_t n, idle;
	int r = source_limits(config->source, &keys, &accounts, &n);

	if (r)
		return r;
	idle_limits_read(config->idle, status->now_ns, &idle);
	status->limits = calloc(n + idle + 1, sizeof(*status->limits));
	if (!status->limits)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct status_limit *limit = &status->limits[i];

		limit->key = keys[i];
		limit->account = accounts[i];
		limit->lent_pages = source_lent_pages(config->source, keys[i].cgroup_id);
		limit->loan = airbag_loan(config->airbag, keys[i].cgroup_id);
		if (cgroup_path_of_id(config->tree, keys[i].cgroup_id, &limit->path))
			limit->path = NULL;
		judge(config->policies, limit);
	}
	status->limit_count = n;
	return 0;
}

static int by_id(const void *a, const void *b)
{
	const uint64_t *p = a, *q = b;

	return (*p > *q) - (*p < *q);
}

/* The cgroups of the accounts, ascending. NULL: no memory. */
static uint64_t *known_ids(const struct status *status)
{
	uint64_t *ids = calloc(status->limit_count + 1, sizeof(*ids));

	for (size_t i = 0; ids && i < status->limit_count; i++)
		ids[i] = status->limits[i].key.cgroup_id;
	if (ids)
		qsort(ids, status->limit_count, sizeof(*ids), by_id);
	return ids;
}

/* Those that are guarded and have no account: there is room for all of them. */
static int collect_idle(const struct accounts_config *config, struct status *status)
{
	_cleanup_free_ uint64_t *known = known_ids(status);
	size_t known_count = status->limit_count, n;
	const struct idle_limit *idle = idle_limits_read(config->idle, status->now_ns, &n);

	if (!known)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct status_limit *limit = &status->limits[status->limit_count];
		int64_t pages = (int64_t)(idle[i].limit_bytes / status->page_bytes) -
				(int64_t)(idle[i].need_bytes / status->page_bytes);

		if (bsearch(&idle[i].cgroup_id, known, known_count, sizeof(*known), by_id))
			continue;
		*limit = (struct status_limit){
			.path = strdup(idle[i].path),
			.key = {.cgroup_id = idle[i].cgroup_id},
			.account = {.need_pages = idle[i].need_bytes / status->page_bytes,
				    .limit_pages = idle[i].limit_bytes / status->page_bytes,
				    .peak_need_pages = idle[i].need_bytes / status->page_bytes,
				    .least_headroom_pages = pages},
		};
		judge(config->policies, limit);
		if (limit->policy)
			status->limit_count++;
		else
			clear(limit);
	}
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

int accounts_read(const struct accounts_config *config, struct status *status)
{
	return collect_limits(config, status)
		       ?: collect_idle(config, status)
		       ?: collect_processes(config->source, status)
		       ?: source_counters(config->source, status->counters)
		       ?: source_cost(config->source, &status->cost);
}

void accounts_clear(struct status *status)
{
	for (size_t i = 0; i < status->limit_count; i++)
		clear(&status->limits[i]);
	free(status->limits);
	free(status->processes);
	status->limits = NULL;
	status->processes = NULL;
	status->limit_count = status->process_count = 0;
}
