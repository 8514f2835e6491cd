/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sink of hooks: a command that is run, and a web address that is called, at events that an operator has chosen
 * (docs/hooks.md). Nothing waits for either. Each has a lane of its own: some at once, one for a cgroup, so that the
 * verdict of a trip comes after the trip; some more wait, fairly by cgroup, and what is beyond is dropped, which is
 * logged when it begins and counted when it ends. So is failing.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "core/incident.h"

struct notifier;

struct notifier_config {
	const char *command; /* for /bin/sh; NULL: none; borrowed */
	const char *url;     /* http or https; NULL: none; borrowed, and a secret */
	unsigned int events; /* core/notify.h */
	uid_t uid;	     /* as whom both run */
	gid_t gid;
};

/* -errno. */
int notifier_new(struct notifier **ret, uv_loop_t *loop, const struct notifier_config *config);
/* What runs is killed. Takes NULL. Returns NULL. */
struct notifier *notifier_free(struct notifier *notifier);

/* guard: the name of the one that it is of; NULL: it has none. */
void notifier_tell(struct notifier *notifier, const struct incident *incident, const char *guard);

/* We are about to end: what waits and what runs has only so much time from now on as one command has. */
void notifier_end(struct notifier *notifier);
/* It does not end after all. */
void notifier_return(struct notifier *notifier);
bool notifier_is_busy(const struct notifier *notifier);
