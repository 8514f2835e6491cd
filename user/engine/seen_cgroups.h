/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The paths of cgroups, kept from when the kernel side first told of their limits, and of trips in them. A service
 * that ends has its cgroup removed at once, mostly before anybody has asked for its path by the id of a record.
 */
#pragma once

#include <stdint.h>

#include "apoptosis/abi.h"
#include "sense/cgroup.h"

struct seen_cgroups;

/* NULL: no memory. */
struct seen_cgroups *seen_cgroups_new(const struct cgroup_tree *tree);
/* Takes NULL. Returns NULL. */
struct seen_cgroups *seen_cgroups_free(struct seen_cgroups *seen);

/* Keeps the path of one that is there, in place of the oldest where there are very many. */
void seen_cgroups_add(struct seen_cgroups *seen, uint64_t id);
/* Keeps what the kernel side says, also of one that is gone. */
void seen_cgroups_take(struct seen_cgroups *seen, const struct apo_cgroup_path *path);
/* As cgroup_path_of_id(); of one that is gone the path that it had. */
int seen_cgroups_path(const struct seen_cgroups *seen, uint64_t id, char **ret_rel);
