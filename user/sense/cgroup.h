/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mounted memory controller, and its cgroups by path, id and process. Usage and limits are in
 * sense/cgroup_memory.h.
 *
 * A cgroup is named by its path below the mount of the memory hierarchy, "/a/b" ("/" is the mount
 * itself), called `rel`. Where the mount shows the whole hierarchy that is the path known to
 * /proc/PID/cgroup; in a container it is what the container can see. The same cgroup's id is the
 * inode number of its directory, which is what the kernel side calls it, on v1 and on v2.
 *
 * Functions return 0 or -errno: -ENOENT no such cgroup, -ESRCH no such process.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sense/cgroup_dir.h"

struct cgroup_tree;

/*
 * Finds the memory controller in proc/self/mountinfo below root_fd (an open "/", or a fixture of
 * one; not kept): the v1 memory hierarchy where it is mounted, else the unified one if it has the
 * memory controller. Of several mounts the one that shows most is taken: one above the cgroup
 * namespace's root ("/../..", the host's tree in a container) before the whole ("/") before a part.
 * -ENODEV: the memory controller is not mounted here.
 */
int cgroup_tree_new(struct cgroup_tree **ret, int root_fd);
struct cgroup_tree *cgroup_tree_free(struct cgroup_tree *tree);

static inline void cgroup_tree_freep(struct cgroup_tree **tree)
{
	cgroup_tree_free(*tree);
}
#define _cleanup_cgroup_tree_ __attribute__((cleanup(cgroup_tree_freep)))

/* 1 or 2. */
int cgroup_tree_version(const struct cgroup_tree *tree);

/* The id of the cgroup that is "/"; 0: it cannot be told. */
uint64_t cgroup_tree_root_id(const struct cgroup_tree *tree);

/* Mount point, "/sys/fs/cgroup/memory". Owned by the tree. */
const char *cgroup_tree_mount(const struct cgroup_tree *tree);

/* Both v1 hierarchies and the unified one are mounted. */
bool cgroup_tree_hybrid(const struct cgroup_tree *tree);

/* About how many memory cgroups there are, as far as the kernel says it here; 0: it does not. */
uint64_t cgroup_tree_count(const struct cgroup_tree *tree);

/*
 * What a person wrote, as a rel: a path below the cgroup root with or without the first slash, or
 * an absolute path that begins with the mount point. Text only: the cgroup need not exist. -EINVAL:
 * empty, has "..", or lies below another cgroup mount (another v1 controller, or the unified
 * hierarchy where memory is on v1). -ENAMETOOLONG.
 */
int cgroup_path_normalize(const struct cgroup_tree *tree, const char *user_path, char **ret_rel);

/* Opens the directory, for what takes a dirfd. It stays this cgroup's if the path is reused. */
int cgroup_open(const struct cgroup_tree *tree, const char *rel, int *ret_dirfd);

/*
 * Finds the cgroup by file handle (needs CAP_DAC_READ_SEARCH), else by walking the tree. -ESTALE:
 * it is gone, or this mount does not show it.
 */
int cgroup_path_of_id(const struct cgroup_tree *tree, uint64_t id, char **ret_rel);

/*
 * The memory cgroup of a process, from PID/cgroup in proc_fd (an open /proc). -ESTALE: its cgroup
 * is removed already. -EXDEV: it lies outside of what the mount shows.
 */
int cgroup_path_of_pid(const struct cgroup_tree *tree, int proc_fd, pid_t pid, char **ret_rel);

/* Whether the process is in the cgroup of that id, or below it. What cannot be told counts as no. */
bool cgroup_has_process(const struct cgroup_tree *tree, int proc_fd, uint64_t id, pid_t pid);

/*
 * Makes a cgroup; its parent exists. On v2 the memory controller is enabled for the children of
 * every cgroup above it, which the kernel refuses with -EBUSY where one of these has processes of
 * its own; then the new cgroup is removed again.
 */
int cgroup_create(const struct cgroup_tree *tree, const char *rel);

/* -EBUSY: it has processes or children. */
int cgroup_remove(const struct cgroup_tree *tree, const char *rel);
