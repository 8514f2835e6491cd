// SPDX-License-Identifier: BSD-2-Clause
#include "core/fair_queue.h"

#include <stdlib.h>
#include <string.h>

/* --- cgroups ------------------------------------------------------------------------------- */

/* A cgroup and, unless it is alone, all below it. */
struct branch {
	const char *path;
	size_t length;
	bool alone;
};

static const char *path_of(const char *cgroup)
{
	return strcmp(cgroup, "/") == 0 ? "" : cgroup;
}

static bool is_in(const char *cgroup, const struct branch *branch)
{
	const char *path = path_of(cgroup);

	if (strncmp(path, branch->path, branch->length) != 0)
		return false;
	return !path[branch->length] || (path[branch->length] == '/' && !branch->alone);
}

static struct branch branch_of(const char *path, const char *other, size_t parted)
{
	/* Where the other one is above it, they part at the next step down. */
	size_t from = parted + (path[parted] == '/' && !other[parted]);

	return (struct branch){
		.path = path,
		.length = from + strcspn(path + from, "/"),
		.alone = !path[parted] && other[parted] == '/',
	};
}

/* The branches of two cgroups where their paths part. False: it is one cgroup. */
static bool part(const char *one, const char *other, struct branch *ret_one,
		 struct branch *ret_other)
{
	const char *a = path_of(one), *b = path_of(other);
	size_t parted = 0;

	while (a[parted] && a[parted] == b[parted])
		parted++;
	if (!a[parted] && !b[parted])
		return false;
	*ret_one = branch_of(a, b, parted);
	*ret_other = branch_of(b, a, parted);
	return true;
}

/* --- the queue ----------------------------------------------------------------------------- */

void fair_queue_clear(struct fair_queue *queue)
{
	for (size_t i = 0; i < FAIR_REMEMBERED; i++)
		free(queue->served[i]);
	*queue = (struct fair_queue){.bounds = queue->bounds};
}

void fair_queue_add(struct fair_queue *queue, struct fair_item *item)
{
	struct fair_item **link = &queue->items;

	while (*link)
		link = &(*link)->next;
	item->next = NULL;
	*link = item;
}

void fair_queue_remove(struct fair_queue *queue, struct fair_item *item)
{
	struct fair_item **link = &queue->items;

	while (*link != item)
		link = &(*link)->next;
	*link = item->next;
}

static unsigned int count(const struct fair_queue *queue, enum fair_state state)
{
	unsigned int n = 0;

	for (const struct fair_item *item = queue->items; item; item = item->next)
		n += item->state == state;
	return n;
}

/* --- serving ------------------------------------------------------------------------------- */

/* Nothing is known of a cgroup for which there was no memory: as if never. */
static void remember(struct fair_queue *queue, const char *cgroup)
{
	char **place = &queue->served[queue->served_count++ % FAIR_REMEMBERED];

	free(*place);
	*place = strdup(cgroup);
}

/* When one of the branch was served last, as a number that grows; 0: never. */
static size_t last_served(const struct fair_queue *queue, const struct branch *branch)
{
	for (size_t ago = 0; ago < FAIR_REMEMBERED && ago < queue->served_count; ago++) {
		size_t index = queue->served_count - 1 - ago;
		const char *cgroup = queue->served[index % FAIR_REMEMBERED];

		if (cgroup && is_in(cgroup, branch))
			return index + 1;
	}
	return 0;
}

/* Whether one that came later goes first. */
static bool overtakes(const struct fair_queue *queue, const struct fair_item *later,
		      const struct fair_item *item)
{
	struct branch mine, its;

	return part(later->cgroup, item->cgroup, &mine, &its) &&
	       last_served(queue, &mine) < last_served(queue, &its);
}

static bool has_place(const struct fair_queue *queue, const char *cgroup)
{
	for (const struct fair_item *item = queue->items; item; item = item->next)
		if (item->state != FAIR_WAITING && strcmp(item->cgroup, cgroup) == 0)
			return true;
	return false;
}

struct fair_item *fair_queue_next(struct fair_queue *queue)
{
	struct fair_item *first = NULL;

	if (count(queue, FAIR_SERVED) >= queue->bounds.served ||
	    count(queue, FAIR_STUCK) >= queue->bounds.stuck)
		return NULL;
	for (struct fair_item *item = queue->items; item; item = item->next)
		if (item->state == FAIR_WAITING && !has_place(queue, item->cgroup) &&
		    (!first || overtakes(queue, item, first)))
			first = item;
	if (first) {
		first->state = FAIR_SERVED;
		remember(queue, first->cgroup);
	}
	return first;
}

/* --- sending away -------------------------------------------------------------------------- */

/* What those that wait hold, of one branch. */
static uint64_t held(const struct fair_queue *queue, const struct branch *branch,
		     enum fair_kind kind)
{
	uint64_t sum = 0;

	for (const struct fair_item *item = queue->items; item; item = item->next)
		if (item->state == FAIR_WAITING && is_in(item->cgroup, branch))
			sum += item->holds[kind];
	return sum;
}

/* The last one of a cgroup that has more than half of what there is for all. */
static struct fair_item *beyond_half(const struct fair_queue *queue, enum fair_kind kind)
{
	struct fair_item *last = NULL;

	for (struct fair_item *item = queue->items; item; item = item->next) {
		const char *path = path_of(item->cgroup);
		struct branch own = {.path = path, .length = strlen(path), .alone = true};

		if (item->state == FAIR_WAITING && item->holds[kind] &&
		    held(queue, &own, kind) > queue->bounds.waiting[kind] / 2)
			last = item;
	}
	return last;
}

/* The last one of where most is held. */
static struct fair_item *of_most(const struct fair_queue *queue, enum fair_kind kind)
{
	struct fair_item *last = NULL;

	for (struct fair_item *item = queue->items; item; item = item->next) {
		struct branch mine, its;

		if (item->state != FAIR_WAITING || !item->holds[kind])
			continue;
		if (!last || !part(item->cgroup, last->cgroup, &mine, &its) ||
		    held(queue, &mine, kind) >= held(queue, &its, kind))
			last = item;
	}
	return last;
}

struct fair_item *fair_queue_excess(const struct fair_queue *queue)
{
	const struct branch all = {.path = ""};
	struct fair_item *excess = NULL;

	for (enum fair_kind kind = 0; !excess && kind < FAIR_KINDS; kind++) {
		excess = beyond_half(queue, kind);
		if (!excess && held(queue, &all, kind) > queue->bounds.waiting[kind])
			excess = of_most(queue, kind);
	}
	return excess;
}
