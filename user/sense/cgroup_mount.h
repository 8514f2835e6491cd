/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mounted cgroup hierarchies, and which of them shows most of the memory controller. Only
 * sense/cgroup.c uses it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct cgroup_mount {
	char *point; /* from the root of the root_fd given */
	char *root;  /* what of the hierarchy it shows, as seen from our cgroup namespace */
	int version; /* 1 or 2; 0: v1 without the memory controller */
};

struct cgroup_mounts {
	struct cgroup_mount *mounts; /* in the order they were mounted */
	size_t n;
	bool hybrid; /* v1 and v2 are both there */
};

/* From proc/self/mountinfo below root_fd. Lines that are no mounts are passed over. */
int cgroup_mounts_read(int root_fd, struct cgroup_mounts *ret);

/* Frees what the struct owns, not itself; leaves it empty. */
void cgroup_mounts_done(struct cgroup_mounts *mounts);

/*
 * Chooses and opens the mount to use, as cgroup_tree_new() tells. *ret points into mounts.
 * -ENODEV: there is none with the memory controller.
 */
int cgroup_mounts_open_memory(const struct cgroup_mounts *mounts, int root_fd,
			      const struct cgroup_mount **ret, int *ret_fd);

/*
 * The innermost mount that an absolute, clean path lies in; NULL if in none. Of several on the same
 * point it is `preferred`, if that is among them.
 */
const struct cgroup_mount *cgroup_mounts_of_path(const struct cgroup_mounts *mounts,
						 const char *path,
						 const struct cgroup_mount *preferred);

/*
 * How many levels above our cgroup namespace's root the mount begins: 2 for "/../..", 0 for "/";
 * -1: it begins somewhere else.
 */
int cgroup_mount_levels_up(const struct cgroup_mount *mount);

/* The part of a clean path below prefix, "" for prefix itself; NULL if it is not below. */
const char *cgroup_mount_path_below(const char *path, const char *prefix);
