/* SPDX-License-Identifier: BSD-2-Clause */
/* Clocks as one number. */
#pragma once

#include <stdint.h>
#include <time.h>

#include "base/util.h"

static inline uint64_t clock_of_timespec(const struct timespec *time)
{
	return (uint64_t)time->tv_sec * NSEC_PER_SEC + (uint64_t)time->tv_nsec;
}

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return clock_of_timespec(&now);
}

/* A moment of CLOCK_BOOTTIME by CLOCK_REALTIME, which files go by, as that is set now. */
static inline uint64_t clock_realtime_of(uint64_t boottime_ns)
{
	return sat_sub(clock_ns(CLOCK_REALTIME), sat_sub(clock_ns(CLOCK_BOOTTIME), boottime_ns));
}

/* From one timer tick to the next: 1 to 10 ms. */
static inline uint64_t clock_tick_ns(void)
{
	struct timespec tick;

	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	return (uint64_t)tick.tv_nsec;
}
