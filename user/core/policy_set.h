/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything that is guarded, and how: policies by id, and guards, each a match that leads to one
 * of them. `watch` and `run` are sets of one. A set does not change; other policies are another
 * set, with another generation, so that a record of the kernel side, which carries both, is never
 * judged by a policy that was not in force when it was written. Pure.
 *
 * Whose policy (the kernel side's policy_of_process() and policy_of_limit() follow the same rules):
 *
 *   A process has the policy of the guard that matches it most closely: by its pid or that of an
 *   ancestor, else by the nearest cgroup at or above its own, else the guard of everything.
 *
 *   A limit has the policy of the guard that covers the cgroup whose limit it is, the nearest at or
 *   above it, else the guard of everything. Lines, loans and the account are the limit's, so that
 *   two policies below it cannot fight over one state; signals, target, grace and cooldown are
 *   those of the process that is signalled.
 *
 *   A limit that no guard covers is judged for each process by that process's policy, in an account
 *   of that policy.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/config.h"
#include "core/policy.h"

enum guard_kind {
	GUARD_ALL = 0,	/* every cgroup with a limit */
	GUARD_CGROUP,	/* a cgroup and all below it */
	GUARD_PID,	/* a process and the children it forks from now on */
	GUARD_CHILDREN, /* the children that we fork from now on */
	GUARD_HOST, /* the machine's own memory: a limit, that of the root cgroup, and nobody's policy */
	GUARD_CONFIGURED, /* the cgroups that a guard of a configuration is for, and all below these */
};

struct guard {
	enum guard_kind kind;
	uint32_t policy;    /* id */
	const char *cgroup; /* GUARD_CGROUP: below the memory hierarchy's root; owned by the set */
	pid_t pid;	    /* GUARD_PID: in our PID namespace */
	const struct config *config; /* GUARD_CONFIGURED; outlives the set */
	size_t index;		     /* of its guards */
};

struct policy_set;

/* generation: not 0. It is another one where records of other policies may turn up. NULL: no memory. */
struct policy_set *policy_set_new(uint32_t generation);
/* Takes NULL. Returns NULL. */
struct policy_set *policy_set_free(struct policy_set *set);

/* Adds a policy and its guard. The id, from 0 on; -ENOSPC: there are APO_MAX_POLICIES; -ENOMEM. */
int policy_set_add(struct policy_set *set, const struct policy *policy, const struct guard *guard);

/* Before anybody has seen it. */
void policy_set_renumber(struct policy_set *set, uint32_t generation);
uint32_t policy_set_generation(const struct policy_set *set);
size_t policy_set_count(const struct policy_set *set);
/* id: below policy_set_count(). */
const struct policy *policy_set_policy(const struct policy_set *set, uint32_t id);
/* From now on none of the policies lends, nor slows down who grows. */
void policy_set_lend_nothing(struct policy_set *set);
const struct guard *policy_set_guard(const struct policy_set *set, uint32_t id);

/* The policy that a record names; NULL: it is of another generation, or of no policy. */
const struct policy *policy_set_of_record(const struct policy_set *set, uint32_t id,
					  uint32_t generation);

/* A process or a limit whose guard is asked for. */
struct policy_subject {
	const char *cgroup; /* that it is charged to, or whose limit it is: "/a/b" */
	pid_t pid;	    /* 0: a limit, which no guard of a process covers */
	bool is_our_child;
};

/* The guard that covers it by the rule above; NULL: none. */
const struct guard *policy_set_find(const struct policy_set *set,
				    const struct policy_subject *subject);

/* The name of a guard of the configuration; NULL: it is none, or what none is for. Takes NULL. */
const char *policy_set_name(const struct guard *guard);

/*
 * Why that guard covers it, for people: "--cgroup /a, the nearest guard at or above /a/b". The
 * caller frees it; NULL: no memory. guard: of policy_set_find().
 */
char *policy_set_why(const struct guard *guard, const struct policy_subject *subject);
