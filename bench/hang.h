/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long a program hung: usage within 1 MiB of the limit in force, page cache included, and no progress. Page
 * cache counts: a program whose code is dropped and read again hangs with some MiB of it left.
 */
#pragma once

#include "bench.h"

#define HANG_SAMPLE_MS 5
#define HANG_TARGET_MS 2000

struct hang {
	uint64_t since_ns, longest_ns; /* 0: it does not hang; it never did */
	uint64_t progress;
};

/* Every HANG_SAMPLE_MS. progress: what grows as long as it gets on. */
void hang_look(struct hang *hang, const struct bench *bench, const struct group *group,
	       uint64_t progress);
double hang_longest_ms(const struct hang *hang);
