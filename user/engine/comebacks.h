/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The services of closed incidents, followed until they are up again or known to be down; with --then restart
 * they are started where nobody else does it. Slow path, on the engine's loop: its manager is asked, by a process
 * with a deadline (engine/manager.h), and core/comeback.h decides.
 */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "core/comeback.h"
#include "core/incident.h"

struct comebacks;

struct comebacks_config {
	uv_loop_t *loop;
	const char *systemctl; /* NULL: no systemd runs here, and nobody is followed */
	bool restarts;	       /* --then restart */
	/* An outcome, of the incident of that id; comeback is the callee's. */
	void (*on_comeback)(uint64_t id, const struct comeback *comeback, void *userdata);
	void *userdata;
};

/* NULL: no memory. A warning says where services cannot be started as asked for. */
struct comebacks *comebacks_new(const struct comebacks_config *config);
/* Without a word, at any time before the loop is closed. Takes NULL. Returns NULL. */
struct comebacks *comebacks_free(struct comebacks *comebacks);

/* Whether services are started again. */
bool comebacks_restart(const struct comebacks *comebacks);
/* Whether any is followed. */
bool comebacks_are_open(const struct comebacks *comebacks);

/* Follows the service of a target that has ended. One that is none, or still runs, is not followed. */
void comebacks_follow(struct comebacks *comebacks, const struct incident *incident);
