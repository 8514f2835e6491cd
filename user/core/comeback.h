/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a service is up again after one of its processes was told to stop: what follows from what systemd says
 * of its unit. Pure: states and times in, what to do next out. A shutdown of its own ends with
 * "success" for systemd, after which only Restart=always and on-success bring a service back.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/unit_state.h"

enum comeback_outcome {
	COMEBACK_UNKNOWN = 0, /* not followed, or its manager did not say */
	COMEBACK_RUNS_ON,     /* its unit never went down: one of several processes was told */
	COMEBACK_RESTARTED,
	COMEBACK_PENDING, /* on its way when it was last asked for: RestartSec=, a slow start */
	COMEBACK_DOWN,
	COMEBACK_STOPPED, /* down, as somebody has had its manager stop it: not ours to start */
};

/* What became of the service of an incident's target. */
struct comeback {
	enum comeback_outcome outcome;
	bool is_asked;	  /* we had it started: --then restart */
	uint64_t took_ns; /* restarted: from the end of the target until it was up */
	char unit[UNIT_NAME_SIZE];
	char restart[UNIT_WORD_SIZE], result[UNIT_WORD_SIZE]; /* empty: not known */
};

/* "unknown", "runs on", "restarted", "pending", "down", "stopped". Never NULL. */
const char *comeback_name(enum comeback_outcome outcome);

enum comeback_step {
	COMEBACK_ASK_AGAIN,
	COMEBACK_START, /* have the unit started, then ask again */
	COMEBACK_OVER,	/* the outcome is known, or as known as it gets */
};

/* One that is followed. Zero but for the first four. */
struct comeback_watch {
	pid_t target;	 /* that has ended */
	uint64_t end_ns; /* when; CLOCK_MONOTONIC */
	bool was_told;	 /* to stop, by somebody else */
	bool was_asked;	 /* its manager was, by us, to stop it: ExecStop= */
	bool restarts;	 /* --then restart */
	bool was_down; /* at the last answer: between two states a unit may look so for a moment */
	struct comeback comeback;
};

/* Takes an answer of the manager; NULL: there was none. is_last: there will be no other. */
enum comeback_step comeback_step(struct comeback_watch *watch, const struct unit_state *state,
				 bool is_last);
