/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes that are to be signalled: held by pidfd and start time, never by a bare pid; and which
 * signal, and whose, makes sense. Nothing here decides whether to signal. Silent.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "apoptosis/abi.h"
#include "sense/cgroup.h"

struct target {
	pid_t pid;
	int pidfd; /* -1: not open */
	uint64_t start_boottime_ns;
};

/*
 * Opens a process. start_boottime_ns is its start as the kernel side reported it, 0 if not known.
 * -ESRCH: it is gone, or the pid belongs to another process by now. -EPERM: a process that is
 * never signalled (host init, ourselves, a kernel thread).
 */
int target_open(int proc_fd, pid_t pid, uint64_t start_boottime_ns, struct target *ret);
void target_close(struct target *target);

/* 0 or -errno; -ESRCH: it has exited. */
int target_signal(const struct target *target, int signal);

/* Whether it has exited (a zombie has). */
bool target_exited(const struct target *target);

/*
 * The signal to use on a process: `wanted`; or SIGINT where `wanted` would do nothing and SIGINT
 * has a handler; or 0, if neither would help. A warning goes only to those who handle or wait for
 * it. The same rule as the kernel side's signal_choose().
 */
int target_signal_choose(int proc_fd, pid_t pid, int wanted, bool warn,
			 enum apo_disposition *ret_disposition);

/*
 * The main process of the cgroup a process is in: the init of its PID namespace if that is not
 * the host's, else the oldest process whose parent is outside of the cgroup. -ESRCH: none.
 */
int target_leader(const struct cgroup_tree *tree, int proc_fd, pid_t pid, pid_t *ret);
