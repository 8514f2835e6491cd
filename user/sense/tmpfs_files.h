/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which files a cgroup's memory on tmpfs is: of those that a process sees below its root, and of what it has open
 * and has no path any more. Whose pages they are the kernel tells by page, to who has CAP_SYS_ADMIN
 * (/proc/kpagecgroup): some of each file are asked for, and none is allocated or swapped in for that.
 *
 * Looks up paths that a tenant has in its hands: may wait for ever, only in a helper.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TMPFS_FILES_MAX 8    /* that are told of, the largest */
#define TMPFS_PATH_MAX 256UL /* bytes, with a NUL; of longer ones the end is kept */

struct tmpfs_file {
	char path[TMPFS_PATH_MAX];
	uint64_t bytes;	     /* charged to the cgroup; or, where that cannot be told, all of it */
	uint64_t changed_ns; /* CLOCK_REALTIME: its content or its size */
	uint32_t is_unlinked;
};

struct tmpfs_files {
	struct tmpfs_file list[TMPFS_FILES_MAX]; /* largest first */
	uint32_t count;
	uint32_t is_owned; /* bytes are the cgroup's */
	uint32_t is_cut;   /* there were too many to look at all */
};

struct tmpfs_search {
	int proc_fd;
	int pid_dirfd;	  /* of the process, below that */
	int cgroup_dirfd; /* -1: it cannot be told whose they are */
};

/* -errno: the process cannot be looked at. */
int tmpfs_files_find(const struct tmpfs_search *search, struct tmpfs_files *ret);
