// SPDX-License-Identifier: BSD-2-Clause
#include "core/gap.h"

static const struct {
	const char *name, *words, *remedy;
	bool is_partial;
} kinds[GAP_KINDS] = {
	[APO_GAP_WIDE] = {"wide",
			  "has more than 512 cgroups below it: its page cache is known with a "
			  "delay",
			  "let its limit be raised (--airbag auto), or keep a larger --reserve",
			  true},
	[APO_GAP_DEEP] = {"deep",
			  "lies more than 32 levels deep: limits and guards above these are not "
			  "seen",
			  "guard a cgroup nearer to it, or set a limit there", true},
	[APO_GAP_LIMIT] = {"no account",
			   "is not guarded: there is no room for the account of its limit",
			   "a larger --accounts, or a guard of fewer cgroups", false},
	[APO_GAP_TARGET] = {"not followed",
			    "had more processes signalled than can be followed: how they ended is "
			    "not known",
			    "a larger --accounts", true},
	[APO_GAP_CHILD] = {"children",
			   "has children of a guarded process that are not guarded: there are too "
			   "many of them",
			   "guard the cgroup (--cgroup) instead of the process", true},
	[GAP_GONE] = {"gone", "is removed: nothing is guarded there until it is made anew",
		      "nothing, if what runs there is stopped", false},
};

const char *gap_name(uint32_t kind)
{
	return kinds[kind].name;
}

bool gap_is_partial(uint32_t kind)
{
	return kinds[kind].is_partial;
}

const char *gap_words(uint32_t kind)
{
	return kinds[kind].words;
}

const char *gap_remedy(uint32_t kind)
{
	return kinds[kind].remedy;
}
