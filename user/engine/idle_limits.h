/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Limits of the machine as their files tell them, for the status: of those that nobody has come near since the start
 * the kernel side has no account, and of others it has what was needed when somebody grew there last, who may be gone.
 * Read when it is asked for; there may be thousands, so that this takes a hundredth of a CPU at most.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "sense/cgroup.h"

struct idle_limit {
	char *path;
	uint64_t cgroup_id;
	uint64_t need_bytes, limit_bytes;
};

struct idle_limits;

/* The tree is borrowed. NULL: no memory. */
struct idle_limits *idle_limits_new(const struct cgroup_tree *tree);
/* Takes NULL. Returns NULL. */
struct idle_limits *idle_limits_free(struct idle_limits *limits);

/* All that have a limit of their own; they are the limits' until the next call. */
const struct idle_limit *idle_limits_read(struct idle_limits *limits, size_t *ret_count);
/* When they were read last, CLOCK_MONOTONIC. */
uint64_t idle_limits_time_ns(const struct idle_limits *limits);
