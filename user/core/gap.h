/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Gaps: cgroups that are guarded less than was asked for, or not at all at present, and why. A gap is
 * told of in words when the first of its kind opens, and listed in each status as long as it is there.
 * Plain data. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "apoptosis/abi.h"

/* Those that the kernel side finds are enum apo_gap. */
enum {
	GAP_GONE = APO_GAPS, /* a guard's cgroup is removed, and not made anew yet */
	GAP_KINDS,
};

struct gap {
	uint32_t kind;	    /* enum apo_gap, or one of the above */
	char *cgroup;	    /* its path, raw; NULL: not known */
	uint64_t cgroup_id; /* 0: there is none at present */
};

/* "gone". kind: below GAP_KINDS, here and below. */
const char *gap_name(uint32_t kind);
/* Whether something is guarded there all the same. */
bool gap_is_partial(uint32_t kind);
/* What it means, after the name of the cgroup: "is removed: ...". */
const char *gap_words(uint32_t kind);
/* What a user can do about it. */
const char *gap_remedy(uint32_t kind);
