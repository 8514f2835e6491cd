/* SPDX-License-Identifier: BSD-2-Clause */
#include "hang.h"

#include "base/util.h"

#define FULL_BYTES MIB /* closer to the limit than that is at the limit */

static bool is_full(const struct bench *bench, const struct group *group)
{
	struct cgroup_memory memory = group_memory(bench, group);

	return memory.usage_bytes + FULL_BYTES >= memory.limit_bytes;
}

void hang_look(struct hang *hang, const struct bench *bench, const struct group *group,
	       uint64_t progress)
{
	if (progress != hang->progress || !is_full(bench, group))
		hang->since_ns = 0;
	else if (!hang->since_ns)
		hang->since_ns = now_ns();
	else
		hang->longest_ns = MAX(hang->longest_ns, now_ns() - hang->since_ns);
	hang->progress = progress;
}

double hang_longest_ms(const struct hang *hang)
{
	return (double)hang->longest_ns / 1e6;
}
