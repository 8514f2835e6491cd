// SPDX-License-Identifier: BSD-2-Clause
#include "engine/limit_parts.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/util.h"
#include "engine/facts.h"

#define KEPT 256 /* some 25 KiB */
#define PAUSE_NS (NSEC_PER_SEC / 10)

struct kept {
	uint64_t limit_cgroup;
	struct memory_parts parts;
};

struct limit_parts {
	const struct cgroup_tree *tree;
	const struct seen_cgroups *seen;
	struct kept kept[KEPT];
	size_t next; /* the oldest */
};

struct limit_parts *limit_parts_new(const struct cgroup_tree *tree, const struct seen_cgroups *seen)
{
	struct limit_parts *all = calloc(1, sizeof(*all));

	if (all) {
		all->tree = tree;
		all->seen = seen;
	}
	return all;
}

struct limit_parts *limit_parts_free(struct limit_parts *all)
{
	free(all);
	return NULL;
}

static bool is_of(const struct kept *kept, uint64_t limit_cgroup)
{
	return kept->parts.read_ns && kept->limit_cgroup == limit_cgroup;
}

static bool was_just_read(const struct limit_parts *all, uint64_t limit_cgroup)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);

	for (size_t i = 0; i < KEPT; i++)
		if (is_of(&all->kept[i], limit_cgroup) &&
		    sat_sub(now_ns, all->kept[i].parts.read_ns) < PAUSE_NS)
			return true;
	return false;
}

void limit_parts_keep(struct limit_parts *all, uint64_t limit_cgroup)
{
	struct kept *kept = &all->kept[all->next];
	_cleanup_free_ char *rel = NULL;
	struct memory_parts parts = {};
	_cleanup_close_ int dirfd = -1;

	if (was_just_read(all, limit_cgroup) || seen_cgroups_path(all->seen, limit_cgroup, &rel) ||
	    cgroup_open(all->tree, rel, &dirfd))
		return;
	facts_parts(all->tree, dirfd, false, &parts);
	if (!parts.read_ns)
		return;
	*kept = (struct kept){.limit_cgroup = limit_cgroup, .parts = parts};
	all->next = (all->next + 1) % KEPT;
}

/* NULL: nothing is known. */
static const struct memory_parts *find(const struct limit_parts *all, uint64_t limit_cgroup,
				       uint64_t time_ns)
{
	const struct memory_parts *before = NULL, *after = NULL;

	for (size_t i = 0; i < KEPT; i++) {
		const struct memory_parts *parts = &all->kept[i].parts;

		if (!is_of(&all->kept[i], limit_cgroup))
			continue;
		if (parts->read_ns <= time_ns && (!before || parts->read_ns > before->read_ns))
			before = parts;
		if (parts->read_ns > time_ns && (!after || parts->read_ns < after->read_ns))
			after = parts;
	}
	return before ?: after;
}

void limit_parts_take(const struct limit_parts *all, int limit_dirfd, uint64_t limit_cgroup,
		      uint64_t since_ns, struct incident *incident)
{
	const struct memory_parts *before = find(all, limit_cgroup, since_ns);
	struct memory_parts *parts = &incident->parts;

	if (limit_dirfd < 0 || incident->limit_kind == APO_LIMIT_HOST)
		return;
	facts_parts(all->tree, limit_dirfd, incident->limit_kind == APO_LIMIT_BOTH, parts);
	if (!parts->read_ns)
		return;
	memory_parts_go_back(parts, incident->usage_bytes, incident->rss_bytes[APO_ANON],
			     incident->rss_bytes[APO_SHMEM]);
	if (before && before->read_ns < parts->read_ns)
		incident->parts_before = *before;
}
