/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel side has counted so far, and what is lent, for a status event. Silent. */
#pragma once

#include "core/policy_set.h"
#include "core/status.h"
#include "engine/idle_limits.h"
#include "engine/workloads.h"
#include "rescue/airbag.h"
#include "source/source.h"
#include "sense/cgroup.h"

/* All is borrowed. */
struct accounts_config {
	struct source *source;
	struct airbag *airbag;
	const struct cgroup_tree *tree;
	const struct policy_set *policies;
	struct workloads *workloads; /* NULL: nothing is known of them */
	struct idle_limits *idle;
};

/*
 * Fills in limits, processes and counters, by the time that is in it. 0 or -errno; release with accounts_clear() in
 * either case.
 */
int accounts_read(const struct accounts_config *config, struct status *status);
void accounts_clear(struct status *status);
