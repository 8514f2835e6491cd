/* SPDX-License-Identifier: BSD-2-Clause */
/* What would be done for a process, and why: gathered by engine/explain.h, shown by output/explain.h. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/comeback.h"
#include "core/policy.h"
#include "core/stop_signal.h"

/* Strings are owned and raw; NULL: not known. */
struct explained_process {
	pid_t pid; /* 0: there is none */
	char *comm;
	/* NULL: none fits; and the next that would, if that were not there. */
	const struct profile *profile, *other_profile;
	struct stop_signal stop;
	enum profile_target target; /* who of its pool is told in its place, if there is one */
};

struct explanation {
	uint64_t realtime_ns;
	/* It grows; of its cgroup; of its pool, where its profile says that this one is told in its place. */
	struct explained_process process, leader, other;
	char *cgroup; /* that it is charged to */
	char *unit;   /* the service of systemd that this is of, where its manager says so */
	struct unit_state unit_state;
	char *limit_cgroup; /* whose limit binds; NULL: none does */
	uint64_t limit_bytes, need_bytes, file_bytes;
	uint64_t reserve_bytes, lends_bytes; /* by the policy */
	bool lends;			     /* the limit can be raised */
	int lends_error;		     /* -errno: why not; 0: the policy does not */
	/* Whom the signal is for; of "all" the process stands for the others. NULL: nobody would get one. */
	const struct explained_process *target;
};

/* Frees what it owns, not itself. */
void explanation_clear(struct explanation *explanation);

/* By target; another one of its pool, and the leader in place of a process for which no signal makes sense. */
void explanation_choose_target(struct explanation *explanation, enum apo_target target);
