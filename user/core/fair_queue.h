/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is served next, and who is sent away, where many wait for few places. Those of one cgroup in the
 * order they came; among cgroups the one that was served longest ago, and when there are too many, of the
 * one that has most. Cgroups are compared where their paths part, so that nobody gains by dividing his
 * own into many.
 *
 * Items are the caller's, and part of what is queued. Plain data: what serving means is not known here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What an item holds while it waits. */
enum fair_kind { FAIR_ITEMS = 0, FAIR_FDS, FAIR_BYTES, FAIR_KINDS };

enum fair_state {
	FAIR_WAITING = 0,
	FAIR_SERVED,
	FAIR_STUCK, /* given up, but not over: its place is free for another cgroup */
};

struct fair_item {
	const char *cgroup; /* path, "/a/b"; not NULL */
	uint64_t holds[FAIR_KINDS];
	enum fair_state state;
	struct fair_item *next; /* later; the queue's own */
};

struct fair_bounds {
	unsigned int served; /* at once; one for each cgroup */
	unsigned int stuck;  /* so many, and nobody is served */
	/* Of all that wait; half of it for one cgroup. */
	uint64_t waiting[FAIR_KINDS];
};

#define FAIR_REMEMBERED 64 /* who was served; longer ago is as if never */

struct fair_queue {
	struct fair_bounds bounds;
	struct fair_item *items; /* in the order they came */
	char *served[FAIR_REMEMBERED];
	size_t served_count; /* ever */
};

/* Items are taken out before. Leaves an empty queue. */
void fair_queue_clear(struct fair_queue *queue);

void fair_queue_add(struct fair_queue *queue, struct fair_item *item);
/* Whatever its state is. */
void fair_queue_remove(struct fair_queue *queue, struct fair_item *item);

/* The one to be served now, and it is FAIR_SERVED; NULL: none. */
struct fair_item *fair_queue_next(struct fair_queue *queue);

/*
 * The one to be sent away because more wait than may; NULL: none. Asked when fair_queue_next() has none
 * any more, so that whoever can be served is. The caller removes it.
 */
struct fair_item *fair_queue_excess(const struct fair_queue *queue);
