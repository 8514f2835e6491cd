/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The manager of the machine's services, systemd, asked through systemctl(1): a helper process with a deadline,
 * since the manager may be slow or hang. Slow path, on the engine's loop.
 */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "core/comeback.h"

/* systemctl, where systemd runs this machine (sd_booted(3)); else NULL. Static. */
const char *manager_systemctl(void);

struct manager_call;

#define MANAGER_PATIENCE_MS 5000

/* Of it nothing is kept but loop, systemctl, callback and userdata. */
struct manager_request {
	uv_loop_t *loop;
	const char *systemctl; /* its path */
	const char *unit;
	/* Have it started first, as often as its own limits (StartLimitBurst=) allow: its state shows it. */
	bool is_start;
	unsigned int patience_ms; /* for each of the two */
	/* Once. state: NULL where the manager did not answer in time, or not what was asked for. */
	void (*on_state)(const struct unit_state *state, void *userdata);
	void *userdata;
};

/* Asks for the state of a unit. -errno. */
int manager_ask(struct manager_call **ret, const struct manager_request *request);
/* The same on a loop of its own, for a command that has none: waits. -ETIMEDOUT: no answer. */
int manager_ask_now(const char *systemctl, const char *unit, struct unit_state *ret);
/* At any time, also in the callback, which does not come any more. Takes NULL. Returns NULL. */
struct manager_call *manager_drop(struct manager_call *call);
