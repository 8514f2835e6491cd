/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guarding without the kernel side, by looking at the memory of a cgroup now and then: when to look next, and when to
 * signal. It is the last rung: it needs no privilege, and is late for whatever fills its reserve between two looks. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define POLLING_LEAST_NS 2000000ULL   /* a look takes some 30 us */
#define POLLING_MOST_NS 1000000000ULL /* for a limit that is raised or lowered meanwhile */
/* Faster than a few threads fill memory, so that half the way is left. */
#define POLLING_BYTES_PER_S 8000000000ULL

struct polling {
	uint64_t reserve_bytes;
	uint32_t level; /* how many lines were crossed since headroom was last ample */
};

/* How long until the next look, where there is so much headroom. */
uint64_t polling_wait_ns(const struct polling *polling, int64_t headroom_bytes);
/*
 * Takes in what was seen. Whether a signal is due: at the reserve, and again at half of it, a quarter and so on, four times,
 * until there is a quarter more than the reserve. Lines that are passed at once are one.
 */
bool polling_crosses(struct polling *polling, int64_t headroom_bytes);
/* Nobody could be told: it is due again. */
void polling_undo(struct polling *polling);
