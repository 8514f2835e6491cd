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
	int perf_map_fd; /* -1: there is none, see snapshot_take() */
};
#define SNAPSHOT_NONE ((struct snapshot){.perf_map_fd = -1})

/*
 * May wait for ever: only in a helper. pid_dirfd: of the process's /proc directory; ns_pid: its pid in its
 * own PID namespace; start_boottime_ns: when it began (CLOCK_BOOTTIME). The perf map is /tmp/perf-PID.map in its
 * root, if it is a plain file on no file system of the kernel's own, not larger than a perf map can be, which its user
 * or root has written since then (before, it was another's, that had its pid), and which its user could open. -ESRCH:
 * it is gone.
 */
int snapshot_take(int pid_dirfd, pid_t ns_pid, uint64_t start_boottime_ns, struct snapshot *ret);
void snapshot_clear(struct snapshot *snapshot);

/* The file of a mapping, a new descriptor; -1: it could not be had. */
int snapshot_file(const struct snapshot *snapshot, const struct mapping *mapping);
/* The perf map, a new descriptor; -1: there is none. */
int snapshot_perf_map(const struct snapshot *snapshot);
