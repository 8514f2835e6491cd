/* SPDX-License-Identifier: BSD-2-Clause */
/* Clocks as one number. */
#pragma once

#include <stdint.h>
#include <time.h>

#include "base/util.h"

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

/* From one timer tick to the next: 1 to 10 ms. */
static inline uint64_t clock_tick_ns(void)
{
	struct timespec tick;

	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	return (uint64_t)tick.tv_nsec;
}
