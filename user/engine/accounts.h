/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel side has counted so far, and what is lent, for a status event. Silent. */
#pragma once

#include "core/policy_set.h"
#include "core/status.h"
#include "rescue/airbag.h"
#include "source/source.h"
#include "sense/cgroup.h"

/*
 * Fills in limits, processes and counters. 0 or -errno; release with accounts_clear() in either
 * case.
 */
int accounts_read(struct source *source, struct airbag *airbag, const struct cgroup_tree *tree,
		  const struct policy_set *policies, struct status *status);
void accounts_clear(struct status *status);
