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
	workload_clear(&limit->workload);
}

/* Whose policy it has, and why, and what it is called; of one that is gone nothing is known. Its guard; NULL: none. */
static const struct guard *judge(const struct accounts_config *config, struct status_limit *limit)
{
	const struct policy_set *policies = config->policies;
	const struct policy_subject subject = {.cgroup = limit->path};
	const struct guard *guard = limit->path ? policy_set_find(policies, &subject) : NULL;

	if (!guard) {
		limit->why = limit->path ? strdup("that of the processes: no guard covers this "
						  "limit")
					 : NULL;
		return NULL;
	}
	workloads_names(config->workloads, limit->path, &limit->workload);
	limit->why = policy_set_why(guard, &subject);
	limit->policy = policy_set_policy(policies, guard->policy);
	limit->guard = policy_set_name(guard);
	return guard;
}

/* With room for so many more. */
static int collect_limits(const struct accounts_config *config, size_t more, struct status *status)
{
	_cleanup_free_ struct apo_limit_key *keys = NULL;
	_cleanup_free_ struct apo_limit *accounts = NULL;
	size_t n;
	int r = source_limits(config->source, &keys, &accounts, &n);

	if (r)
		return r;
	status->limits = calloc(n + more + 1, sizeof(*status->limits));
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
		judge(config, limit);
	}
	status->limit_count = status->accounts = n;
	status->accounts_room = source_limits_room(config->source);
	return 0;
}

static int by_id(const void *a, const void *b)
{
	const struct status_limit *const *p = a, *const *q = b;

	return ((*p)->key.cgroup_id > (*q)->key.cgroup_id) -
	       ((*p)->key.cgroup_id < (*q)->key.cgroup_id);
}

/* Those that have an account, by their cgroups, ascending. NULL: no memory. */
static struct status_limit **by_cgroup(const struct status *status)
{
	struct status_limit **limits = calloc(status->limit_count + 1, sizeof(*limits));

	for (size_t i = 0; limits && i < status->limit_count; i++)
		limits[i] = &status->limits[i];
	if (limits)
		qsort(limits, status->limit_count, sizeof(*limits), by_id);
	return limits;
}

static struct status_limit idle_limit(const struct idle_limit *idle, uint64_t page_bytes)
{
	uint64_t need = idle->need_bytes / page_bytes, limit = idle->limit_bytes / page_bytes;

	return (struct status_limit){
		.path = strdup(idle->path),
		.key = {.cgroup_id = idle->cgroup_id},
		.account = {.need_pages = need,
			    .limit_pages = limit,
			    .peak_need_pages = need,
			    .least_headroom_pages = (int64_t)limit - (int64_t)need},
	};
}

/* Of each policy that judges it. */
static void set_need(struct status_limit **first, struct status_limit **found,
		     struct status_limit **end, const struct status_limit *now, uint64_t read_ns)
{
	while (found > first && found[-1]->key.cgroup_id == now->key.cgroup_id)
		found--;
	for (; found < end && (*found)->key.cgroup_id == now->key.cgroup_id; found++)
		if ((*found)->account.last_ns < read_ns)
			(*found)->account.need_pages = now->account.need_pages;
}

/*
 * What files say: of those that are guarded and have no account, for which there is room here, and of what is needed
 * now where nobody has grown since.
 */
static int collect_idle(const struct accounts_config *config, const struct idle_limit *idle,
			size_t n, struct status *status)
{
	_cleanup_free_ struct status_limit **known = by_cgroup(status);
	size_t known_count = status->limit_count;
	uint64_t read_ns = idle_limits_time_ns(config->idle);

	if (!known)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct status_limit *limit = &status->limits[status->limit_count], **found;
		const struct guard *guard = NULL;

		*limit = idle_limit(&idle[i], status->page_bytes);
		found = bsearch(&limit, known, known_count, sizeof(limit), by_id);
		if (found)
			set_need(known, found, known + known_count, limit, read_ns);
		else
			guard = judge(config, limit);
		if (guard) {
			limit->key.policy = guard->policy;
			status->limit_count++;
		} else {
			clear(limit);
		}
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
			status->processes[status->process_count++] = (struct status_process){
				.pid = pids[i],
				.python_version = source_python_version(source, pids[i]),
				.account = accounts[i],
			};
	return 0;
}

int accounts_read(const struct accounts_config *config, struct status *status)
{
	size_t n;
	const struct idle_limit *idle = idle_limits_read(config->idle, &n);

	status->raises = airbag_raises(config->airbag);
	return collect_limits(config, n, status)
		       ?: collect_idle(config, idle, n, status)
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
