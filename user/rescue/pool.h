/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What program a process is of, and its place in a pool of them: the profile that fits it, and its master.
 * Reads only what no process can keep from being read. Silent.
 */
#pragma once

#include <sys/types.h>

#include "core/profiles.h"

/* A process as it is seen. */
struct pool_look {
	char comm[APO_COMM_LEN];
	pid_t parent; /* 0: none that can be seen */
};

/* How processes are looked at: 0 or -errno. */
struct pool_view {
	const struct profiles *profiles; /* NULL: there are none */
	int (*look)(pid_t pid, struct pool_look *ret, void *userdata);
	/* The children of a process, the latest last, as many as there is room for; how many. */
	size_t (*children)(pid_t pid, pid_t *ret, size_t max, void *userdata);
	void *userdata;
};

/* By /proc. */
int pool_look_at(int proc_fd, pid_t pid, struct pool_look *ret);

/*
 * The profile that fits a process, and the one that would without that (may be NULL where nobody asks).
 * arguments: its command line, NULL: not known. NULL: none fits.
 */
const struct profile *pool_profile(const struct pool_view *view, pid_t pid, const char *arguments,
				   const struct profile **ret_other);

/* Who is told in place of a process that has that profile. 0: there is none. */
pid_t pool_other(const struct pool_view *view, pid_t pid, const struct profile *profile);
