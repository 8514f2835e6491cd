/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/policy_set.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

struct policy_set {
	uint32_t generation;
	size_t count;
	struct policy policies[APO_MAX_POLICIES];
	struct guard guards[APO_MAX_POLICIES];
};

struct policy_set *policy_set_new(uint32_t generation)
{
	struct policy_set *set = calloc(1, sizeof(*set));

	if (set)
		set->generation = generation;
	return set;
}

struct policy_set *policy_set_free(struct policy_set *set)
{
	if (!set)
		return NULL;
	for (size_t i = 0; i < set->count; i++)
		free((char *)set->guards[i].cgroup);
	free(set);
	return NULL;
}

int policy_set_add(struct policy_set *set, const struct policy *policy, const struct guard *guard)
{
	size_t id = set->count;
	char *cgroup = NULL;

	if (id == APO_MAX_POLICIES)
		return -ENOSPC;
	if (guard->cgroup) {
		cgroup = strdup(guard->cgroup);
		if (!cgroup)
			return -ENOMEM;
	}
	set->policies[id] = *policy;
	set->guards[id] = *guard;
	set->guards[id].policy = (uint32_t)id;
	set->guards[id].cgroup = cgroup;
	set->count++;
	return (int)id;
}

void policy_set_renumber(struct policy_set *set, uint32_t generation)
{
	set->generation = generation;
}

uint32_t policy_set_generation(const struct policy_set *set)
{
	return set->generation;
}

size_t policy_set_count(const struct policy_set *set)
{
	return set->count;
}

void policy_set_lend_nothing(struct policy_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		set->policies[i].airbag = AIRBAG_OFF;
}

const struct policy *policy_set_policy(const struct policy_set *set, uint32_t id)
{
	return &set->policies[id];
}

const struct guard *policy_set_guard(const struct policy_set *set, uint32_t id)
{
	return &set->guards[id];
}

const struct policy *policy_set_of_record(const struct policy_set *set, uint32_t id,
					  uint32_t generation)
{
	return generation == set->generation && id < set->count ? &set->policies[id] : NULL;
}

/* Whether the path is at or below the guard's cgroup, and how long the guard's path is. */
static bool is_below(const char *path, const char *cgroup, size_t *ret_length)
{
	size_t length = strcmp(cgroup, "/") ? strlen(cgroup) : 0;

	if (strncmp(path, cgroup, length) != 0 || (path[length] && path[length] != '/'))
		return false;
	*ret_length = length;
	return true;
}

/* Which guard of a configuration covers a subject. All guards of a set are of one configuration: asked once. */
struct configured {
	const struct config *config; /* NULL: not asked yet */
	size_t index, length;
};

static size_t configured_closeness(const struct guard *guard, const struct policy_subject *subject,
				   struct configured *configured)
{
	if (!subject->cgroup)
		return 0;
	if (!configured->config) {
		configured->config = guard->config;
		configured->index =
			config_covering(guard->config, subject->cgroup, &configured->length);
	}
	return configured->index == guard->index ? 2 + configured->length : 0;
}

/* How closely a guard matches; 0: not at all. By pid is closer than any cgroup. */
static size_t closeness(const struct guard *guard, const struct policy_subject *subject,
			struct configured *configured)
{
	size_t length = 0;

	switch (guard->kind) {
	case GUARD_ALL:
		return 1;
	case GUARD_HOST:
		return !subject->pid && subject->cgroup && !strcmp(subject->cgroup, "/") ? SIZE_MAX
											 : 0;
	case GUARD_CGROUP:
		return subject->cgroup && is_below(subject->cgroup, guard->cgroup, &length)
			       ? 2 + length
			       : 0;
	case GUARD_CONFIGURED:
		return configured_closeness(guard, subject, configured);
	case GUARD_PID:
		return subject->pid && subject->pid == guard->pid ? SIZE_MAX : 0;
	case GUARD_CHILDREN:
		return subject->pid && subject->is_our_child ? SIZE_MAX : 0;
	}
	return 0;
}

const struct guard *policy_set_find(const struct policy_set *set,
				    const struct policy_subject *subject)
{
	struct configured configured = {.config = NULL};
	const struct guard *found = NULL;
	size_t best = 0;

	for (size_t i = 0; i < set->count; i++) {
		size_t close = closeness(&set->guards[i], subject, &configured);

		if (close > best) {
			best = close;
			found = &set->guards[i];
		}
	}
	return found;
}

const char *policy_set_name(const struct guard *guard)
{
	return guard && (guard->kind == GUARD_CONFIGURED || guard->kind == GUARD_HOST)
		       ? config_guard(guard->config, guard->index)->name
		       : NULL;
}

char *policy_set_why(const struct guard *guard, const struct policy_subject *subject)
{
	const char *what = subject->cgroup ? subject->cgroup : "it";
	char *text = NULL;
	int r = -1;

	if (!guard)
		return strdup("no guard covers it");
	switch (guard->kind) {
	case GUARD_ALL:
		r = asprintf(&text, "--all, since no nearer guard covers %s", what);
		break;
	case GUARD_CGROUP:
		r = asprintf(&text, "--cgroup %s, the nearest guard at or above %s", guard->cgroup,
			     what);
		break;
	case GUARD_CONFIGURED:
		r = asprintf(&text, "[guard %s], which is for %s or a cgroup above it",
			     config_guard(guard->config, guard->index)->name, what);
		break;
	case GUARD_HOST:
		text = strdup("[host], which is for the machine's own memory");
		r = text ? 0 : -1;
		break;
	case GUARD_PID:
		r = asprintf(&text, "--pid %d, which comes before any cgroup", guard->pid);
		break;
	case GUARD_CHILDREN:
		text = strdup("run, which started it");
		r = text ? 0 : -1;
		break;
	}
	return r < 0 ? NULL : text;
}
