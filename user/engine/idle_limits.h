/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Limits of the machine as their files tell them: for the status, which is to have those, too, that nobody has come
 * near since the start, so that the kernel side has no account of them. Read when it is asked for, and not more often
 * than every ten seconds: there may be thousands, and nothing grows there.
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

/* All that have a limit of their own; they are the limits' until the next call. now_ns: CLOCK_MONOTONIC. */
const struct idle_limit *idle_limits_read(struct idle_limits *limits, uint64_t now_ns,
					  size_t *ret_count);
