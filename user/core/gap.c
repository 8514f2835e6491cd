// SPDX-License-Identifier: BSD-2-Clause
#include "core/gap.h"

static const struct {
	const char *name, *words, *remedy;
	bool is_partial;
} kinds[GAP_KINDS] = {
	[GAP_GONE] = {"gone", "is removed: nothing is guarded there until it is made anew",
		      "nothing, if what runs there is stopped"},
};

const char *gap_name(enum gap_kind kind)
{
	return kinds[kind].name;
}

bool gap_is_partial(enum gap_kind kind)
{
	return kinds[kind].is_partial;
}

const char *gap_words(enum gap_kind kind)
{
	return kinds[kind].words;
}

const char *gap_remedy(enum gap_kind kind)
{
	return kinds[kind].remedy;
}
