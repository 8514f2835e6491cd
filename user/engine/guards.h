/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is guarded: guards as a user gives them, checked against this machine, held as a policy_set,
 * and handed to the kernel side.
 *
 * Functions that return an exit status log what is wrong: 0; EXIT_USAGE for what the user gave;
 * EXIT_CANNOT for what the machine does not allow; EXIT_RUNTIME.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/policy_set.h"
#include "sense/cgroup.h"
#include "source/source.h"

struct guards;

struct guards_config {
	bool may_look; /* see engine/open_source.h: then pids need not be known to the kernel side */
	const struct cgroup_tree *tree;
	int proc_fd;	     /* open /proc, kept by the caller */
	uint32_t pid_ns;     /* inode of our PID namespace */
	bool initial_pid_ns; /* it is the machine's */
	uint32_t cpu_ids;    /* highest possible CPU number + 1 */
};

/* 0 or -ENOMEM. */
int guards_new(struct guards **ret, const struct guards_config *config);
/* Takes NULL. Returns NULL. */
struct guards *guards_free(struct guards *guards);

/* A cgroup, as the user wrote it, and its subtree. It must have a limit, its own or inherited. */
int guards_add_cgroup(struct guards *guards, const struct policy *policy, const char *path);
/* The cgroup of the pod of that uid, as guards_add_cgroup(). */
int guards_add_pod(struct guards *guards, const struct policy *policy, const char *uid);
int guards_add_pid(struct guards *guards, const struct policy *policy, pid_t pid);
/* Every child that we fork from now on; its cgroup is ours. */
int guards_add_children(struct guards *guards, const struct policy *policy);
int guards_add_all(struct guards *guards, const struct policy *policy);
/* All that a configuration says, which outlives them: its guards, and one of everything else. */
int guards_add_config(struct guards *guards, struct config *config);

const struct policy_set *guards_policies(const struct guards *guards);
/* What is known of what runs in cgroups; NULL: nobody has needed to know. */
struct workloads *guards_workloads(const struct guards *guards);
/* The cgroup of guard `id`, or the one its process is in; NULL: the guard of everything. */
const char *guards_cgroup(const struct guards *guards, uint32_t id);
/* The pidfd of a guard's process, readable when that has ended; -1: not a guard by pid. */
int guards_pidfd(const struct guards *guards, uint32_t id);

/* Before guards_apply(): there is nobody who could. */
void guards_lend_nothing(struct guards *guards);
/* Gives policies and guards to the kernel side. 0 or -errno. */
int guards_apply(const struct guards *guards, struct source *source, uint64_t page_bytes);

/* A cgroup is made, or seen for the first time: it may be one that a guard of the configuration is for. */
void guards_on_cgroup(const struct guards *guards, struct source *source, uint64_t id);

/* Whether a guard is that of a cgroup by its path: the next three are about those. */
bool guards_have_cgroup(const struct guards *guards);
/*
 * Calls fn for each directory above a guard's cgroup, from the mount on, as far as they are there: what is
 * removed or made anew on the way is a change in one of them.
 */
void guards_each_dir_above(const struct guards *guards, void (*fn)(int dirfd, void *userdata),
			   void *userdata);
/*
 * Looks what is at the paths of guards now. A cgroup that was made anew there is guarded from here on, by the
 * same policy, whoever runs in it already. Logs each change.
 */
void guards_look_again(struct guards *guards, struct source *source);
/* Whether it is removed, and not made anew. */
bool guards_is_gone(const struct guards *guards, uint32_t id);
