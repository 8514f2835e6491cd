/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who tells of growth: the kernel side; or, where that cannot be had and somebody to be guarded is named, looking at limits
 * (source/source.h).
 */
#pragma once

#include "engine/engine.h"
#include "engine/host.h"
#include "source/source.h"

struct open_source_config {
	const struct engine_config *engine;
	struct host
		*host; /* in which pids are those of our own namespace, where who looks is taken */
	struct guards *guards;
	const struct profiles *profiles; /* NULL: none */
};

/* It knows policies, guards and profiles, and nothing is attached. 0 or -errno, logged. */
int open_source(struct source **ret, const struct open_source_config *config);
