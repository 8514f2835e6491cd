/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether the command of `run` ended because a trip had asked it to: the verdicts say so, one after the
 * other. A shutdown that ends with status 0 looks like a finished job to whoever waits for it, and is none.
 *
 * Asked is the command where it took in the signal of a trip itself: as the target, or as one of all. Who
 * ended before its handler ran was not. A trip that is over while the command runs on, with the headroom
 * back, takes that back: how the command ends later is its own affair. One that runs on without the
 * headroom still shuts down, for all that is known. A trip of a process below the command does not ask the
 * command. Pure.
 */
#pragma once

#include <stdbool.h>

#include "core/incident.h"

struct shutdown {
	bool is_asked;
};

/* What a trip is to the command. */
struct shutdown_part {
	bool is_target;
	bool is_told;	/* by the responder, as one of several processes */
	bool has_ended; /* the command, when the trip was judged */
};

/* Takes in the verdict of one trip, also of one that is not about the command. */
void shutdown_on_verdict(struct shutdown *shutdown, const struct incident *incident,
			 const struct shutdown_part *part);

/*
 * The exit status of `run` where the command has ended with `status`. on_trip: what stands for a 0 of a
 * command that was asked; 0: nothing does.
 */
int shutdown_status(const struct shutdown *shutdown, int status, int on_trip);
