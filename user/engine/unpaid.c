// SPDX-License-Identifier: BSD-2-Clause
#include "engine/unpaid.h"

#include <stdlib.h>

struct unpaid {
	struct unpaid *next;
	uint64_t incident_id, limit_cgroup;
};

void unpaid_add(struct unpaid **list, uint64_t incident_id, uint64_t limit_cgroup)
{
	struct unpaid *unpaid = malloc(sizeof(*unpaid));

	if (!unpaid)
		return;
	*unpaid = (struct unpaid){
		.next = *list, .incident_id = incident_id, .limit_cgroup = limit_cgroup};
	*list = unpaid;
}

void unpaid_take(struct unpaid **list, uint64_t limit_cgroup,
		 void (*fn)(uint64_t incident_id, void *userdata), void *userdata)
{
	struct unpaid **link = list;

	while (*link) {
		struct unpaid *unpaid = *link;

		if (unpaid->limit_cgroup != limit_cgroup) {
			link = &unpaid->next;
			continue;
		}
		*link = unpaid->next;
		fn(unpaid->incident_id, userdata);
		free(unpaid);
	}
}

void unpaid_clear(struct unpaid **list)
{
	while (*list) {
		struct unpaid *unpaid = *list;

		*list = unpaid->next;
		free(unpaid);
	}
}
