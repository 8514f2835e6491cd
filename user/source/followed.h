/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What becomes of those who were signalled, without a kernel side that tells: whether the signal is taken, by looking, and
 * how children of ours end. They are in the map `signalled`. For this room only.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/outbox.h"
#include "source/maps.h"

/* What goes through the outbox of records. */
union look_record {
	struct apo_record rec;
	struct apo_trip trip;
	struct apo_close close;
};

struct followed {
	const struct maps *maps;
	int proc_fd;
	struct outbox *records;
	uint64_t sent_ns; /* when a signal was sent last; atomic */
};

/* A signal was sent to somebody. From any thread. */
void followed_on_sent(struct followed *followed, pid_t pid);
/* Looks once. Returns for how long nothing has to be looked at. */
uint64_t followed_look(struct followed *followed);
/* A child of ours has ended. status: of wait(2). From any thread. */
void followed_on_end(struct followed *followed, pid_t pid, int status);
