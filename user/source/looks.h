/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel side does, done from outside where it cannot be had: a thread looks at the limits of guarded cgroups
 * again and again, the sooner the nearer they are (core/polling.h), or when the kernel has news of one
 * (sense/cgroup_news.h), goes by the same policies, and writes the same records. It needs no privilege, is late for
 * whatever fills its reserve between two looks, and sees neither who allocates nor, but by looking, whether a handler runs.
 * Nothing is lent. For this room only.
 */
#pragma once

#include <sys/types.h>

#include "source/maps.h"
#include "source/source.h"

struct looks;

struct looks_config {
	const struct maps *maps; /* of ours; borrowed, as all here */
	const struct cgroup_tree *tree;
	int proc_fd;
};

int looks_new(struct looks **ret, const struct looks_config *config);
/* Takes NULL. Returns NULL. */
struct looks *looks_free(struct looks *looks);

/* From here on somebody may be told to stop: by what the maps say now of guards, and at each look of policies. */
int looks_start(struct looks *looks);

/* A signal has been sent to somebody in the map `signalled`: from now on it is looked whether it is taken. */
void looks_on_sent(struct looks *looks, pid_t pid);
/* A child of ours has ended. status: of wait(2). */
void looks_on_end(struct looks *looks, pid_t pid, int status);

/* Records, as source/source.h has them. */
int looks_records_fd(const struct looks *looks);
int looks_urgent_fd(const struct looks *looks);
void looks_consume_records(struct looks *looks, source_record_fn fn, void *userdata);
void looks_consume_urgent(struct looks *looks, source_record_fn fn, void *userdata);
