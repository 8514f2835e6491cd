// SPDX-License-Identifier: BSD-2-Clause
#include "core/tally.h"

#include <string.h>

static const struct tally *find(const struct tallies *tallies, uint64_t cgroup_id)
{
	for (size_t i = 0; i < TALLIES_MAX; i++)
		if (tallies->guards[i].cgroup_id == cgroup_id)
			return &tallies->guards[i];
	return NULL;
}

void tallies_add(struct tallies *tallies, uint64_t cgroup_id, enum verdict verdict)
{
	struct tally *tally = cgroup_id ? (struct tally *)find(tallies, cgroup_id) : NULL;

	tallies->all.verdicts[verdict]++;
	if (!tally && cgroup_id) {
		tally = &tallies->guards[tallies->next++ % TALLIES_MAX];
		*tally = (struct tally){.cgroup_id = cgroup_id};
	}
	if (tally)
		tally->verdicts[verdict]++;
}

void tallies_read(const struct tallies *tallies, struct status *status)
{
	memcpy(status->verdicts, tallies->all.verdicts, sizeof(status->verdicts));
	for (size_t i = 0; i < status->guard_count; i++) {
		const struct tally *tally = find(tallies, status->guards[i].id);

		if (tally)
			memcpy(status->guards[i].verdicts, tally->verdicts,
			       sizeof(tally->verdicts));
	}
}
