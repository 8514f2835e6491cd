/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose guard of a configuration a cgroup has, which is named by its path or by a process in it. */
#pragma once

#include "engine/workloads.h"
#include "output/config.h"
#include "sense/cgroup.h"

struct covered {
	struct config *config; /* borrowed */
	struct cgroup_tree *tree;
	struct workloads *workloads;
	char *cgroup, *at;
	pid_t pid; /* that was named; 0: a path was */
	struct config_covered facts;
};

/* The exit status; what is wrong is logged. which: as given to `option`. To be done with in any case. */
int covered_find(struct config *config, const char *option, const char *which, struct covered *ret);
void covered_done(struct covered *covered);
