/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/incident.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

void incident_process_clear(struct incident_process *process)
{
	free(process->comm);
	free(process->cmdline);
	free(process->cgroup);
	free(process->container_id);
	free(process->unit);
	free(process->user_unit);
	*process = (struct incident_process){};
}

static char *copy_of(const char *text)
{
	return text ? strdup(text) : NULL;
}

struct incident_process incident_process_copy(const struct incident_process *process)
{
	struct incident_process copy = *process;

	copy.comm = copy_of(process->comm);
	copy.cmdline = copy_of(process->cmdline);
	copy.cgroup = copy_of(process->cgroup);
	copy.container_id = copy_of(process->container_id);
	copy.unit = copy_of(process->unit);
	copy.user_unit = copy_of(process->user_unit);
	return copy;
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
	for (unsigned int i = 0; i < incident->level_count; i++)
		free(incident->levels[i].cgroup);
	incident_process_clear(&incident->grower);
	incident_process_clear(&incident->target);
	memory_files_clear(&incident->files);
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
	case VERDICT_ENDED:
		return "ended";
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

const char *limit_kind_name(enum apo_limit_kind kind)
{
	switch (kind) {
	case APO_LIMIT_BOTH:
		return "memory+swap";
	case APO_LIMIT_HOST:
		return "machine";
	case APO_LIMIT_MEMORY:
		break;
	}
	return "memory";
}

bool incident_is_measured(const struct incident *incident)
{
	return !(incident->missing & INCIDENT_MISSING_TRIP);
}

uint64_t incident_rss(const struct incident *incident)
{
	return incident->rss_bytes[APO_FILE] + incident->rss_bytes[APO_ANON] +
	       incident->rss_bytes[APO_SHMEM];
}

bool incident_action_is_known(const struct incident *incident)
{
	return incident_is_measured(incident) || incident->action != APO_ACT_NONE;
}

void incident_note_peak(struct incident *incident, uint64_t need_bytes, int64_t headroom_bytes)
{
	/* Where the record of the trip was lost, the first peak has none before it. */
	bool first = !incident_is_measured(incident) && !incident->peak_need_bytes;

	incident->peak_need_bytes = MAX(incident->peak_need_bytes, need_bytes);
	incident->least_headroom_bytes =
		first ? headroom_bytes : MIN(incident->least_headroom_bytes, headroom_bytes);
}

const char *incident_missing_sentence(enum incident_missing missing)
{
	switch (missing) {
	case INCIDENT_MISSING_TRIP:
		return "the record of the trip was lost: memory, growth and action at the trip are "
		       "not known";
	case INCIDENT_MISSING_END:
		return "the end was not seen: how the process ended is not known";
	case INCIDENT_MISSING_RESTART:
		return "apoptosis was restarted during this trip: what happened in between, and "
		       "who allocated, is not known";
	case INCIDENT_MISSING_ALL:
		break;
	}
	return "";
}

const char *incident_missing_word(enum incident_missing missing)
{
	switch (missing) {
	case INCIDENT_MISSING_TRIP:
		return "trip record lost";
	case INCIDENT_MISSING_END:
		return "end not seen";
	case INCIDENT_MISSING_RESTART:
		return "apoptosis restarted";
	case INCIDENT_MISSING_ALL:
		break;
	}
	return "";
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
