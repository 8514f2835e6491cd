/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/status_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "output/format.h"
#include "output/json.h"

static const char *const counter_names[APO_STATS] = {
	[APO_STAT_CHECKS] = "checks",
	[APO_STAT_TRIPS] = "trips",
	[APO_STAT_WARNS] = "warns",
	[APO_STAT_SENT] = "sent",
	[APO_STAT_BUSY] = "busy",
	[APO_STAT_DELEGATED] = "delegated",
	[APO_STAT_LOST_RECORDS] = "lost_records",
	[APO_STAT_MAP_FULL] = "map_full",
	[APO_STAT_SUBTREE_CUT] = "subtree_cut",
	[APO_STAT_OOM_KILLS] = "oom_kills",
	[APO_STAT_SAMPLES] = "samples",
	[APO_STAT_OOM_UNCAUGHT] = "oom_kills_uncaught",
};

static json_t *pages_json(uint64_t pages, uint64_t page_bytes)
{
	return json_u64(sat_mul(pages, page_bytes));
}

static json_t *signed_pages_json(int64_t pages, uint64_t page_bytes)
{
	int64_t bytes;

	if (__builtin_mul_overflow(pages, (int64_t)page_bytes, &bytes))
		return json_null();
	return json_integer(bytes);
}

static json_t *guard_json(const struct ready *ready)
{
	json_t *object;
	int r = 0;

	if (!ready->has_guard)
		return json_null();
	object = json_object();
	r |= json_object_set_new(object, "cgroup", json_text(ready->cgroup));
	r |= json_object_set_new(object, "cgroup_id", json_u64(ready->cgroup_id));
	r |= json_object_set_new(object, "limit_bytes", json_u64(ready->limit_bytes));
	r |= json_object_set_new(object, "limit_cgroup", json_text(ready->limit_cgroup));
	r |= json_object_set_new(object, "lends", json_boolean(ready->lends));
	r |= json_object_set_new(object, "reserve_bytes", json_u64(ready->reserve_bytes));
	return json_finish(object, r);
}

static json_t *triggers_json(const struct trigger_names *triggers)
{
	json_t *array = json_array();
	int r = 0;

	for (size_t i = 0; i < triggers->count; i++)
		r |= json_array_append_new(array, json_string(triggers->names[i]));
	return json_finish(array, r);
}

static json_t *self_json(const struct ready_self *self)
{
	json_t *object = json_object();
	int r = 0;

	r |= json_object_set_new(object, "memory_locked", json_boolean(self->is_locked));
	r |= json_object_set_new(object, "realtime", json_boolean(self->is_realtime));
	r |= json_object_set_new(object, "descriptors_max", json_u64(self->descriptors_max));
	r |= json_object_set_new(object, "limits_max", json_integer(self->limits_max));
	return json_finish(object, r);
}

json_t *ready_json(const struct ready *ready)
{
	json_t *object = json_event("ready", ready->realtime_ns);
	int r = 0;

	r |= json_object_set_new(object, "mode", json_text(ready->mode));
	r |= json_object_set_new(object, "pid", json_integer(ready->pid));
	r |= json_object_set_new(object, "version", json_text(ready->version));
	r |= json_object_set_new(object, "guard", guard_json(ready));
	r |= json_object_set_new(object, "host", json_boolean(ready->guards_host));
	r |= json_object_set_new(object, "triggers", triggers_json(&ready->triggers));
	r |= json_object_set_new(object, "self", self_json(&ready->self));
	if (ready->child)
		r |= json_object_set_new(object, "child", json_integer(ready->child));
	return json_finish(object, r);
}

static json_t *verdicts_json(const uint64_t verdicts[VERDICTS])
{
	json_t *object = json_object();
	int r = 0;

	for (int i = 0; i < VERDICTS; i++)
		r |= json_object_set_new(object, verdict_name((enum verdict)i),
					 json_u64(verdicts[i]));
	return json_finish(object, r);
}

static json_t *loan_json(const struct loan_facts *loan)
{
	char time[FORMAT_TIME_SIZE];
	json_t *object;
	int r = 0;

	if (!loan->lent_bytes)
		return json_null();
	format_rfc3339(time, sizeof(time), loan->over_realtime_ns);
	object = json_object();
	r |= json_object_set_new(object, "lent_bytes", json_u64(loan->lent_bytes));
	r |= json_object_set_new(object, "lent_ms",
				 json_real((double)loan->lasted_ns / (double)NSEC_PER_MSEC));
	r |= json_object_set_new(object, "for_trip", json_boolean(loan->is_for_trip));
	r |= json_object_set_new(object, "paid_back",
				 loan->over_realtime_ns ? json_string(time) : json_null());
	return json_finish(object, r);
}

/* null: it does not grow, or there is no limit. */
static json_t *time_to_limit_json(const struct apo_limit *account, uint64_t now_ns)
{
	double seconds;

	return status_time_to_limit(account, now_ns, &seconds) ? json_real(seconds) : json_null();
}

static json_t *limit_json(const struct status_limit *limit, const struct status *status)
{
	const struct apo_limit *account = &limit->account;
	uint64_t page_bytes = status->page_bytes;
	json_t *object = json_object();
	int r = 0;

	r |= json_object_set_new(object, "cgroup", json_text(limit->path));
	r |= json_object_set_new(object, "cgroup_id", json_u64(limit->key.cgroup_id));
	r |= json_object_set_new(object, "container", json_text(limit->workload.container));
	r |= json_object_set_new(object, "namespace", json_text(limit->workload.pod_namespace));
	r |= json_object_set_new(object, "pod", json_text(limit->workload.pod));
	r |= json_object_set_new(object, "policy", json_integer(limit->key.policy));
	r |= json_object_set_new(object, "policy_from", json_text(limit->why));
	r |= json_object_set_new(object, "guard", json_text(limit->guard));
	r |= json_object_set_new(object, "mode",
				 json_text(status_mode_name(status_mode(limit->policy))));
	r |= json_object_set_new(object, "checked", json_boolean(account->last_ns));
	r |= json_object_set_new(object, "need_bytes", pages_json(account->need_pages, page_bytes));
	r |= json_object_set_new(object, "peak_need_bytes",
				 pages_json(account->peak_need_pages, page_bytes));
	r |= json_object_set_new(object, "limit_bytes",
				 pages_json(account->limit_pages, page_bytes));
	r |= json_object_set_new(object, "headroom_bytes",
				 signed_pages_json(status_headroom_pages(account), page_bytes));
	r |= json_object_set_new(object, "lent_bytes", pages_json(limit->lent_pages, page_bytes));
	r |= json_object_set_new(object, "loan", loan_json(&limit->loan));
	r |= json_object_set_new(object, "least_headroom_bytes",
				 signed_pages_json(account->least_headroom_pages, page_bytes));
	r |= json_object_set_new(object, "rate_bytes_per_s",
				 pages_json(status_rate_pages_s(account, status->now_ns),
					    page_bytes));
	r |= json_object_set_new(object, "seconds_to_limit",
				 time_to_limit_json(account, status->now_ns));
	r |= json_object_set_new(object, "trips", json_u64(account->trips));
	r |= json_object_set_new(object, "warns", json_u64(account->warns));
	r |= json_object_set_new(object, "oom_kills", json_u64(account->oom_kills));
	r |= json_object_set_new(object, "oom_kills_uncaught",
				 json_u64(account->oom_kills_uncaught));
	r |= json_object_set_new(object, "verdicts", verdicts_json(limit->verdicts));
	return json_finish(object, r);
}

/* "CPython 3.11" */
static json_t *interpreter_json(uint32_t version)
{
	return version ? json_sprintf("CPython %u.%u", version >> 8, version & 0xff) : json_null();
}

static json_t *process_account_json(const struct status_process *process, uint64_t page_bytes)
{
	const struct apo_process *account = &process->account;
	char comm[APO_COMM_LEN + 1] = {0};
	uint64_t rss_pages[APO_KINDS];
	json_t *object = json_object();
	int r = 0;

	memcpy(comm, account->comm, APO_COMM_LEN);
	for (size_t i = 0; i < APO_KINDS; i++)
		rss_pages[i] = account->rss_pages[i];
	r |= json_object_set_new(object, "pid", json_integer(process->pid));
	r |= json_object_set_new(object, "comm", json_text(comm));
	r |= json_object_set_new(object, "rss_bytes", json_kinds(rss_pages, page_bytes));
	r |= json_object_set_new(object, "peak_bytes", pages_json(account->peak_pages, page_bytes));
	r |= json_object_set_new(object, "rate_bytes_per_s",
				 pages_json(account->rate_pages_s, page_bytes));
	r |= json_object_set_new(object, "faults", json_u64(account->faults));
	r |= json_object_set_new(object, "cgroup_id", json_u64(account->cgroup_id));
	r |= json_object_set_new(object, "interpreter", interpreter_json(process->python_version));
	return json_finish(object, r);
}

static json_t *limits_json(const struct status *status)
{
	json_t *array = json_array();
	int r = 0;

	for (size_t i = 0; i < status->limit_count; i++)
		r |= json_array_append_new(array, limit_json(&status->limits[i], status));
	return json_finish(array, r);
}

static json_t *processes_json(const struct status *status)
{
	json_t *array = json_array();
	int r = 0;

	for (size_t i = 0; i < status->process_count; i++)
		r |= json_array_append_new(array, process_account_json(&status->processes[i],
								       status->page_bytes));
	return json_finish(array, r);
}

static json_t *gap_json(const struct gap *gap)
{
	json_t *object = json_object();
	int r = 0;

	r |= json_object_set_new(object, "cgroup", json_text(gap->cgroup));
	r |= json_object_set_new(object, "cgroup_id",
				 gap->cgroup_id ? json_u64(gap->cgroup_id) : json_null());
	r |= json_object_set_new(object, "reason", json_string(gap_name(gap->kind)));
	r |= json_object_set_new(object, "partial", json_boolean(gap_is_partial(gap->kind)));
	r |= json_object_set_new(object, "text", json_string(gap_words(gap->kind)));
	r |= json_object_set_new(object, "remedy", json_string(gap_remedy(gap->kind)));
	return json_finish(object, r);
}

static json_t *gaps_json(const struct status *status)
{
	json_t *array = json_array();
	int r = 0;

	for (size_t i = 0; i < status->gap_count; i++)
		r |= json_array_append_new(array, gap_json(&status->gaps[i]));
	return json_finish(array, r);
}

static json_t *counters_json(const struct status *status)
{
	json_t *object = json_object();
	int r = 0;

	for (size_t i = 0; i < APO_STATS; i++)
		r |= json_object_set_new(object, counter_names[i], json_u64(status->counters[i]));
	r |= json_object_set_new(object, "responder_late", json_u64(status->responder_late));
	r |= json_object_set_new(object, "answers_lost", json_u64(status->answers_lost));
	return json_finish(object, r);
}

/* Times are null where the kernel does not count them. */
static json_t *program_json(const struct status_program *program)
{
	json_t *object = json_object();
	int r = 0;

	r |= json_object_set_new(object, "name", json_string(program->hook->program));
	r |= json_object_set_new(object, "point", json_string(program->hook->point));
	r |= json_object_set_new(object, "trigger", json_text(program->hook->trigger));
	r |= json_object_set_new(object, "attached", json_boolean(program->is_attached));
	r |= json_object_set_new(object, "runs",
				 program->runs ? json_u64(program->runs) : json_null());
	r |= json_object_set_new(object, "ns", program->runs ? json_u64(program->ns) : json_null());
	return json_finish(object, r);
}

static json_t *programs_json(const struct status_cost *cost)
{
	json_t *array = json_array();
	int r = 0;

	for (size_t i = 0; i < cost->program_count; i++)
		r |= json_array_append_new(array, program_json(&cost->programs[i]));
	return json_finish(array, r);
}

static json_t *recent_row_json(const struct history_row *row)
{
	char time[FORMAT_TIME_SIZE], id[20];
	json_t *object = json_object();
	int r = 0;

	format_rfc3339(time, sizeof(time), row->realtime_ns);
	snprintf(id, sizeof(id), "%016" PRIx64, row->id);
	r |= json_object_set_new(object, "time", json_string(time));
	r |= json_object_set_new(object, "id", json_string(id));
	r |= json_object_set_new(object, "verdict", json_string(verdict_name(row->verdict)));
	r |= json_object_set_new(object, "guard", json_text(*row->guard ? row->guard : NULL));
	r |= json_object_set_new(object, "cgroup", json_text(*row->cgroup ? row->cgroup : NULL));
	r |= json_object_set_new(object, "process", json_text(*row->comm ? row->comm : NULL));
	return json_finish(object, r);
}

static json_t *recent_json(const struct status *status)
{
	json_t *array = json_array();
	int r = 0;

	for (size_t i = 0; i < status->recent_count; i++)
		r |= json_array_append_new(array, recent_row_json(&status->recent[i]));
	return json_finish(array, r);
}

static json_t *status_self_json(const struct status_self *self, uint64_t realtime_ns)
{
	char since[FORMAT_TIME_SIZE];
	json_t *object = json_object();
	int r = 0;

	format_rfc3339(since, sizeof(since), self->since_realtime_ns);
	r |= json_object_set_new(object, "mode", json_text(self->mode));
	r |= json_object_set_new(object, "pid", json_integer(self->pid));
	r |= json_object_set_new(object, "version", json_text(self->version));
	r |= json_object_set_new(object, "since", json_string(since));
	r |= json_object_set_new(object, "seconds",
				 json_span(self->since_realtime_ns, realtime_ns, NSEC_PER_SEC));
	r |= json_object_set_new(object, "triggers", triggers_json(&self->triggers));
	r |= json_object_set_new(object, "memory_bytes", json_u64(self->memory_bytes));
	r |= json_object_set_new(object, "cpu_seconds",
				 json_real((double)self->cpu_ns / (double)NSEC_PER_SEC));
	r |= json_object_set_new(object, "history_trouble", json_text(self->history_trouble));
	r |= json_object_set_new(object, "metrics_trouble", json_text(self->metrics_trouble));
	r |= json_object_set_new(object, "metrics_unserved", json_text(self->metrics_unserved));
	r |= json_object_set_new(object, "configuration_refused", json_text(self->refused));
	return json_finish(object, r);
}

json_t *status_json(const struct status *status)
{
	json_t *object = json_event("status", status->realtime_ns);
	int r = 0;

	r |= json_object_set_new(object, "recent", recent_json(status));
	r |= json_object_set_new(object, "self",
				 status_self_json(&status->self, status->realtime_ns));

	r |= json_object_set_new(object, "limits", limits_json(status));
	r |= json_object_set_new(object, "processes", processes_json(status));
	r |= json_object_set_new(object, "gaps", gaps_json(status));
	r |= json_object_set_new(object, "counters", counters_json(status));
	r |= json_object_set_new(object, "checks_per_s", json_real(status->cost.checks_per_s));
	r |= json_object_set_new(object, "programs", programs_json(&status->cost));
	r |= json_object_set_new(object, "verdicts", verdicts_json(status->verdicts));
	return json_finish(object, r);
}
