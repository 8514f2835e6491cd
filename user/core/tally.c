// SPDX-License-Identifier: BSD-2-Clause
#include "core/tally.h"

#include <string.h>

static const struct tally *find(const struct tallies *tallies, const struct apo_limit_key *limit)
{
	for (size_t i = 0; i < TALLIES_MAX; i++)
		if (tallies->limits[i].limit.cgroup_id == limit->cgroup_id &&
		    tallies->limits[i].limit.policy == limit->policy)
			return &tallies->limits[i];
	return NULL;
}

void tallies_add(struct tallies *tallies, const struct apo_limit_key *limit, enum verdict verdict)
{
	struct tally *tally = limit->cgroup_id ? (struct tally *)find(tallies, limit) : NULL;

	tallies->all.verdicts[verdict]++;
	if (!tally && limit->cgroup_id) {
		tally = &tallies->limits[tallies->next++ % TALLIES_MAX];
		*tally = (struct tally){.limit = *limit};
	}
	if (tally)
		tally->verdicts[verdict]++;
}

void tallies_read(const struct tallies *tallies, struct status *status)
{
	memcpy(status->verdicts, tallies->all.verdicts, sizeof(status->verdicts));
	for (size_t i = 0; i < status->limit_count; i++) {
		const struct tally *tally = find(tallies, &status->limits[i].key);

		if (tally)
			memcpy(status->limits[i].verdicts, tally->verdicts,
			       sizeof(tally->verdicts));
	}
}
