/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The code a process runs: what is mapped where, and the files themselves, held by path
 * descriptors, which open nothing. Good beyond the end of the process.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sense/mappings.h"

#define SNAPSHOT_FILES_MAX 200

struct snapshot_file {
	size_t mapping; /* the first of it */
	int fd;		/* -1: it could not be had */
};

struct snapshot {
	struct mappings mappings;
	struct snapshot_file files[SNAPSHOT_FILES_MAX];
	size_t file_count;
	int root_fd; /* its root directory */
	uid_t uid;
};

/* pid_dirfd: of its /proc directory. -ESRCH: it is gone. */
int snapshot_take(int pid_dirfd, struct snapshot *ret);
void snapshot_clear(struct snapshot *snapshot);

/* The file of a mapping, a new descriptor; -1: it could not be had. */
int snapshot_file(const struct snapshot *snapshot, const struct mapping *mapping);

/*
 * /tmp/perf-PID.map in its root, by its pid in its own PID namespace; -1: there is none that its
 * user, or root, has written. A new descriptor.
 */
int snapshot_perf_map(const struct snapshot *snapshot, pid_t ns_pid);
