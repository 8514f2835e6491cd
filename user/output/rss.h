/* SPDX-License-Identifier: BSD-2-Clause */
/* `apoptosis rss`: the memory of one process and of its cgroup, as text and as JSON. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "apoptosis/abi.h"

/* Strings are borrowed and raw. */
struct rss_report {
	uint64_t realtime_ns;
	pid_t pid;
	const char *comm;
	uint64_t rss_bytes[APO_KINDS]; /* swap is not resident */
	uint64_t page_bytes;
	const char *cgroup; /* NULL = no memory cgroup known: nothing below is shown */
	uint64_t usage_bytes;
	uint64_t reclaimable_bytes;
	uint64_t limit_bytes;	  /* APO_UNLIMITED = none up to the root */
	const char *limit_cgroup; /* whose limit binds; NULL = none */
	int64_t headroom_bytes;
};

/* 0 or -errno: see file_result(). */
int rss_text(FILE *file, const struct rss_report *report);
/* {"event": "rss", ...}; a new reference, NULL if there is no memory. */
json_t *rss_json(const struct rss_report *report);
