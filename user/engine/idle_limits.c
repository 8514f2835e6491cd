// SPDX-License-Identifier: BSD-2-Clause
#include "engine/idle_limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/freshness.h"
#include "base/log.h"
#include "base/util.h"
#include "sense/cgroup_memory.h"

#define PART 100 /* of a CPU that reading takes at most */

struct idle_limits {
	const struct cgroup_tree *tree;
	struct idle_limit *items;
	size_t count, room;
	struct freshness freshness;
	uint64_t began_ns; /* to read them last; 0: never */
};

struct idle_limits *idle_limits_new(const struct cgroup_tree *tree)
{
	struct idle_limits *limits = calloc(1, sizeof(*limits));

	if (limits)
		limits->tree = tree;
	return limits;
}

static void clear(struct idle_limits *limits)
{
	for (size_t i = 0; i < limits->count; i++)
		free(limits->items[i].path);
	limits->count = 0;
}

struct idle_limits *idle_limits_free(struct idle_limits *limits)
{
	if (!limits)
		return NULL;
	clear(limits);
	free(limits->items);
	free(limits);
	return NULL;
}

static int make_room(struct idle_limits *limits)
{
	size_t room = limits->room ? 2 * limits->room : 64;
	struct idle_limit *items;

	if (limits->count < limits->room)
		return 0;
	items = reallocarray(limits->items, room, sizeof(*items));
	if (!items)
		return -ENOMEM;
	limits->items = items;
	limits->room = room;
	return 0;
}

/* What has no limit, or is gone by now, is passed over. */
static int visit(int dirfd, const char *path, void *userdata)
{
	struct idle_limits *limits = userdata;
	struct cgroup_limits set;
	struct cgroup_memory memory;
	struct idle_limit *item;
	uint64_t id;

	if (cgroup_limits_read(limits->tree, dirfd, &set) || set.memory_bytes == UINT64_MAX ||
	    cgroup_memory_read(limits->tree, dirfd, &memory) || cgroup_id(dirfd, &id))
		return 0;
	if (make_room(limits))
		return -ENOMEM;
	item = &limits->items[limits->count];
	*item = (struct idle_limit){
		.path = strdup(path),
		.cgroup_id = id,
		.need_bytes = sat_sub(memory.usage_bytes, memory.file_bytes),
		.limit_bytes = memory.limit_bytes,
	};
	if (!item->path)
		return -ENOMEM;
	limits->count++;
	return 0;
}

static void read_all(struct idle_limits *limits)
{
	_cleanup_close_ int dirfd = -1;
	int r;

	clear(limits);
	limits->began_ns = clock_ns(CLOCK_MONOTONIC);
	r = cgroup_open(limits->tree, "/", &dirfd) ?: cgroup_walk(dirfd, visit, limits);
	limits->freshness = freshness_since(limits->began_ns);
	if (r)
		log_debug("cannot look at all limits: %s, ignoring", strerror(-r));
}

const struct idle_limit *idle_limits_read(struct idle_limits *limits, size_t *ret_count)
{
	if (!freshness_holds(&limits->freshness, PART, clock_ns(CLOCK_MONOTONIC)))
		read_all(limits);
	*ret_count = limits->count;
	return limits->items;
}

uint64_t idle_limits_time_ns(const struct idle_limits *limits)
{
	return limits->began_ns;
}
