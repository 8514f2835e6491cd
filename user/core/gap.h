/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Gaps: cgroups that are guarded less than was asked for, or not at all at present, and why. A gap is
 * told of once when it opens, and listed in each status as long as it is there. Plain data. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum gap_kind {
	GAP_GONE = 0, /* a guard's cgroup is removed, and not made anew yet */
	GAP_KINDS,
};

struct gap {
	enum gap_kind kind;
	char *cgroup;	    /* its path, raw; NULL: not known */
	uint64_t cgroup_id; /* 0: there is none at present */
};

/* "gone". */
const char *gap_name(enum gap_kind kind);
/* Whether something is guarded there all the same. */
bool gap_is_partial(enum gap_kind kind);
/* What it means, after the name of the cgroup: "is removed: ...". */
const char *gap_words(enum gap_kind kind);
/* What a user can do about it. */
const char *gap_remedy(enum gap_kind kind);
