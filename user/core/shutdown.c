/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/shutdown.h"

#include "core/verdict.h"

void shutdown_on_verdict(struct shutdown *shutdown, const struct incident *incident,
			 const struct shutdown_part *part)
{
	bool is_meant = incident->target_policy == APO_TARGET_ALL ? part->is_told : part->is_target;

	if (!is_meant)
		return;
	if (!part->has_ended && verdict_runs_on(incident))
		shutdown->is_asked = false;
	else if (!part->is_target || verdict_was_heard(incident))
		shutdown->is_asked = true;
}

int shutdown_status(const struct shutdown *shutdown, int status, int on_trip)
{
	return !status && shutdown->is_asked && on_trip ? on_trip : status;
}
