/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The manager of the machine's services, systemd, asked through systemctl(1): a helper process with a deadline,
 * since the manager may be slow or hang. Slow path, on the engine's loop.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "core/unit_state.h"

/* systemctl, where systemd runs this machine (sd_booted(3)); else NULL. Static. */
const char *manager_systemctl(void);

struct manager_call;

#define MANAGER_PATIENCE_MS 5000
#define MANAGER_UNITS_MAX 64 /* that are asked for at once */

/* What it is to do with the units, within their own limits (StartLimitBurst=), before their state is asked for. */
enum manager_job {
	MANAGER_NO_JOB = 0,
	MANAGER_START,
	MANAGER_STOP,
	MANAGER_RESTART,
};

/* Of it nothing is kept but loop, systemctl, callback and userdata. */
struct manager_request {
	uv_loop_t *loop;
	const char *systemctl; /* its path */
	const char *const *units;
	size_t unit_count; /* beyond MANAGER_UNITS_MAX: the rest is left out */
	/* It is not waited for: the state shows what it refuses, and what is on its way. */
	enum manager_job job;
	unsigned int patience_ms; /* for each of the two */
	/*
	 * Once, with what unit_state_parse() takes, of each unit that there is. NULL: the manager did not answer in
	 * time.
	 */
	void (*on_states)(const char *text, void *userdata);
	void *userdata;
};

/* Asks for the state of units. -errno. */
int manager_ask(struct manager_call **ret, const struct manager_request *request);
/* The same for one on a loop of its own, for a command that has none: waits. -ETIMEDOUT: no answer. */
int manager_ask_now(const char *systemctl, const char *unit, struct unit_state *ret);
/* At any time, also in the callback, which does not come any more. Takes NULL. Returns NULL. */
struct manager_call *manager_drop(struct manager_call *call);
