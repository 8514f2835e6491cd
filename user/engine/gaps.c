// SPDX-License-Identifier: BSD-2-Clause
#include "engine/gaps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int add(struct status *status, const struct gap *gap)
{
	struct gap *gaps = reallocarray(status->gaps, status->gap_count + 1, sizeof(*status->gaps));

	if (!gaps)
		return -ENOMEM;
	status->gaps = gaps;
	gaps[status->gap_count++] = *gap;
	return 0;
}

int gaps_read(const struct guards *guards, struct status *status)
{
	int r = 0;

	for (uint32_t id = 0; !r && id < policy_set_count(guards_policies(guards)); id++)
		if (guards_is_gone(guards, id))
			r = add(status,
				&(const struct gap){.kind = GAP_GONE,
						    .cgroup = strdup(guards_cgroup(guards, id))});
	return r;
}

void gaps_clear(struct status *status)
{
	for (size_t i = 0; i < status->gap_count; i++)
		free(status->gaps[i].cgroup);
	free(status->gaps);
	status->gaps = NULL;
	status->gap_count = 0;
}
