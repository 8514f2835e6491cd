/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long what was read serves all who ask: a fifth of a second, and the longer the more time reading takes, so that who
 * asks all the time has no more than a part of a CPU spent on it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/util.h"

#define FRESHNESS_LEAST_NS (NSEC_PER_SEC / 5)

/* All zero: nothing was read. CLOCK_MONOTONIC. */
struct freshness {
	uint64_t read_ns, took_ns;
};

/* part: the part of a CPU is one of so many. */
static inline uint64_t freshness_ns(const struct freshness *freshness, unsigned int part)
{
	return MAX(FRESHNESS_LEAST_NS, part * freshness->took_ns);
}

static inline bool freshness_holds(const struct freshness *freshness, unsigned int part,
				   uint64_t now_ns)
{
	return freshness->read_ns && now_ns - freshness->read_ns <= freshness_ns(freshness, part);
}

/* Of what was begun to be read then, and is read now. */
static inline struct freshness freshness_since(uint64_t began_ns)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);

	return (struct freshness){.read_ns = now_ns, .took_ns = now_ns - began_ns};
}
