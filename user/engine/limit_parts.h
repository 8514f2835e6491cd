/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the memory of limits is (core/memory_parts.h), and was earlier: read when the kernel side tells of a process
 * that grows there, so that a trip can be told from what was there before. Of all limits the latest are kept.
 */
#pragma once

#include <stdint.h>

#include "core/incident.h"
#include "engine/seen_cgroups.h"
#include "sense/cgroup.h"

struct limit_parts;

/* Both stay the caller's. NULL: no memory. */
struct limit_parts *limit_parts_new(const struct cgroup_tree *tree,
				    const struct seen_cgroups *seen);
/* Takes NULL. Returns NULL. */
struct limit_parts *limit_parts_free(struct limit_parts *all);

/* Reads those of a limit and keeps them, ten times a second at most. */
void limit_parts_keep(struct limit_parts *all, uint64_t limit_cgroup);
/*
 * Reads those of the limit of an incident, by its cgroup's directory, as of the trip; and before it as they were at that
 * time (CLOCK_MONOTONIC), or soon after. What is not known stays empty, as where the limit is the machine's.
 */
void limit_parts_take(const struct limit_parts *all, int limit_dirfd, uint64_t limit_cgroup,
		      uint64_t since_ns, struct incident *incident);
