/* SPDX-License-Identifier: BSD-2-Clause */
/* Which process is the leader of a cgroup. Reads only what no process can hold up. Silent. */
#pragma once

#include <sys/types.h>

#include "sense/cgroup.h"
#include "sense/pidref.h"

/*
 * The main process of the memory cgroup that a process is charged to: the init of its PID namespace if
 * that is not the host's, else the oldest process whose parent is outside of the cgroup. The cgroup is the
 * one of the record: pid may be another's by now, or in another cgroup, and then counts for nothing. With
 * the start time of what was found. pid: that of the process in our PID namespace. -ESRCH: none.
 */
int leader_find(const struct cgroup_tree *tree, int proc_fd, pid_t pid, const struct apo_task *task,
		pid_t *ret, uint64_t *ret_start_boottime_ns);
