/* SPDX-License-Identifier: BSD-2-Clause */
/* Which process is the leader of a cgroup. Silent. */
#pragma once

#include <sys/types.h>

#include "sense/cgroup.h"

/*
 * The main process of the cgroup a process is in: the init of its PID namespace if that is not
 * the host's, else the oldest process whose parent is outside of the cgroup. -ESRCH: none.
 */
int leader_find(const struct cgroup_tree *tree, int proc_fd, pid_t pid, pid_t *ret);
