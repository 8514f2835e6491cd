/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which signal makes sense for a process, and which process is the leader of a cgroup. Nothing here
 * decides whether to signal. Silent.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "apoptosis/abi.h"
#include "sense/cgroup.h"

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
