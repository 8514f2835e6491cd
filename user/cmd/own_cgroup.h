/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cgroup that `run --limit` makes for its command: below our own, whose limits then hold for the command too.
 */
#pragma once

#include <stdint.h>

#include "sense/cgroup.h"

struct own_cgroup {
	const struct cgroup_tree *tree; /* borrowed */
	char *rel;			/* NULL: there is none */
	int dirfd;
	int left_dirfd; /* the one that we have left for one below it; -1: none */
};
#define OWN_CGROUP_NONE ((struct own_cgroup){.dirfd = -1, .left_dirfd = -1})

/*
 * On cgroup v2 one with processes cannot have children with a memory controller. Where we are alone in ours, and may do
 * with it as we like, as in a container or a unit with Delegate=, we step aside, into another one below it; else the
 * cgroup is made below the nearest ancestor that can have one, which is told. 0; or, logged, an exit status.
 */
int own_cgroup_make(struct own_cgroup *ret, const struct cgroup_tree *tree, uint64_t limit_bytes);
/* It goes, with empty cgroups below it, and we go back. Takes OWN_CGROUP_NONE. */
void own_cgroup_remove(struct own_cgroup *own);
