/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One cgroup by its open directory, as cgroup_open() gives it: its id, processes, descendants. The
 * directory stays this cgroup's after a rename, and when its path is used again.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The inode number of the directory, on v1 and on v2: what the kernel side calls the cgroup. */
int cgroup_id(int dirfd, uint64_t *ret_id);

/* Moves a process (0: the caller) into the cgroup. */
int cgroup_attach(int dirfd, pid_t pid);

/*
 * The processes of this one cgroup, ascending, each once; those of foreign PID namespaces are left
 * out. Allocated; with none, *ret is not NULL and *ret_n is 0. -EOPNOTSUPP: threaded v2 cgroup.
 */
int cgroup_procs(int dirfd, pid_t **ret, size_t *ret_n);

/*
 * Calls visit for the cgroup in dirfd and everything below it, parents first. `path` is relative
 * to dirfd: "/" then "/a", "/a/b". A return value other than 0 ends the walk and is returned.
 * Cgroups that vanish meanwhile are passed over. -E2BIG: more than CGROUP_WALK_MAX cgroups or
 * CGROUP_DEPTH_MAX levels; all within the bounds were visited. There are no more memory cgroups than that
 * (MEM_CGROUP_ID_MAX); each level takes two descriptors.
 */
#define CGROUP_WALK_MAX 65536
#define CGROUP_DEPTH_MAX 128
int cgroup_walk(int dirfd, int (*visit)(int dirfd, const char *path, void *userdata),
		void *userdata);
