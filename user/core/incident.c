/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/incident.h"

#include <stdlib.h>

#include "base/util.h"

void incident_process_clear(struct incident_process *process)
{
	free(process->comm);
	free(process->cmdline);
	free(process->cgroup);
	free(process->container_id);
	*process = (struct incident_process){};
}

struct incident *incident_new(void)
{
	struct incident *incident = calloc(1, sizeof(*incident));

	if (incident)
		incident->exit.code = -1;
	return incident;
}

struct incident *incident_free(struct incident *incident)
{
	if (!incident)
		return NULL;
	incident_process_clear(&incident->grower);
	incident_process_clear(&incident->target);
	free(incident->limit_cgroup);
	free(incident);
	return NULL;
}

const char *verdict_name(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_OPEN:
		return "open";
	case VERDICT_SAVED:
		return "saved";
	case VERDICT_TOO_LATE:
		return "too late";
	case VERDICT_NEEDLESS:
		return "needless";
	case VERDICT_IGNORED:
		return "ignored";
	case VERDICT_MISSED:
		return "missed";
	case VERDICT_DRY_RUN:
		return "dry run";
	}
	return "open";
}

uint64_t incident_airbag_used(const struct incident *incident)
{
	return incident->airbag_bytes ? sat_sub(incident->peak_need_bytes, incident->limit_bytes)
				      : 0;
}

const char *incident_brake(const struct incident *incident)
{
	const struct incident_events *before = &incident->before, *after = &incident->after;

	if (!incident->brake_set)
		return "none";
	return before->known && after->known && after->at_high > before->at_high ? "held" : "set";
}

uint64_t incident_margin_ns(const struct incident *incident)
{
	if (!incident->rate_bytes_s)
		return APO_UNLIMITED;
	if (incident->least_headroom_bytes <= 0)
		return 0;
	return sat_mul(incident->least_headroom_bytes, NSEC_PER_MSEC) / incident->rate_bytes_s *
	       NSEC_PER_USEC;
}
