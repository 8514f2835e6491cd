/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiled for the host and for BPF by tests/check/abi; never linked. */
#include <stddef.h>

#include "apoptosis/abi_profile.h"

_Static_assert(sizeof(struct apo_record) == 16, "apo_record is ABI");

/* The reader casts to struct apo_record before it knows the type. */
_Static_assert(offsetof(struct apo_trip, rec) == 0, "records start with apo_record");
_Static_assert(offsetof(struct apo_close, rec) == 0, "records start with apo_record");
_Static_assert(offsetof(struct apo_oom, rec) == 0, "records start with apo_record");
_Static_assert(offsetof(struct apo_gap_found, rec) == 0, "records start with apo_record");

/* Ring buffer and maps hand out 8-byte aligned memory. */
#define CHECK_ALIGNED(type) \
	_Static_assert(_Alignof(struct type) <= 8 && sizeof(struct type) % 8 == 0, #type)
CHECK_ALIGNED(apo_policy);
CHECK_ALIGNED(apo_reading);
CHECK_ALIGNED(apo_task);
CHECK_ALIGNED(apo_trip);
CHECK_ALIGNED(apo_close);
CHECK_ALIGNED(apo_oom);
CHECK_ALIGNED(apo_gap_key);
CHECK_ALIGNED(apo_gap_found);
CHECK_ALIGNED(apo_process);
CHECK_ALIGNED(apo_limit);
