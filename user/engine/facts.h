/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Facts of an incident, out of records of the kernel side and the files of the machine. A fact
 * that cannot be had any more stays empty. Silent.
 */
#pragma once

#include "core/incident.h"
#include "sense/cgroup.h"

/* Who it is: names, command line, cgroup, container. pid: in our namespace. */
void facts_process(const struct cgroup_tree *tree, int proc_fd, pid_t pid,
		   const struct apo_task *task, struct incident_process *ret);

/*
 * The command line of the grower as the kernel side read it, where /proc did not have it any more:
 * its first APO_ARGS_LEN bytes, arguments joined by single spaces.
 */
void facts_args(const struct apo_trip *trip, struct incident_process *process);

/* The state of the binding limit, in bytes; not its path. */
void facts_reading(const struct apo_reading *reading, uint64_t page_bytes,
		   struct incident *incident);

void facts_events(const struct cgroup_tree *tree, int dirfd, struct incident_events *ret);
