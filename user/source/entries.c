// SPDX-License-Identifier: BSD-2-Clause
/* What user space says to the kernel side, and reads of it: entries of its maps. */
#include <string.h>

#include "base/util.h"
#include "source/load.h"
#include "source/source_impl.h"

/* --- what user space says ------------------------------------------------------------------ */

int source_set_policy(struct source *source, uint32_t id, const struct apo_policy *policy)
{
	return maps_put(source->maps, MAP_POLICIES, &id, policy);
}

int source_set_generation(struct source *source, uint32_t generation)
{
	maps_settings(source->maps)->generation = generation;
	maps_recall_grants(source->maps);
	return 0;
}

int source_guard_all(struct source *source, uint32_t policy)
{
	if (source->looks)
		return -EOPNOTSUPP;
	maps_settings(source->maps)->guard_all = policy;
	return 0;
}

int source_guard_cgroup(struct source *source, uint64_t cgroup_id, uint32_t policy)
{
	uint32_t before;
	int r;

	if (!maps_get(source->maps, MAP_GUARD_CGROUPS, &cgroup_id, &before) && before == policy)
		return 0;
	r = maps_put(source->maps, MAP_GUARD_CGROUPS, &cgroup_id, &policy);
	if (r)
		return r == -E2BIG ? -ENOSPC : r;
	maps_settings(source->maps)->guard_cgroups = 1;
	maps_recall_grants(source->maps);
	return 0;
}

void source_unguard_cgroup(struct source *source, uint64_t cgroup_id)
{
	if (!maps_delete(source->maps, MAP_GUARD_CGROUPS, &cgroup_id))
		maps_recall_grants(source->maps);
}

int source_guard_host(struct source *source, const struct source_host *host)
{
	struct apo_settings *settings = maps_settings(source->maps);

	if (source->looks)
		return -EOPNOTSUPP;
	settings->host_pages = host->pages;
	settings->host_available_pages = host->available_pages;
	settings->host_policy = host->policy;
	return load_prepare(source->object); /* it holds that against what it counts */
}

bool source_guards_host(const struct source *source)
{
	return maps_settings(source->maps)->host_policy != APO_POLICY_NONE;
}

/* The key of a command in a trie. */
static struct apo_profiled_key command_key(const char *name, bool is_prefix)
{
	struct apo_profiled_key key = {.bits = 8 * (strlen(name) + !is_prefix)};

	memcpy(key.comm, name, strlen(name)); /* the rest is NULs */
	return key;
}

int source_weigh_command(struct source *source, const char *name, bool is_prefix, uint32_t weight)
{
	const struct apo_profiled_key key = command_key(name, is_prefix);
	int r = maps_put(source->maps, MAP_HOST_WEIGHTS, &key, &weight);

	return r == -E2BIG ? -ENOSPC : r;
}

void source_tell_cgroups(struct source *source)
{
	maps_settings(source->maps)->tells_cgroups = 1;
}

int source_guard_above(struct source *source, uint64_t cgroup_id, uint32_t policy)
{
	int r = maps_put(source->maps, MAP_GUARD_ABOVE, &cgroup_id, &policy);

	if (!r)
		maps_settings(source->maps)->guard_above = 1;
	return r == -E2BIG ? -ENOSPC : r;
}

int source_guard_pid(struct source *source, pid_t pid, uint32_t policy)
{
	uint32_t tgid = pid;
	int r = maps_put(source->maps, MAP_GUARD_PIDS, &tgid, &policy);

	if (!r)
		maps_settings(source->maps)->guard_pids = 1;
	return r == -E2BIG ? -ENOSPC : r;
}

int source_guard_children(struct source *source, uint32_t policy)
{
	return source_guard_pid(source, maps_settings(source->maps)->self_tgid, policy);
}

int source_set_profiled(struct source *source, const struct profiles *profiles)
{
	_cleanup_free_ struct profile_mark *marks = NULL;
	size_t n = 0;
	int r = profiles_marks(profiles, &marks, &n);

	for (size_t i = 0; !r && i < n; i++) {
		const struct profile_command *command = &marks[i].command;
		const struct apo_profiled_key key = command_key(command->name, command->is_prefix);

		r = maps_put(source->maps, MAP_PROFILED, &key, &marks[i].uses);
	}
	return r == -E2BIG ? -ENOSPC : r;
}

int source_declare(struct source *source, pid_t pid, const struct apo_declared *entry)
{
	uint32_t tgid = pid;

	if (entry->by != APO_DECLARED_NOTHING)
		return maps_put(source->maps, MAP_DECLARED, &tgid, entry);
	maps_delete(source->maps, MAP_DECLARED, &tgid); /* there may be none */
	return 0;
}

int source_declared(struct source *source, pid_t pid, struct apo_declared *ret)
{
	uint32_t tgid = pid;

	return maps_get(source->maps, MAP_DECLARED, &tgid, ret);
}

void source_set_swap(struct source *source, uint64_t free_pages, uint64_t nr_swap_pages_address)
{
	struct apo_settings *settings = maps_settings(source->maps);

	settings->swap_pages = free_pages;
	settings->nr_swap_pages_address = nr_swap_pages_address;
}

int source_follow(struct source *source, pid_t pid, const struct apo_signalled *entry)
{
	uint32_t tgid = pid;

	return maps_put(source->maps, MAP_SIGNALLED, &tgid, entry);
}

int source_set_loan(struct source *source, uint64_t cgroup_id, const struct apo_loan *loan)
{
	int r;

	r = loan ? maps_put(source->maps, MAP_LOANS, &cgroup_id, loan)
		 : maps_delete(source->maps, MAP_LOANS, &cgroup_id);
	if (loan && !r)
		maps_settings(source->maps)->loans = 1;
	maps_recall_grants(source->maps); /* there is more room now, or less */
	return r == -E2BIG ? -ENOSPC : r;
}

uint64_t source_lent_pages(struct source *source, uint64_t cgroup_id)
{
	struct apo_loan loan;

	if (maps_get(source->maps, MAP_LOANS, &cgroup_id, &loan) ||
	    loan.limit_pages == APO_UNLIMITED)
		return 0;
	return loan.raised_pages - loan.limit_pages;
}

/* --- what it reads ------------------------------------------------------------------------- */

int source_followed(struct source *source, pid_t pid, struct apo_signalled *ret)
{
	uint32_t tgid = pid;

	return maps_get(source->maps, MAP_SIGNALLED, &tgid, ret);
}

int source_limit(struct source *source, const struct apo_limit_key *key, struct apo_limit *ret)
{
	return maps_get(source->maps, MAP_LIMITS, key, ret);
}

int source_limits(struct source *source, struct apo_limit_key **ret_keys, struct apo_limit **ret,
		  size_t *ret_n)
{
	return maps_copy(source->maps, MAP_LIMITS, (void **)ret_keys, (void **)ret, ret_n);
}

uint32_t source_limits_room(const struct source *source)
{
	return maps_room(source->maps, MAP_LIMITS);
}

void source_drop_limit(struct source *source, const struct apo_limit_key *key)
{
	maps_delete(source->maps, MAP_LIMITS, key);
}

int source_gaps(struct source *source, struct apo_gap_key **ret_keys, uint64_t **ret_found_ns,
		size_t *ret_n)
{
	return maps_copy(source->maps, MAP_GAPS, (void **)ret_keys, (void **)ret_found_ns, ret_n);
}

void source_drop_gap(struct source *source, const struct apo_gap_key *key)
{
	maps_delete(source->maps, MAP_GAPS, key);
}

int source_processes(struct source *source, uint32_t **ret_pids, struct apo_process **ret,
		     size_t *ret_n)
{
	return maps_copy(source->maps, MAP_PROCESSES, (void **)ret_pids, (void **)ret, ret_n);
}

int source_counters(struct source *source, uint64_t ret[APO_STATS])
{
	return maps_counters(source->maps, ret);
}

int source_weights(struct source *source, struct apo_weight_key **ret_keys, struct apo_weight **ret,
		   size_t *ret_n)
{
	return maps_copy(source->maps, MAP_WEIGHTS, (void **)ret_keys, (void **)ret, ret_n);
}

int source_stack(struct source *source, uint64_t key, struct apo_stack *ret)
{
	return maps_get(source->maps, MAP_STACKS, &key, ret);
}

int source_python_code(struct source *source, const struct apo_python_code_key *key,
		       struct apo_python_code *ret)
{
	return maps_get(source->maps, MAP_PYTHON_CODES, key, ret);
}

int source_set_python(struct source *source, uint32_t tgid, const struct apo_python *python)
{
	return python ? maps_put(source->maps, MAP_PYTHONS, &tgid, python)
		      : maps_delete(source->maps, MAP_PYTHONS, &tgid);
}

uint32_t source_python_version(struct source *source, uint32_t tgid)
{
	struct apo_python python;

	if (!maps_settings(source->maps)->profiling)
		return 0; /* one look for each process */
	return maps_get(source->maps, MAP_PYTHONS, &tgid, &python) ? 0 : python.version;
}

int source_usage_samples(struct source *source, uint64_t limit_cgroup, uint64_t from_ns,
			 struct apo_usage_sample **ret, size_t *ret_n)
{
	return maps_usage_samples(source->maps, limit_cgroup, from_ns, ret, ret_n);
}
