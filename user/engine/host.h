/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine that is guarded, as it is at the start. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sense/cgroup.h"
#include "sense/machine.h"

struct host {
	struct machine machine;
	struct cgroup_tree *tree;
	int proc_fd;	     /* open /proc */
	uint32_t pid_ns;     /* inode of our PID namespace */
	bool initial_pid_ns; /* it is the machine's: pids of the kernel side are ours */
	bool may_swap;	     /* the kernel swaps at a cgroup's limit */
	uint64_t page_bytes;
};

/*
 * What all limits together may be raised by at a time: so many bytes; else so much of the machine's memory. UINT64_MAX
 * where both are 0: what the machine can spare.
 */
uint64_t host_lend_most_bytes(const struct host *host, uint64_t bytes, uint32_t permyriad);

/* The memory cgroup of a process, allocated: 0 or -errno. userdata: a struct host. */
int host_cgroup_of(pid_t pid, char **ret, void *userdata);

/* 0 or -errno; -ENODEV: the memory controller is not mounted. To be closed in any case. */
int host_open(struct host *host);
void host_close(struct host *host);
