/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Facts of an incident, out of records of the kernel side and the files of the machine. A fact
 * that cannot be had any more stays empty. Whose facts they are is a pidref, resolved by the caller
 * and not again here. Silent. New incidents are the caller's; NULL: no memory.
 */
#pragma once

#include "core/incident.h"
#include "core/policy_set.h"
#include "engine/seen_cgroups.h"
#include "sense/cgroup.h"
#include "sense/pidref.h"

struct facts_config {
	const struct cgroup_tree *tree;
	const struct seen_cgroups *seen;
	const struct policy_set *policies;
	int proc_fd;
	uint64_t page_bytes;
};

/* Who it is: names, command line, cgroup, container, unit. A process that is gone is what the task says. */
void facts_process(const struct facts_config *config, const struct pidref *process,
		   const struct apo_task *task, struct incident_process *ret);

/*
 * The command line of the grower as the kernel side read it, where /proc did not have it any more:
 * its first APO_ARGS_LEN bytes, arguments joined by single spaces.
 */
void facts_args(const struct apo_trip *trip, struct incident_process *process);

/* Names the guard of its limit, whose cgroup is known. */
void facts_guard(const struct facts_config *config, struct incident *incident);
/*
 * What the memory of a cgroup is now; without a word unchanged. with_swap: what its limit counts has swap in it.
 */
void facts_parts(const struct cgroup_tree *tree, int dirfd, bool with_swap,
		 struct memory_parts *ret);
void facts_events(const struct cgroup_tree *tree, int dirfd, struct incident_events *ret);

/* Of a trip or a warning. grower: its process, also where another one is the target. */
struct incident *facts_trip(const struct facts_config *config, const struct apo_trip *trip,
			    const struct pidref *grower);
/* Of a record whose trip is not known: what it says itself. */
struct incident *facts_orphan_close(const struct facts_config *config,
				    const struct apo_close *record, const struct pidref *process);
struct incident *facts_orphan_oom(const struct facts_config *config, const struct apo_oom *record,
				  const struct pidref *process);
/* Of a kill that no trip preceded. */
struct incident *facts_missed(const struct facts_config *config, const struct apo_oom *record,
			      const struct pidref *process);
