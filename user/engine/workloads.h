/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What runs in cgroups, for guards that are for more than a path shows: of a container what its runtime has on disk
 * (sense/container.h), of any cgroup the guard that its owner has asked for, in an extended attribute of its
 * directory, and its main process. Nothing of it is read from a process's memory, which could hold us up. What is known
 * of a container is kept, and looked at again after a while, since names and labels may change.
 */
#pragma once

#include "core/config.h"
#include "sense/cgroup.h"

/* "NAME" of a guard, without an end. */
#define WORKLOADS_ATTRIBUTE "user.apoptosis.guard"

struct workloads;

/* The tree is borrowed. NULL: no memory, or no descriptor. */
struct workloads *workloads_new(const struct cgroup_tree *tree);
/* Takes NULL. Returns NULL. */
struct workloads *workloads_free(struct workloads *workloads);

/* What its container is called, and nothing else; of what is none *ret is empty. Takes NULL for the first. */
void workloads_names(struct workloads *workloads, const char *cgroup, struct workload *ret);
/* A config_look_fn, of a struct workloads: what an attribute asks for comes before a container's own. */
void workloads_look(const char *cgroup, unsigned int parts, struct workload *ret, void *userdata);
