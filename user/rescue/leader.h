/* SPDX-License-Identifier: BSD-2-Clause */
/* Which process is the leader of a cgroup. Reads only what no process can hold up. Silent. */
#pragma once

#include <sys/types.h>

#include "sense/cgroup.h"
#include "sense/proc.h"
#include "sense/pidref.h"

/*
 * The main process of the cgroup that a process is in: the init of its PID namespace if that is not the
 * host's, else the oldest process whose parent is outside of the cgroup. With its start time. pid: that of
 * the process in our PID namespace. If it is another's by now, or has moved out of the memory cgroup of
 * the record, it counts for nothing, and the cgroup is that one. -ESRCH: none.
 */
int leader_find(const struct cgroup_tree *tree, int proc_fd, pid_t pid, const struct apo_task *task,
		pid_t *ret, uint64_t *ret_start_boottime_ns);

/*
 * The main process of a cgroup by its path: the init of a PID namespace that is not the host's, else the oldest whose
 * parent is outside of the cgroup. Freed by the caller. The root, in which nothing belongs together, has none. -ESRCH:
 * none.
 */
int leader_of_cgroup(const struct cgroup_tree *tree, int proc_fd, const char *rel,
		     struct proc_info **ret);
