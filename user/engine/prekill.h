/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * systemd-oomd, 260 and newer, tells whom it is about to kill to each socket in a directory, and waits for an answer,
 * PrekillHookTimeoutSec= at most. Ours is one of these: what runs in that cgroup is told to stop, as by a trip of
 * target "all" with a verdict of its own, and the answer comes when the cgroup is empty. What is no guard's, or only to
 * be watched, is answered at once. Slow path, on the engine's loop; the responder signals.
 */
#pragma once

#include <stdint.h>
#include <uv.h>

#include "core/policy_set.h"
#include "engine/incidents.h"
#include "rescue/responder.h"
#include "sense/cgroup.h"

#define PREKILL_DIR_DEFAULT "/run/systemd/oomd.prekill.hook"

struct prekill;

struct prekill_config {
	uv_loop_t *loop;
	const char *
		dir; /* of the sockets, made if it is not there; NULL: systemd-oomd is not listened to */
	const struct cgroup_tree *tree;
	int proc_fd;
	const struct policy_set *policies;
	struct responder *responder;
	struct incidents *incidents;
	uint64_t page_bytes;
};

/* The guard is as good without. NULL, also where there can be no socket, which is logged. */
struct prekill *prekill_start(const struct prekill_config *config);
/* Whoever waits for an answer sees the end of the connection. Takes NULL. Returns NULL. */
struct prekill *prekill_free(struct prekill *prekill);
