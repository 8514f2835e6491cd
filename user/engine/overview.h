/* SPDX-License-Identifier: BSD-2-Clause */
/* What ready and status events say: what the parts of the engine know, put together. For the main loop. */
#pragma once

#include <jansson.h>

#include "core/status.h"
#include "engine/gaps.h"
#include "engine/guards.h"
#include "engine/idle_limits.h"
#include "engine/incidents.h"
#include "output/metrics.h"
#include "rescue/rescue.h"
#include "sense/cgroup_memory.h"
#include "sinks/sinks.h"
#include "source/source.h"

/* All is borrowed. */
struct overview_parts {
	struct source *source;
	const struct rescue *rescue;
	const struct cgroup_tree *tree;
	const struct guards *guards;
	struct gaps *gaps;
	struct incidents *incidents;
	uint64_t page_bytes;
	const char *mode; /* as in ready */
	const struct sinks *sinks;
};

struct overview {
	struct overview_parts parts;
	struct idle_limits *idle;
	struct trigger_names triggers;
	bool lends; /* the first guard's limit can be raised */
	uint64_t since_realtime_ns;
	char *refused; /* a mistake in a configuration that was not taken; NULL: none. Owned */
};

/* 0 or -ENOMEM. To be done with in any case, if it was all zero before. */
int overview_start(struct overview *overview, const struct overview_parts *parts);
void overview_done(struct overview *overview);

/*
 * What is guarded, where that is one cgroup. *limit holds what *ready names: to be released after it. Nothing else of
 * *ready is touched.
 */
void overview_guard(const struct overview *overview, struct cgroup_limit *limit,
		    struct ready *ready);

/* What a new configuration was refused for. */
void overview_refuse(struct overview *overview, const char *why);

/* 0 or -errno; to be cleared in either case. */
int overview_read(const struct overview *overview, struct status *ret);
void overview_clear(struct status *status);
/* As a document; NULL: it cannot be read. */
json_t *overview_json(const struct overview *overview);
/* As metrics; the caller frees the text. NULL: it cannot be read. */
char *overview_metrics(const struct overview *overview, enum metrics_place place);
