// SPDX-License-Identifier: BSD-2-Clause
#include "engine/incidents.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "core/tally.h"
#include "engine/early.h"
#include "engine/open_incident.h"
#include "engine/seen_cgroups.h"
#include "engine/take_over.h"
#include "engine/unnamed.h"
#include "engine/unpaid.h"
#include "profile/symbolize_queue.h"

/* An answer of the responder that took longer is counted as late. */
#define LATE_NS (10 * NSEC_PER_MSEC)

struct incidents {
	struct incidents_config config;
	struct open_config shared;
	struct seen_cgroups *seen;
	struct open_incident *open;
	struct closed_trips closed;
	struct unnamed *unnamed;
	struct symbolize_queue *queue;
	struct unpaid *unpaid;
	struct tallies tallies;
	uint64_t responder_late;
	struct early early;
	struct pidref command; /* of `run`; not open: none */
	struct shutdown shutdown;
};

static struct open_incident *find(struct incidents *incidents, uint64_t trip_id)
{
	for (struct open_incident *open = incidents->open; open; open = open->next)
		if (open->incident->id == trip_id)
			return open;
	return NULL;
}

/* The trip whose target that is. */
static struct open_incident *find_target(struct incidents *incidents, const struct apo_task *task)
{
	for (struct open_incident *open = incidents->open; open; open = open->next)
		if (open->incident->target.pid == (pid_t)task->tgid &&
		    open->incident->target.start_boottime_ns == task->start_boottime_ns)
			return open;
	return NULL;
}

/* --- closing ------------------------------------------------------------------------------- */

/* The last that is done with a closed one: names for its stacks. Takes both; there may be no capture. */
static void name(struct incidents *incidents, struct incident *incident, struct capture *capture)
{
	if (capture)
		symbolize_queue_take(incidents->queue, incident, capture);
	else
		incident_free(incident);
}

static void on_named(struct incident *incident, struct capture *capture, void *userdata)
{
	struct incidents *incidents = userdata;

	if (capture)
		recording_fit(capture->recording);
	sinks_file(incidents->config.sinks, incident);
	name(incidents, incident, capture);
}

/* A closed one. Takes all three; there may be no capture, and nothing that is still to be found. */
static void report(struct incidents *incidents, struct incident *incident, struct capture *capture,
		   struct inspection *inspection)
{
	if (capture) {
		recording_fit(capture->recording);
		incident->recording = capture->recording;
	}
	sinks_incident(incidents->config.sinks, incident);
	if (inspection)
		unnamed_add(&incidents->unnamed, inspection, incident, capture, on_named,
			    incidents);
	else
		name(incidents, incident, capture);
}

/* A closed one, whose file is to be written again. NULL: none is. */
static struct incident *find_waiting(const struct incidents *incidents, uint64_t id)
{
	return unnamed_find(incidents->unnamed, id) ?: symbolize_queue_find(incidents->queue, id);
}

struct over {
	struct incidents *incidents;
	const struct loan_facts *loan;
};

static void on_paid(uint64_t id, void *userdata)
{
	const struct over *over = userdata;
	struct incident *waiting = find_waiting(over->incidents, id);

	if (waiting)
		waiting->loan = *over->loan;
	sinks_payback(over->incidents->config.sinks, id, over->loan);
}

static void on_loan_over(struct incidents *incidents, uint64_t limit_cgroup,
			 const struct loan_facts *loan)
{
	struct over over = {.incidents = incidents, .loan = loan};

	for (struct open_incident *open = incidents->open; open; open = open->next)
		if (open->limit.cgroup_id == limit_cgroup && open->flow.raised)
			open->incident->loan = *loan;
	unpaid_take(&incidents->unpaid, limit_cgroup, on_paid, &over);
}

static void judge_command(struct incidents *incidents, const struct open_incident *open)
{
	const struct incident_process *target = &open->incident->target;
	const struct shutdown_part part = {
		.is_target =
			pidref_is(&incidents->command,
				  incidents->config.initial_pid_ns ? target->pid : target->ns_pid,
				  target->start_boottime_ns),
		.is_told = open->tells_command,
		.has_ended = pidref_exited(&incidents->command),
	};

	shutdown_on_verdict(&incidents->shutdown, open->incident, &part);
}

static void on_verdict(struct open_incident *open, void *userdata)
{
	struct incidents *incidents = userdata;
	struct incident *incident = open->incident;

	incident->judged_ns = clock_ns(CLOCK_REALTIME);
	judge_command(incidents, open);
	tallies_add(&incidents->tallies, &open->limit, incident->verdict);
	if (open->capture)
		profiler_follow(incidents->shared.profiler, &open->subject, open->capture);
	if (incident->verdict != VERDICT_MISSED) {
		closed_trips_add(&incidents->closed, incident->id);
		handover_remove(incidents->shared.handover, incident->id);
	}
	if (incident->airbag == INCIDENT_AIRBAG_RAISED && !incident->loan.over_realtime_ns)
		unpaid_add(&incidents->unpaid, incident->id, open->limit.cgroup_id);
	keeper_forget(incidents->config.keeper, incident->id);
	services_follow(incidents->config.services, incident);
	report(incidents, TAKE_PTR(open->incident), TAKE_PTR(open->capture),
	       TAKE_PTR(open->inspection));
}

/* --- opening ------------------------------------------------------------------------------- */

/* The process of a record, resolved here and nowhere else; *ret_error: why it could not be. */
static struct pidref resolve(const struct incidents *incidents, const struct apo_task *task,
			     int *ret_error)
{
	struct pidref process = PIDREF_NONE;

	*ret_error = pidref_of_task(incidents->config.proc_fd, incidents->config.initial_pid_ns,
				    task, &process);
	return process;
}

/* Whether the responder will raise the limit, and say so: systemd-oomd goes by none. */
static bool lends(const struct incidents *incidents, const struct apo_trip *trip)
{
	const struct policy *policy = policy_set_of_record(incidents->shared.facts.policies,
							   trip->rec.policy, trip->rec.generation);

	return policy && policy_lends(policy) && trip->rule != APO_RULE_OOMD;
}

static void take_early(struct incidents *incidents, uint64_t trip_id);

static void on_trip(struct incidents *incidents, const struct apo_trip *trip)
{
	const struct apo_limit_key limit = {.cgroup_id = trip->reading.limit_cgroup,
					    .policy = trip->rec.policy};
	struct open_incident *held = find(incidents, trip->id), *open;
	struct pidref grower;
	int error;

	if (closed_trips_has(&incidents->closed, trip->id) ||
	    (held && !(held->flow.awaits & FLOW_AWAIT_TRIP)))
		return; /* it was made an incident without its record */
	grower = resolve(incidents, &trip->grower, &error);
	open = open_incident_new(&incidents->shared, &incidents->open,
				 facts_trip(&incidents->shared.facts, trip, &grower), grower,
				 &limit);
	if (!open)
		return;
	if (open->limit_dirfd >= 0)
		facts_events(incidents->config.tree, open->limit_dirfd, &open->incident->before);
	open_incident_capture(
		open, &(const struct profiler_subject){
			      .time_ns = trip->crossed_ns,
			      .spike_ns = trip->spike_ns,
			      .rss_bytes = incident_rss(open->incident),
			      .grown_bytes = trip->spike_pages * incidents->config.page_bytes,
			      .error = error,
		      });
	if (held)
		open_incident_replace(open, held);
	/* In another PID namespace it may only live in one that we do not see. */
	if (open_incident_run(open, (struct flow_event){.type = FLOW_TRIP,
							.lends = lends(incidents, trip)}) &&
	    error == -ESRCH && open->target && incidents->config.initial_pid_ns)
		open_incident_run(open, (struct flow_event){.type = FLOW_GONE});
	take_early(incidents, trip->id);
}

static void on_warn(struct incidents *incidents, const struct apo_trip *trip)
{
	int error;
	struct pidref grower = resolve(incidents, &trip->grower, &error);
	struct incident *incident = facts_trip(&incidents->shared.facts, trip, &grower);
	struct flow flow = {.page_bytes = incidents->config.page_bytes};

	pidref_close(&grower);
	if (!incident)
		return;
	if (flow_step(&flow, incident, &(const struct flow_event){.type = FLOW_WARNING},
		      clock_ns(CLOCK_MONOTONIC)) &
	    FLOW_REPORT)
		sinks_incident(incidents->config.sinks, incident);
	incident_free(incident);
}

/* A record of a trip that is not known: its own may still be on the way from another CPU. */
static struct open_incident *open_orphan(struct incidents *incidents, struct incident *incident,
					 struct pidref process, const struct apo_limit_key *limit,
					 const struct profiler_subject *subject)
{
	struct open_incident *open =
		open_incident_new(&incidents->shared, &incidents->open, incident, process, limit);

	if (!open)
		return NULL;
	open_incident_capture(open, subject);
	open_incident_run(open, (struct flow_event){.type = FLOW_ORPHAN});
	take_early(incidents, open->incident->id);
	return open;
}

/* --- records and answers ------------------------------------------------------------------- */

static void on_close_record(struct incidents *incidents, const struct apo_close *record)
{
	const struct apo_limit_key limit = {.cgroup_id = record->limit_cgroup,
					    .policy = record->rec.policy};
	struct profiler_subject subject = {.time_ns = record->id,
					   .rss_bytes = PROFILER_RSS_UNKNOWN};
	struct open_incident *open = find(incidents, record->id);
	struct pidref process;

	if (!open && closed_trips_has(&incidents->closed, record->id))
		return; /* it ran on for long */
	if (!open) {
		process = resolve(incidents, &record->task, &subject.error);
		open = open_orphan(incidents,
				   facts_orphan_close(&incidents->shared.facts, record, &process),
				   process, &limit, &subject);
	}
	if (open)
		open_incident_run(open,
				  (struct flow_event){.type = FLOW_CLOSE_RECORD, .close = record});
}

/* The victim of a kill that no trip preceded, or one that was over; or of a trip that is not known. */
static struct open_incident *open_victim(struct incidents *incidents, const struct apo_oom *record,
					 bool missed)
{
	const struct facts_config *facts = &incidents->shared.facts;
	const struct apo_limit_key limit = {.cgroup_id = record->limit_cgroup,
					    .policy = record->rec.policy};
	struct profiler_subject subject = {
		.time_ns = record->time_ns,
		.spike_ns = record->spike_ns,
		.rss_bytes = PROFILER_RSS_UNKNOWN,
		.grown_bytes = record->spike_pages * incidents->config.page_bytes,
	};
	struct pidref victim = resolve(incidents, &record->victim, &subject.error);
	struct open_incident *open;

	if (!missed)
		return open_orphan(incidents, facts_orphan_oom(facts, record, &victim), victim,
				   &limit, &subject);
	open = open_incident_new(&incidents->shared, &incidents->open,
				 facts_missed(facts, record, &victim), victim, &limit);
	if (open)
		open_incident_capture(open, &subject);
	return open;
}

static void on_oom(struct incidents *incidents, const struct apo_oom *record)
{
	struct open_incident *open = record->trip_id ? find(incidents, record->trip_id)
						     : find_target(incidents, &record->victim);

	if (!open)
		open = open_victim(incidents, record,
				   !record->trip_id ||
					   closed_trips_has(&incidents->closed, record->trip_id));
	if (open)
		open_incident_run(open,
				  (struct flow_event){.type = FLOW_OOM_RECORD, .oom = record});
}

static void on_spike(const struct open_config *shared, const struct apo_spike *spike)
{
	if (shared->profiler)
		profiler_on_spike(shared->profiler, spike);
	limit_parts_keep(shared->parts, spike->limit_cgroup);
}

int incidents_on_record(const struct apo_record *record, void *userdata)
{
	struct incidents *incidents = userdata;

	if (record->type == APO_REC_TRIP && record->size >= sizeof(struct apo_trip))
		on_trip(incidents, (const struct apo_trip *)record);
	else if (record->type == APO_REC_WARN && record->size >= sizeof(struct apo_trip))
		on_warn(incidents, (const struct apo_trip *)record);
	else if ((record->type == APO_REC_DELIVERED || record->type == APO_REC_EXIT) &&
		 record->size >= sizeof(struct apo_close))
		on_close_record(incidents, (const struct apo_close *)record);
	else if (record->type == APO_REC_SPIKE && record->size >= sizeof(struct apo_spike))
		on_spike(&incidents->shared, (const struct apo_spike *)record);
	else if (record->type == APO_REC_LIMIT && record->size >= sizeof(struct apo_limit_seen))
		seen_cgroups_add(incidents->seen,
				 ((const struct apo_limit_seen *)record)->limit_cgroup);
	else if (record->type == APO_REC_PATH && record->size >= sizeof(struct apo_cgroup_path))
		seen_cgroups_take(incidents->seen, (const struct apo_cgroup_path *)record);
	else if (record->type == APO_REC_OOM && record->size >= sizeof(struct apo_oom))
		on_oom(incidents, (const struct apo_oom *)record);
	return 0;
}

static void on_airbag_answer(struct incidents *incidents, struct open_incident *open,
			     const struct responder_result *result)
{
	const struct flow_airbag_answer answer = {
		.outcome = result->airbag.outcome,
		.error = result->airbag.error,
		.added_bytes = sat_sub(result->airbag.raised_bytes, result->airbag.before_bytes),
		.time_ns = result->time_ns,
	};
	const struct flow_event event = {.type = FLOW_AIRBAG_ANSWER, .airbag = &answer};
	struct flow over = {.stage = FLOW_STAGE_CLOSED};

	if (open) {
		open->raised = result->airbag.levels;
		open_incident_run(open, event);
	} else if (flow_step(&over, NULL, &event, clock_ns(CLOCK_MONOTONIC)) & FLOW_RELEASE) {
		airbag_release(incidents->config.airbag, &result->airbag.levels);
	}
}

static void on_signal_answer(const struct incidents *incidents, struct open_incident *open,
			     const struct responder_result *result)
{
	const struct flow_signal_answer answer = {
		.pid = result->pid,
		.start_boottime_ns = result->start_boottime_ns,
		.action = result->action,
		.disposition = result->disposition,
		.signal = (int)result->signal,
		.profile = result->profile ? result->profile->name : NULL,
		.declared = result->declared,
		.error = result->error,
		.time_ns = result->time_ns,
		.last = result->last,
	};

	open->tells_command |=
		result->action == APO_ACT_SENT_RESPONDER &&
		pidref_is(&incidents->command, result->pid, result->start_boottime_ns);
	open_incident_run(open, (struct flow_event){.type = FLOW_SIGNAL_ANSWER, .signal = &answer});
}

/* open: NULL where the trip is over. */
static void on_answer(struct incidents *incidents, struct open_incident *open,
		      const struct responder_result *result)
{
	if (result->is_airbag)
		on_airbag_answer(incidents, open, result);
	else if (open)
		on_signal_answer(incidents, open, result);
}

/* What is lent for a trip must not go back because its record has not come yet. */
static void keep_early(struct incidents *incidents, const struct responder_result *result)
{
	struct responder_result gone;

	if (early_keep(&incidents->early, result, &gone))
		on_answer(incidents, NULL, &gone);
}

static void take_early(struct incidents *incidents, uint64_t trip_id)
{
	struct responder_result result;

	while (early_take(&incidents->early, trip_id, &result))
		on_answer(incidents, find(incidents, trip_id), &result);
}

void incidents_on_result(struct incidents *incidents, const struct responder_result *result)
{
	struct open_incident *open = find(incidents, result->trip_id);

	/* The id of a trip is when it was decided. */
	if (sat_sub(result->time_ns, result->trip_id) > LATE_NS)
		incidents->responder_late++;
	if (open || closed_trips_has(&incidents->closed, result->trip_id))
		on_answer(incidents, open, result);
	else
		keep_early(incidents, result);
}

void incidents_on_kept(struct incidents *incidents, const struct keeper_event *event)
{
	struct open_incident *open;

	if (event->is_payback) {
		on_loan_over(incidents, event->cgroup_id, &event->loan);
		return;
	}
	open = find(incidents, event->trip_id);
	if (open)
		open_incident_run(open, (struct flow_event){.type = FLOW_GRACE_ANSWER,
							    .grace = &event->answer});
}

void incidents_on_comeback(struct incidents *incidents, uint64_t id,
			   const struct comeback *comeback)
{
	struct incident *waiting = find_waiting(incidents, id);
	const struct comeback_event event = {
		.id = id,
		.realtime_ns = clock_ns(CLOCK_REALTIME),
		.comeback = comeback,
	};

	if (waiting)
		waiting->comeback = *comeback;
	sinks_comeback(incidents->config.sinks, &event);
}

/* --- the whole ----------------------------------------------------------------------------- */

static void renew_report(const struct incident *incident, void *userdata)
{
	const struct incidents *incidents = userdata;

	sinks_file(incidents->config.sinks, incident);
}

static int make_parts(struct incidents *incidents)
{
	const struct incidents_config *config = &incidents->config;
	struct profiler_config profiler = {
		.loop = config->loop,
		.source = config->source,
		.proc_fd = config->proc_fd,
		.initial_pid_ns = config->initial_pid_ns,
		.page_bytes = config->page_bytes,
	};
	int r = 0;

	incidents->seen = seen_cgroups_new(config->tree);
	incidents->shared.facts.seen = incidents->seen;
	incidents->shared.parts = limit_parts_new(config->tree, incidents->seen);
	incidents->shared.inspector = profiler.inspector = inspector_new(config->loop);
	if (!incidents->seen || !incidents->shared.parts || !profiler.inspector)
		return -ENOMEM;
	if (config->records)
		r = profiler_new(&incidents->shared.profiler, &profiler);
	incidents->queue = symbolize_queue_new(config->loop, renew_report, incidents);
	if (!r && !incidents->queue)
		r = -ENOMEM;
	return r ?: handover_new(&incidents->shared.handover, config->proc_fd);
}

int incidents_new(struct incidents **ret, const struct incidents_config *config)
{
	struct incidents *incidents = calloc(1, sizeof(*incidents));
	int r;

	if (!incidents)
		return -ENOMEM;
	incidents->config = *config;
	incidents->command = PIDREF_NONE;
	incidents->shared = (struct open_config){
		.loop = config->loop,
		.source = config->source,
		.airbag = config->airbag,
		.keeper = config->keeper,
		.sinks = config->sinks,
		.facts = {.tree = config->tree,
			  .policies = config->policies,
			  .proc_fd = config->proc_fd,
			  .page_bytes = config->page_bytes},
		.initial_pid_ns = config->initial_pid_ns,
		.on_verdict = on_verdict,
		.userdata = incidents,
	};
	r = make_parts(incidents);
	if (r) {
		incidents_free(incidents);
		return r;
	}
	take_over_all(&incidents->shared, &incidents->open);
	*ret = incidents;
	return 0;
}

struct incidents *incidents_free(struct incidents *incidents)
{
	if (!incidents)
		return NULL;
	while (incidents->open)
		open_incident_drop(incidents->open);
	unpaid_clear(&incidents->unpaid);
	unnamed_clear(&incidents->unnamed);
	symbolize_queue_free(incidents->queue);
	limit_parts_free(incidents->shared.parts);
	seen_cgroups_free(incidents->seen);
	profiler_free(incidents->shared.profiler);
	inspector_free(incidents->shared.inspector);
	handover_free(incidents->shared.handover);
	pidref_close(&incidents->command);
	free(incidents);
	return NULL;
}

int incidents_follow(struct incidents *incidents, pid_t command)
{
	return pidref_open(incidents->config.proc_fd, command, 0, &incidents->command);
}

const struct shutdown *incidents_shutdown(const struct incidents *incidents)
{
	return &incidents->shutdown;
}

size_t incidents_open_count(const struct incidents *incidents)
{
	size_t count = 0;

	for (const struct open_incident *open = incidents->open; open; open = open->next)
		count++;
	return count;
}

bool incidents_are_awaited(const struct incidents *incidents)
{
	bool restarts = services_restart(incidents->config.services);

	for (const struct open_incident *open = incidents->open; open; open = open->next)
		if (open->incident->grace_ns || restarts)
			return true;
	return services_are_awaited(incidents->config.services);
}

void incidents_close_all(struct incidents *incidents)
{
	while (incidents->open)
		open_incident_run(incidents->open, (struct flow_event){.type = FLOW_STOP});
	symbolize_queue_end(incidents->queue);
}

bool incidents_is_naming(const struct incidents *incidents)
{
	return incidents->unnamed || symbolize_queue_is_busy(incidents->queue);
}

void incidents_status(const struct incidents *incidents, struct status *status)
{
	tallies_read(&incidents->tallies, status);
	status->verdicts[VERDICT_OPEN] = incidents_open_count(incidents);
	status->responder_late = incidents->responder_late;
	for (const struct open_incident *open = incidents->open; open; open = open->next)
		for (size_t i = 0; i < status->limit_count; i++)
			status->limits[i].verdicts[VERDICT_OPEN] +=
				status->limits[i].key.cgroup_id == open->limit.cgroup_id &&
				status->limits[i].key.policy == open->limit.policy;
}
