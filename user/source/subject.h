/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is guarded without a kernel side: a cgroup, or processes in one, and what was seen at the looks at its limit so far.
 * For this room only (source/looks.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/outbox.h"
#include "core/polling.h"
#include "sense/cgroup_news.h"
#include "source/growers.h"
#include "source/maps.h"

#define NEWS 2 /* thresholds: at the line, and where it comes into sight */

struct subject {
	char *rel;
	uint32_t policy;
	struct growers *growers;
	bool is_cgroup; /* it is named, and limits below it are looked for; */
	bool is_below;	/* one of these, for its own limit only */
	struct polling polling;
	bool is_warned, has_looked, was_half_full;
	uint64_t
		first_need_bytes; /* of one that was beyond its line at the first look; 0: it was not */
	struct apo_limit_key key; /* of its limit */
	struct apo_limit account;
	uint64_t rate_ns, rate_need_pages; /* since when, and from where on, growth is measured */
	struct cgroup_news news[NEWS];
	uint64_t news_limit_bytes;
	uint64_t looked_ns, due_ns; /* its last look, and its next one */
};

/* All borrowed. */
struct subject_world {
	const struct maps *maps;
	const struct cgroup_tree *tree;
	int proc_fd;
	uint64_t page_bytes;
	struct outbox *records; /* union look_record */
	struct outbox *urgent;	/* struct apo_request */
};

/* Takes rel, also when it fails. 0 or -ENOMEM. */
int subject_make(struct subject *ret, char *rel, uint32_t policy, const struct growers_config *who);
void subject_drop(struct subject *subject);
/* Looks once, and tells who is to be told. Returns for how long nothing has to be looked at, in ns. */
uint64_t subject_look(const struct subject_world *world, struct subject *subject);
