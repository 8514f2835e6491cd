/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon sets up for itself: signals, descriptors, memory, its place among the threads of a CPU. */
#pragma once

#include <signal.h>
#include <stdbool.h>

#include "core/status.h"
#include "rescue/responder.h"
#include "source/source.h"

/* Once, while there is one thread. *ret_signals: what it takes in; *ret_inherited: the mask it found. */
void self_set_up(bool is_wrapper, sigset_t *ret_signals, sigset_t *ret_inherited);

/*
 * The slow path must not run between a signal and its handler: a batch thread never preempts the
 * thread it was woken by. As measured without this, a report holds up the handler for 0.6 ms, with
 * more threads than CPUs for 10. Called when the command of `run` has been forked, which would
 * inherit it.
 */
void self_step_back(void);

struct ready_self self_describe(const struct responder *responder, const struct source *source);

/* Fills in what this process takes: resident bytes, 0 where that is not known, and CPU time. */
void self_cost(struct status_self *self);
