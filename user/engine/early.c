// SPDX-License-Identifier: BSD-2-Clause
#include "engine/early.h"

bool early_keep(struct early *early, const struct responder_result *result,
		struct responder_result *ret_gone)
{
	struct responder_result *place = &early->results[early->next++ % EARLY_MAX];

	*ret_gone = *place;
	*place = *result;
	return ret_gone->trip_id;
}

bool early_take(struct early *early, uint64_t trip_id, struct responder_result *ret)
{
	for (size_t i = 0; i < EARLY_MAX; i++) {
		struct responder_result *place = &early->results[(early->next + i) % EARLY_MAX];

		if (place->trip_id != trip_id)
			continue;
		*ret = *place;
		place->trip_id = 0;
		return true;
	}
	return false;
}
