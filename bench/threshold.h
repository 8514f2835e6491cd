/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guard that cgroup v1 offers without any tool: an eventfd that the kernel signals when usage
 * passes a threshold, and a process that waits for it and sends SIGTERM.
 */
#pragma once

#include "child.h"

struct threshold;

/* NULL: not on v2. Waiting when it returns. */
struct threshold *threshold_new(const struct bench *bench, const struct group *group,
				uint64_t bytes);
void threshold_set_target(struct threshold *threshold, pid_t pid);
struct threshold *threshold_free(struct threshold *threshold);
