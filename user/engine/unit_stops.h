/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Units with an ExecStop=, whose manager is asked to stop or restart them in place of a signal of ours. Where it
 * does not do so, the main process gets the signal that its unit declares. Slow path, on the engine's loop.
 */
#pragma once

#include <uv.h>

#include "rescue/respond.h"
#include "sense/cgroup.h"

struct unit_stops;

/* All is borrowed, and outlives the stops. */
struct unit_stops_config {
	uv_loop_t *loop;
	const char *systemctl; /* NULL: no systemd runs here */
	const struct cgroup_tree *tree;
	int proc_fd;
};

/* NULL: no memory. */
struct unit_stops *unit_stops_new(const struct unit_stops_config *config);
/* Who waits for an answer gets the signal. At any time before the loop is closed. Takes NULL. Returns NULL. */
struct unit_stops *unit_stops_free(struct unit_stops *stops);

/* A result of the responder: APO_ACT_ASKED. */
void unit_stops_ask(struct unit_stops *stops, const struct responder_result *result);
