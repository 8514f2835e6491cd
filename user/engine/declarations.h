/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the owners of services want them stopped, learned before it is needed: KillSignal=, RestartKillSignal= and
 * ExecStop= of the systemd units, and the stop signals of the containers, that a guarded limit is about. The
 * kernel side is told of each main process of which anything is declared, and leaves it to the responder, which
 * finds it there. Slow path, on the engine's loop.
 *
 * Looked at are all that there are when the guard starts, and those below a limit when it is checked for the
 * first time, so that a spike finds them known, and when it is half full, so that a main process of later is
 * known too.
 *
 * A service that its manager starts again after an OOM kill, and not after a shutdown that worked, would stay down for
 * having been saved: a warning says so, once for each, unless it is started again all the same.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/policy_set.h"
#include "sense/cgroup.h"
#include "source/source.h"

struct declarations;

/* All is borrowed, and outlives the declarations. */
struct declarations_config {
	uv_loop_t *loop;
	const char *systemctl; /* NULL: no systemd runs here; the rest is looked at */
	bool restarts;	       /* --then restart: whoever is stopped is started again */
	struct source *source;
	const struct cgroup_tree *tree;
	const struct policy_set *policies;
	int proc_fd;
};

/* Begins with all that is guarded, on the loop. NULL: no memory. */
struct declarations *declarations_new(const struct declarations_config *config);
/* At any time before the loop is closed. Takes NULL. Returns NULL. */
struct declarations *declarations_free(struct declarations *declarations);

/* A limit is checked for the first time, or half full. */
void declarations_on_limit(struct declarations *declarations, uint64_t cgroup_id);

/*
 * What is declared of the main process of a cgroup that a path shows to be a container's, without its start time. By
 * nothing: nothing.
 */
struct apo_declared declarations_of_container(const struct cgroup_tree *tree, int proc_fd,
					      const char *rel, pid_t *ret_pid);
