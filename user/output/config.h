/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration of the daemon, for people and for programs. */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "core/config.h"

/* Whose guard a cgroup has. */
struct config_covered {
	const char *cgroup;
	size_t guard;
	const char *at; /* the cgroup at or above it that the guard is for; NULL: none is for it */
	struct workload workload; /* what runs there */
};

/* The guards in the order in which they are tried, with what the files say. 0 or -errno. */
int config_text(FILE *file, const struct config *config);
/* One cgroup: whose guard it has, and where each value is from. 0 or -errno. */
int config_covered_text(FILE *file, const struct config *config,
			const struct config_covered *covered);

/* The same as JSON, for the caller to release; NULL: no memory. */
json_t *config_json(const struct config *config);
json_t *config_covered_json(const struct config *config, const struct config_covered *covered);
