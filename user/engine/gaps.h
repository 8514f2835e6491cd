/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is guarded less than was asked for (core/gap.h): what the kernel side finds, and guards whose cgroup
 * is gone. Where it finds no room for the account of a limit, idle ones go, at once, and once a second as long
 * as none may. The first gap of a kind that stays is told of in words. Slow path.
 */
#pragma once

#include <uv.h>

#include "core/status.h"
#include "engine/guards.h"
#include "rescue/airbag.h"
#include "sense/cgroup.h"
#include "source/source.h"

struct gaps;

/* All is borrowed, and outlives the gaps; the loop is closed before they are freed. */
struct gaps_config {
	uv_loop_t *loop;
	struct source *source;
	struct airbag *airbag;
	const struct cgroup_tree *tree;
	const struct guards *guards;
};

/* 0, -ENOMEM or an error of libuv. */
int gaps_new(struct gaps **ret, const struct gaps_config *config);
/* Takes NULL. Returns NULL. */
struct gaps *gaps_free(struct gaps *gaps);

/* A record of the kernel side. */
void gaps_on_found(struct gaps *gaps, const struct apo_gap_key *key);

/* Fills in those of a status. 0 or -errno; release with gaps_clear() in either case. */
int gaps_read(struct gaps *gaps, struct status *status);
void gaps_clear(struct status *status);
