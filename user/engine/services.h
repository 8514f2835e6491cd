/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is guarded are services of somebody: how their owners want them stopped (engine/declarations.h), managers
 * that are asked to (engine/unit_stops.h), and whether they are up again (engine/comebacks.h). Slow path, on the
 * engine's loop.
 */
#pragma once

#include "core/policy_set.h"
#include "engine/comebacks.h"
#include "rescue/respond.h"
#include "sense/cgroup.h"
#include "source/source.h"

struct services;

/* All is borrowed, and outlives the services. */
struct services_config {
	struct comebacks_config comebacks; /* with the loop, systemctl and --then restart of all */
	struct source *source;
	const struct cgroup_tree *tree;
	const struct policy_set *policies;
	int proc_fd;
	bool initial_pid_ns; /* pids of the kernel side are ours; else nothing declared is known */
};

/* -ENOMEM. */
int services_new(struct services **ret, const struct services_config *config);
/* At any time before the loop is closed. Takes NULL. Returns NULL. */
struct services *services_free(struct services *services);

/* Any record of the kernel side. */
void services_on_record(struct services *services, const struct apo_record *record);
/* The responder has told to stop, or would have its manager asked to. */
void services_on_result(struct services *services, const struct responder_result *result);
/* An incident is closed. */
void services_follow(struct services *services, const struct incident *incident);

/* Whether services are started again, and any of them may still have to be. */
bool services_restart(const struct services *services);
bool services_are_awaited(const struct services *services);
