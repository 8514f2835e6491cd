/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finishes the reports of closed incidents: has the places in them named, which takes a while, and
 * writes the file again. Two are looked at at once, one for each cgroup, and the next is of the cgroup
 * that was served longest ago (core/fair_queue.h). What waits is bounded, because it holds descriptors
 * and stacks: beyond that a report stays without names, and says so. Slow path, on the engine's loop.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/incident.h"
#include "profile/profiler.h"

struct symbolize_queue;

/* Called from the loop, or from below: the report of this incident is to be written again. */
typedef void (*symbolize_queue_fn)(const struct incident *incident, void *userdata);

/* NULL: no memory. */
struct symbolize_queue *symbolize_queue_new(uv_loop_t *loop, symbolize_queue_fn renew,
					    void *userdata);
/* Gives up what is still unnamed. Takes NULL. Returns NULL. */
struct symbolize_queue *symbolize_queue_free(struct symbolize_queue *queue);

/* Takes both, whatever happens. The incident is closed and its file written, without names. */
void symbolize_queue_take(struct symbolize_queue *queue, struct incident *incident,
			  struct capture *capture);
/* The incident of that id, whose file is to be written again; NULL: it is not there. */
struct incident *symbolize_queue_find(const struct symbolize_queue *queue, uint64_t id);
bool symbolize_queue_is_busy(const struct symbolize_queue *queue);

/*
 * The guard ends: what has no names in 30 s, as long as one may take, stays without. Run the loop
 * while the queue is busy.
 */
void symbolize_queue_end(struct symbolize_queue *queue);
