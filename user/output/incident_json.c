/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/comeback.h"
#include "output/incident_json.h"

#include <inttypes.h>
#include <string.h>

#include "base/parse.h"
#include "base/util.h"
#include "core/options.h"
#include "output/format.h"
#include "output/json.h"

/* A static name; NULL is null. */
static json_t *name_json(const char *name)
{
	return name ? json_string(name) : json_null();
}

static json_t *signal_json(int signal)
{
	return signal ? json_string(signal_name(signal)) : json_null();
}

static int set_process(json_t *object, const struct incident_process *process)
{
	bool known = process->pid != 0;
	int r = 0;

	r |= json_object_set_new(object, "pid", json_known(known, (uint64_t)process->pid));
	r |= json_object_set_new(object, "ns_pid", json_known(known, (uint64_t)process->ns_pid));
	r |= json_object_set_new(object, "comm", json_text(process->comm));
	r |= json_object_set_new(object, "cmdline", json_text(process->cmdline));
	r |= json_object_set_new(object, "cgroup", json_text(process->cgroup));
	r |= json_object_set_new(object, "cgroup_id", json_known(known, process->cgroup_id));
	r |= json_object_set_new(object, "container_id", json_text(process->container_id));
	r |= json_object_set_new(object, "unit", json_text(process->unit));
	r |= json_object_set_new(object, "user_unit", json_text(process->user_unit));
	r |= json_object_set_new(object, "disposition",
				 json_string(disposition_name(process->disposition)));
	return r;
}

static json_t *process_json(const struct incident *incident)
{
	json_t *object = json_object();

	return json_finish(object, set_process(object, &incident->grower));
}

static json_t *target_json(const struct incident *incident)
{
	json_t *object = json_object();
	int r = 0;

	r |= json_object_set_new(object, "policy",
				 json_string(target_name(incident->target_policy)));
	r |= set_process(object, &incident->target);
	r |= json_object_set_new(object, "signalled", json_u64(incident->targets_signalled));
	return json_finish(object, r);
}

static json_t *forecast_json(uint64_t forecast_ns)
{
	if (forecast_ns == APO_UNLIMITED)
		return json_null();
	return json_real((double)forecast_ns / (double)NSEC_PER_MSEC);
}

static json_t *parts_json(const struct incident *incident)
{
	const struct memory_parts *parts = &incident->parts, *before = &incident->parts_before;
	json_t *list;
	int r = 0;

	if (!parts->read_ns)
		return json_null();
	list = json_array();
	for (enum memory_part part = 0; part < MEMORY_PARTS; part++) {
		unsigned int bit = 1U << part;
		json_t *object;
		int failed = 0;

		if (!(parts->known & bit))
			continue;
		object = json_object();
		failed |= json_object_set_new(object, "part", json_string(memory_part_name(part)));
		failed |= json_object_set_new(object, "bytes", json_u64(parts->bytes[part]));
		failed |= json_object_set_new(object, "before_bytes",
					      json_known(before->known & bit, before->bytes[part]));
		r |= json_array_append_new(list, json_finish(object, failed));
	}
	return json_finish(list, r);
}

static json_t *files_json(const struct memory_files *files)
{
	json_t *list;
	int r = 0;

	if (!files->known)
		return json_null();
	list = json_array();
	for (size_t i = 0; i < files->count; i++) {
		const struct memory_file *file = &files->list[i];
		json_t *object = json_object();
		int failed = 0;

		failed |= json_object_set_new(object, "path", json_text(file->path));
		failed |= json_object_set_new(object, "bytes", json_u64(file->bytes));
		failed |= json_object_set_new(object, "unlinked", json_boolean(file->is_unlinked));
		failed |= json_object_set_new(object, "older", json_boolean(file->is_older));
		r |= json_array_append_new(list, json_finish(object, failed));
	}
	return json_finish(list, r);
}

static json_t *distance_json(uint64_t time_ns, uint64_t origin_ns)
{
	if (!time_ns || !origin_ns)
		return json_null();
	return json_real((double)sat_diff(time_ns, origin_ns) / (double)NSEC_PER_MSEC);
}

/* What the memory is. */
static int set_kinds(json_t *memory, const struct incident *incident)
{
	uint64_t origin_ns = incident->crossed_ns ?: incident->killed_ns;
	int r = 0;

	r |= json_object_set_new(memory, "parts", parts_json(incident));
	r |= json_object_set_new(memory, "parts_ms",
				 distance_json(incident->parts.read_ns, origin_ns));
	r |= json_object_set_new(memory, "parts_before_ms",
				 distance_json(incident->parts_before.read_ns, origin_ns));
	r |= json_object_set_new(memory, "files", files_json(&incident->files));
	r |= json_object_set_new(memory, "files_owned",
				 incident->files.known ? json_boolean(incident->files.is_owned)
						       : json_null());
	r |= json_object_set_new(memory, "files_cut",
				 incident->files.known ? json_boolean(incident->files.is_cut)
						       : json_null());
	return r;
}

/*
 * Of an OOM kill without a trip only the reading of the limit is known; of a trip whose record was lost
 * only the limit, and perhaps what came after it.
 */
static json_t *memory_json(const struct incident *incident)
{
	bool read = incident_is_measured(incident), tripped = read && incident->crossed_ns;
	bool followed = tripped || incident->peak_need_bytes;
	json_t *object = json_object();
	int r = 0;

	r |= json_object_set_new(object, "need_bytes", json_known(read, incident->need_bytes));
	r |= json_object_set_new(object, "usage_bytes", json_known(read, incident->usage_bytes));
	r |= json_object_set_new(object, "reclaimable_bytes",
				 json_known(read, incident->reclaimable_bytes));
	r |= json_object_set_new(object, "swap_room_bytes", json_known(read, incident->swap_bytes));
	r |= json_object_set_new(object, "limit_bytes", json_u64(incident->limit_bytes));
	r |= json_object_set_new(object, "limit_cgroup", json_text(incident->limit_cgroup));
	r |= json_object_set_new(object, "limit_kind",
				 read ? json_string(limit_kind_name(incident->limit_kind))
				      : json_null());
	r |= json_object_set_new(object, "headroom_bytes",
				 read ? json_integer(incident->headroom_bytes) : json_null());
	r |= json_object_set_new(object, "reserve_bytes",
				 json_known(read || incident->reserve_bytes,
					    incident->reserve_bytes));
	r |= json_object_set_new(object, "rate_bytes_per_s",
				 json_known(tripped, incident->rate_bytes_s));
	r |= json_object_set_new(object, "forecast_ms",
				 tripped ? forecast_json(incident->forecast_ns) : json_null());
	r |= json_object_set_new(object, "rss_bytes",
				 tripped ? json_kinds(incident->rss_bytes, 1) : json_null());
	r |= json_object_set_new(object, "peak_need_bytes",
				 json_known(followed, incident->peak_need_bytes));
	r |= json_object_set_new(object, "least_headroom_bytes",
				 followed ? json_integer(incident->least_headroom_bytes)
					  : json_null());
	r |= set_kinds(object, incident);
	return json_finish(object, r);
}

static json_t *action_json(const struct incident *incident)
{
	json_t *object = json_object();
	int r = 0;

	r |= json_object_set_new(object, "signal", signal_json(incident->signal));
	r |= json_object_set_new(object, "wanted_signal", signal_json(incident->wanted_signal));
	r |= json_object_set_new(object, "profile", json_text(incident->profile));
	r |= json_object_set_new(object, "declared",
				 json_text(declaration_name(incident->declared)));
	r |= json_object_set_new(object, "result",
				 incident_action_is_known(incident)
					 ? json_string(action_name(incident->action))
					 : json_null());
	r |= json_object_set_new(object, "error",
				 incident->error ? json_text(strerror(-incident->error))
						 : json_null());
	r |= json_object_set_new(object, "generated", json_boolean(incident->generated_ns != 0));
	r |= json_object_set_new(object, "delivered", json_boolean(incident->delivered_ns != 0));
	r |= json_object_set_new(object, "killed_after_grace",
				 json_boolean(incident->killed_after_grace));
	return json_finish(object, r);
}

static json_t *levels_json(const struct incident *incident)
{
	json_t *list = json_array();
	int r = 0;

	for (unsigned int i = 0; i < incident->level_count; i++) {
		const struct incident_level *level = &incident->levels[i];
		json_t *object = json_object();
		int failed = 0;

		failed |= json_object_set_new(object, "cgroup", json_text(level->cgroup));
		failed |= json_object_set_new(object, "raised_bytes", json_u64(level->lent_bytes));
		r |= json_array_append_new(list, json_finish(object, failed));
	}
	return json_finish(list, r);
}

static int set_payback(json_t *airbag, const struct loan_facts *loan)
{
	char time[FORMAT_TIME_SIZE];
	bool is_over = loan->over_realtime_ns;
	int r = 0;

	format_rfc3339(time, sizeof(time), loan->over_realtime_ns);
	r |= json_object_set_new(
		airbag, "lent_ms",
		is_over ? json_real((double)loan->lasted_ns / (double)NSEC_PER_MSEC) : json_null());
	r |= json_object_set_new(airbag, "paid_back", is_over ? json_string(time) : json_null());
	return r;
}

int incident_json_amend(json_t *document, const struct amendment *amendment)
{
	json_t *airbag = json_object_get(document, "airbag");
	int r = json_is_object(airbag) ? 0 : -1;

	if (!r && amendment->loan)
		r = set_payback(airbag, amendment->loan);
	if (!r && amendment->comeback)
		r = json_object_set_new(document, "after", comeback_json(amendment->comeback));
	return r;
}

static json_t *airbag_json(const struct incident *incident)
{
	static const char *const results[] = {
		[INCIDENT_AIRBAG_NONE] = "none",
		[INCIDENT_AIRBAG_RAISED] = "raised",
		[INCIDENT_AIRBAG_REFUSED] = "refused",
		[INCIDENT_AIRBAG_FAILED] = "failed",
	};
	json_t *object = json_object();
	int r = 0;

	r |= json_object_set_new(object, "result", json_string(results[incident->airbag]));
	r |= json_object_set_new(object, "error",
				 incident->airbag_error
					 ? json_text(strerror(-incident->airbag_error))
					 : json_null());
	r |= json_object_set_new(object, "raised_bytes", json_u64(incident->airbag_bytes));
	r |= json_object_set_new(object, "used_bytes", json_u64(incident_airbag_used(incident)));
	r |= json_object_set_new(object, "brake", json_string(incident_brake(incident)));
	r |= json_object_set_new(object, "limits", levels_json(incident));
	r |= set_payback(object, &incident->loan);
	return json_finish(object, r);
}

static json_t *timing_json(const struct incident *incident)
{
	uint64_t margin_ns = incident_margin_ns(incident);
	uint64_t exit_ns = incident->exit.known ? incident->exit_ns
						: 0; /* else when we heard of it */
	json_t *object = json_object();
	int r = 0;

	r |= json_object_set_new(object, "crossing_to_signal_us",
				 json_span(incident->crossed_ns, incident->signal_ns,
					   NSEC_PER_USEC));
	r |= json_object_set_new(object, "crossing_to_handler_us",
				 json_span(incident->crossed_ns, incident->delivered_ns,
					   NSEC_PER_USEC));
	r |= json_object_set_new(object, "crossing_to_airbag_us",
				 json_span(incident->crossed_ns, incident->airbag_ns,
					   NSEC_PER_USEC));
	r |= json_object_set_new(object, "margin_ms",
				 margin_ns == APO_UNLIMITED
					 ? json_null()
					 : json_real((double)margin_ns / (double)NSEC_PER_MSEC));
	r |= json_object_set_new(object, "signal_to_exit_ms",
				 json_span(incident->signal_ns, exit_ns, NSEC_PER_MSEC));
	r |= json_object_set_new(
		object, "grace_ms",
		incident->grace_ns ? json_real((double)incident->grace_ns / (double)NSEC_PER_MSEC)
				   : json_null());
	return json_finish(object, r);
}

/* null: still running; all of it null: gone, and nobody saw how. */
static json_t *exit_json(const struct incident *incident)
{
	const struct incident_exit *end = &incident->exit;
	bool exited = end->known && !end->signal;
	json_t *object;
	int r = 0;

	if (!end->known && !incident->exit_ns)
		return json_null();
	object = json_object();
	r |= json_object_set_new(object, "code", exited ? json_integer(end->code) : json_null());
	r |= json_object_set_new(object, "signal", signal_json(end->known ? end->signal : 0));
	return json_finish(object, r);
}

static json_t *kernel_json(const struct incident_events *before,
			   const struct incident_events *after)
{
	json_t *object = json_object();
	int r = 0;

	r |= json_object_set_new(object, "oom_kills_before",
				 json_known(before->known, before->oom_kills));
	r |= json_object_set_new(object, "oom_kills_after",
				 json_known(after->known, after->oom_kills));
	r |= json_object_set_new(object, "at_limit_before",
				 json_known(before->known, before->at_limit));
	r |= json_object_set_new(object, "at_limit_after",
				 json_known(after->known, after->at_limit));
	r |= json_object_set_new(object, "at_high_before",
				 json_known(before->known, before->at_high));
	r |= json_object_set_new(object, "at_high_after", json_known(after->known, after->at_high));
	r |= json_object_set_new(object, "hangs_after",
				 after->known ? json_boolean(after->hangs) : json_null());
	return json_finish(object, r);
}

static json_t *missing_json(unsigned int missing)
{
	json_t *list = json_array();
	int r = 0;

	for (unsigned int bit = 1; bit <= INCIDENT_MISSING_ALL; bit <<= 1)
		if (missing & bit)
			r |= json_array_append_new(list,
						   json_string(incident_missing_sentence(bit)));
	return json_finish(list, r);
}

json_t *incident_json(const struct incident *incident, const char *event)
{
	json_t *object = json_event(event, incident->judged_ns ?: incident->realtime_ns);
	char id[17], trip_time[FORMAT_TIME_SIZE];
	int r = 0;

	format_rfc3339(trip_time, sizeof(trip_time), incident->realtime_ns);
	r |= json_object_set_new(object, "trip_time", json_string(trip_time));
	snprintf(id, sizeof(id), "%016" PRIx64, incident->id);
	r |= json_object_set_new(object, "id", json_string(id));
	r |= json_object_set_new(object, "guard", json_text(incident->guard));
	r |= json_object_set_new(object, "verdict", json_string(verdict_name(incident->verdict)));
	r |= json_object_set_new(object, "reason", name_json(incident->reason));
	r |= json_object_set_new(object, "trigger", name_json(trigger_name(incident->trigger)));
	r |= json_object_set_new(object, "rule", name_json(rule_name(incident->rule)));
	r |= json_object_set_new(object, "level", json_u64(incident->level));
	r |= json_object_set_new(object, "process", process_json(incident));
	r |= json_object_set_new(object, "cause_pid",
				 json_known(incident->cause_pid, (uint64_t)incident->cause_pid));
	r |= json_object_set_new(object, "target", target_json(incident));
	r |= json_object_set_new(object, "memory", memory_json(incident));
	r |= json_object_set_new(object, "faults",
				 json_known(incident->crossed_ns && incident_is_measured(incident),
					    incident->faults));
	r |= json_object_set_new(object, "action", action_json(incident));
	r |= json_object_set_new(object, "airbag", airbag_json(incident));
	r |= json_object_set_new(object, "timing", timing_json(incident));
	r |= json_object_set_new(object, "exit", exit_json(incident));
	r |= json_object_set_new(object, "kernel",
				 kernel_json(&incident->before, &incident->after));
	r |= json_object_set_new(object, "after", comeback_json(&incident->comeback));
	if (incident->missing)
		r |= json_object_set_new(object, "missing", missing_json(incident->missing));
	return json_finish(object, r);
}
