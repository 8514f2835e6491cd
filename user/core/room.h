/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Room for the accounts of limits: how many there can be, and which of them go when there is none left. An
 * account is made anew at the next check of its limit; what it has counted is lost. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apoptosis/abi.h"

#define ROOM_LEAST 4096
#define ROOM_MOST 262144 /* four policies for each memory cgroup that a kernel can have */

/* For a machine with so many memory cgroups: four times that, in at most a 256th of its memory. */
uint32_t room_for_limits(uint64_t cgroups, uint64_t memory_bytes);
/* For children of processes that are guarded by pid. */
uint32_t room_for_children(uint64_t memory_bytes);

/* An account that may go. */
struct room_account {
	struct apo_limit_key key;
	struct apo_limit account;
	bool is_lent;
};

/*
 * Moves those that are to go to the front, and returns how many. They are an eighth of `room` at most, the
 * longest unchecked first; before those that are near their limit the ones that are not, and before those that
 * have counted something the ones that have not. An account that is in the midst of a trip, or whose limit is
 * raised, does not go.
 */
size_t room_make(struct room_account *accounts, size_t n, uint32_t room, uint64_t now_ns);
