/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All that acts on others: the airbag, the thread that puts limits back and ends graces, and the one that tells
 * processes to stop and raises limits for them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/policy_set.h"
#include "rescue/airbag.h"
#include "rescue/keeper.h"
#include "rescue/responder.h"
#include "sense/cgroup.h"
#include "source/source.h"

struct rescue {
	struct airbag *airbag;
	struct keeper *keeper;
	struct responder *responder;
};

/* All is borrowed, and outlives the rescue. */
struct rescue_config {
	struct source *source;
	const struct cgroup_tree *tree;
	const struct policy_set *policies;
	const struct profiles *profiles;
	int proc_fd;
	uint64_t page_bytes;
	uint64_t lend_most_bytes; /* as airbag_config's most_bytes */
	bool initial_pid_ns;	  /* pids of the kernel side are ours */
	bool may_lock_memory;	  /* CAP_IPC_LOCK: beyond any limit on locked memory */
	/* Opens limits before a trip, so that failures show at the start, and before there are other threads. */
	void (*prepare)(struct airbag *airbag, void *userdata);
	void *userdata;
};

/* 0 or -errno; rescue_free() in either case. */
int rescue_start(struct rescue *rescue, const struct rescue_config *config);
/* Nobody is signalled any more, and no limit is raised. */
void rescue_stop(struct rescue *rescue);
void rescue_free(struct rescue *rescue);
