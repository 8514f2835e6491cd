// SPDX-License-Identifier: BSD-2-Clause
#include "engine/incidents.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "base/log.h"
#include "base/util.h"
#include "core/tally.h"
#include "core/verdict.h"
#include "engine/facts.h"
#include "profile/symbolize_queue.h"
#include "profile/profiler.h"
#include "sense/pidref.h"
#include "sense/cgroup_memory.h"

/* Without a grace: how long a signalled process may run on before the trip is judged. */
#define SETTLE_MS 10000
/* After our SIGKILL, or once the process is known to be gone: for its record to arrive. */
#define LINGER_MS 1000

/* An answer of the responder that took longer is counted as late. */
#define LATE_NS (10 * NSEC_PER_MSEC)

/* Records of ends that may overtake the responder's answer: of the grower and of the target. */
#define LATE_MAX 4

struct open_incident {
	struct open_incident *next;
	struct incidents *incidents;
	struct incident *incident;
	struct pidref target; /* held from the trip on */
	uint64_t limit_cgroup;
	struct apo_limit_key limit; /* its account */
	int limit_dirfd;	    /* of the cgroup whose limit binds; -1: gone */
	bool raised;		    /* its limit, by the airbag: to be released */
	bool lingering;
	unsigned int awaited;		 /* answers of the responder that are still to come */
	struct apo_close late[LATE_MAX]; /* what came before its answer */
	size_t late_count;
	uv_timer_t timer;

	struct profiler_subject subject;
	struct capture *capture; /* NULL: no reports are asked for */
};

#define CLOSED_MAX 64 /* trips that are remembered as closed */

struct incidents {
	struct incidents_config config;
	struct profiler *profiler; /* NULL: no reports are asked for */
	struct open_incident *open;
	uint64_t closed[CLOSED_MAX]; /* ids, the oldest is overwritten */
	size_t closed_next;
	struct symbolize_queue *queue;
	struct tallies tallies;
	uint64_t responder_late;
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

/* --- opening ------------------------------------------------------------------------------- */

static void facts_of(const struct incidents *incidents, const struct apo_task *task,
		     struct incident_process *ret)
{
	facts_process(incidents->config.tree, incidents->config.proc_fd,
		      pidref_local_pid(incidents->config.initial_pid_ns, task), task, ret);
}

static struct incident *incident_of_trip(const struct incidents *incidents,
					 const struct apo_trip *trip)
{
	const struct policy *policy = policy_set_of_record(
		incidents->config.policies, trip->process_policy, trip->rec.generation);
	struct incident *incident = incident_new();

	if (!incident)
		return NULL;
	incident->id = trip->id;
	incident->crossed_ns = trip->crossed_ns;
	incident->realtime_ns =
		clock_ns(CLOCK_REALTIME) - sat_sub(clock_ns(CLOCK_MONOTONIC), trip->crossed_ns);
	incident->trigger = trip->trigger;
	incident->rule = trip->rule;
	incident->level = trip->level;
	facts_reading(&trip->reading, incidents->config.page_bytes, incident);
	incident->rate_bytes_s = trip->rate_pages_s * incidents->config.page_bytes;
	incident->forecast_ns = trip->forecast_ns;
	for (int kind = 0; kind < APO_KINDS; kind++)
		incident->rss_bytes[kind] = trip->rss_pages[kind] * incidents->config.page_bytes;
	incident->faults = trip->faults;
	incident->peak_need_bytes = incident->need_bytes;
	incident->least_headroom_bytes = incident->headroom_bytes;
	facts_of(incidents, &trip->grower, &incident->grower);
	facts_args(trip, &incident->grower);
	incident->target_policy = trip->target_kind;
	if (trip->target.tgid || trip->target_kind == APO_TARGET_ALL)
		facts_of(incidents, &trip->grower, &incident->target);
	facts_args(trip, &incident->target);
	if (policy)
		incident->wanted_signal = trip->rule == APO_RULE_WARN ? policy->warn_signal
								      : policy->signal;
	incident->signal = trip->signal;
	incident->action = trip->action;
	incident->error = trip->error;
	incident->signal_ns = trip->signal_ns;
	incident->targets_signalled = trip->action == APO_ACT_SENT;
	incident->grace_ns = policy ? policy->grace_ns : 0;
	return incident;
}

static void on_timer(uv_timer_t *timer);

static void timer_set(struct open_incident *open, uint64_t ms)
{
	uv_timer_start(&open->timer, on_timer, ms, 0);
}

/* Counted from the trip, not from when its record was read. */
static uint64_t time_left_ms(const struct incident *incident)
{
	uint64_t window_ns = incident->grace_ns ?: SETTLE_MS * NSEC_PER_MSEC;
	uint64_t elapsed_ns = sat_sub(clock_ns(CLOCK_MONOTONIC), incident->crossed_ns);

	return sat_sub(window_ns, elapsed_ns) / NSEC_PER_MSEC;
}

static uint64_t rss_bytes(const struct incident *incident)
{
	return incident->rss_bytes[APO_FILE] + incident->rss_bytes[APO_ANON] +
	       incident->rss_bytes[APO_SHMEM];
}

/* Whether the responder will raise the limit, and say so. */
static bool lends(const struct incidents *incidents, const struct apo_record *record)
{
	const struct policy *policy = policy_set_of_record(incidents->config.policies,
							   record->policy, record->generation);

	return policy && policy_lends(policy);
}

static void on_trip(struct incidents *incidents, const struct apo_trip *trip)
{
	struct incident *incident = incident_of_trip(incidents, trip);
	struct open_incident *open = incident ? calloc(1, sizeof(*open)) : NULL;
	_cleanup_free_ char *rel = NULL;

	if (!open) {
		log_warn("a trip is lost for the report: out of memory, ignoring");
		incident_free(incident);
		return;
	}
	open->incidents = incidents;
	open->incident = incident;
	open->target.pidfd = -1;
	open->awaited = (trip->action == APO_ACT_DELEGATED) +
			(lends(incidents, &trip->rec) && trip->action != APO_ACT_DRY_RUN);
	open->limit_cgroup = trip->reading.limit_cgroup;
	open->limit =
		(struct apo_limit_key){.cgroup_id = open->limit_cgroup, .policy = trip->rec.policy};
	open->limit_dirfd = -1;
	if (!cgroup_path_of_id(incidents->config.tree, open->limit_cgroup, &rel) &&
	    !cgroup_open(incidents->config.tree, rel, &open->limit_dirfd))
		facts_events(incidents->config.tree, open->limit_dirfd, &incident->before);
	incident->limit_cgroup = TAKE_PTR(rel);
	if (incident->target.pid)
		pidref_open(incidents->config.proc_fd,
			    pidref_local_pid(incidents->config.initial_pid_ns, &trip->grower),
			    trip->grower.start_boottime_ns, &open->target);

	open->subject = (struct profiler_subject){
		.tgid = trip->grower.tgid,
		.pid = pidref_local_pid(incidents->config.initial_pid_ns, &trip->grower),
		.ns_pid = incident->grower.ns_pid,
		.start_boottime_ns = trip->grower.start_boottime_ns,
		.limit_cgroup = trip->reading.limit_cgroup,
		.time_ns = trip->crossed_ns,
		.spike_ns = trip->spike_ns,
		.rss_bytes = rss_bytes(incident),
		.grown_bytes = trip->spike_pages * incidents->config.page_bytes,
	};
	if (incidents->profiler)
		open->capture = profiler_capture(incidents->profiler, &open->subject);
	uv_timer_init(incidents->config.loop, &open->timer);
	open->timer.data = open;
	open->next = incidents->open;
	incidents->open = open;
	sinks_incident(incidents->config.sinks, incident);
	timer_set(open, trip->action == APO_ACT_DRY_RUN ? 0 : time_left_ms(incident));
}

static void on_warn(struct incidents *incidents, const struct apo_trip *trip)
{
	struct incident *incident = incident_of_trip(incidents, trip);

	if (!incident)
		return;
	if (cgroup_path_of_id(incidents->config.tree, trip->reading.limit_cgroup,
			      &incident->limit_cgroup))
		incident->limit_cgroup = NULL;
	sinks_incident(incidents->config.sinks, incident);
	incident_free(incident);
}

/* --- closing ------------------------------------------------------------------------------- */

static void free_after_close(uv_handle_t *handle)
{
	free(handle->data);
}

static void unlink_and_free(struct open_incident *open)
{
	struct open_incident **link = &open->incidents->open;

	while (*link != open)
		link = &(*link)->next;
	*link = open->next;
	if (open->raised)
		airbag_release(open->incidents->config.airbag, open->limit_cgroup);
	pidref_close(&open->target);
	close_fd(open->limit_dirfd);
	capture_free(open->capture);
	incident_free(open->incident);
	uv_close((uv_handle_t *)&open->timer, free_after_close);
}

/* What the binding limit looks like at the end, from its files. */
static void read_closing(struct open_incident *open)
{
	const struct incidents *incidents = open->incidents;
	struct incident *incident = open->incident;
	struct cgroup_memory memory;
	struct apo_limit account;
	uint64_t raised_bytes;
	bool braked;

	if (!source_limit(incidents->config.source, &open->limit, &account)) {
		incident->peak_need_bytes =
			MAX(incident->peak_need_bytes,
			    account.trip_peak_need_pages * incidents->config.page_bytes);
		if (apo_stage_level(account.stage))
			incident->least_headroom_bytes =
				MIN(incident->least_headroom_bytes,
				    account.trip_least_headroom_pages *
					    (int64_t)incidents->config.page_bytes);
	}
	if (open->raised) { /* perhaps again since */
		airbag_state(incidents->config.airbag, open->limit_cgroup, &raised_bytes, &braked);
		incident->brake_set |= braked;
		incident->airbag_bytes = MAX(incident->airbag_bytes, raised_bytes);
	}
	if (open->limit_dirfd < 0)
		return;
	facts_events(incidents->config.tree, open->limit_dirfd, &incident->after);
	if (!cgroup_memory_read(incidents->config.tree, open->limit_dirfd, &memory)) {
		incident->closing_known = true;
		incident->closing_headroom_bytes = sat_diff(
			sat_add(incident->airbag_bytes ? incident->limit_bytes : memory.limit_bytes,
				incident->swap_bytes),
			sat_sub(memory.usage_bytes, memory.file_bytes));
	}
}

/* A closed one. Takes both; there may be no capture. */
static void report(struct incidents *incidents, struct incident *incident, struct capture *capture)
{
	if (capture) {
		recording_fit(capture->recording);
		incident->recording = capture->recording;
	}
	sinks_incident(incidents->config.sinks, incident);
	if (capture)
		symbolize_queue_take(incidents->queue, incident, capture);
	else
		incident_free(incident);
}

static void close_incident(struct open_incident *open)
{
	struct incidents *incidents = open->incidents;

	read_closing(open);
	verdict_close(open->incident);
	tallies_add(&incidents->tallies, &open->limit, open->incident->verdict);
	if (open->capture)
		profiler_follow(incidents->profiler, &open->subject, open->capture);
	incidents->closed[incidents->closed_next++ % CLOSED_MAX] = open->incident->id;
	report(incidents, TAKE_PTR(open->incident), TAKE_PTR(open->capture));
	unlink_and_free(open);
}

/* The end of the grace: SIGKILL, unless the process is gone or memory is ample again. */
static bool kill_after_grace(struct open_incident *open)
{
	struct incident *incident = open->incident;
	int r;

	if (!incident->grace_ns || incident->killed_after_grace ||
	    incident->action == APO_ACT_DRY_RUN || pidref_exited(&open->target))
		return false;
	read_closing(open);
	if (incident->closing_known &&
	    incident->closing_headroom_bytes >= (int64_t)incident->reserve_bytes)
		return false;
	r = pidref_signal(&open->target, SIGKILL);
	if (r) {
		log_warn("cannot kill %d after the grace: %s, ignoring", open->target.pid,
			 strerror(-r));
		return false;
	}
	incident->killed_after_grace = true;
	return true;
}

static void on_timer(uv_timer_t *timer)
{
	struct open_incident *open = timer->data;

	if (kill_after_grace(open)) {
		timer_set(open, LINGER_MS);
	} else if (!open->lingering && open->target.pidfd >= 0 && pidref_exited(&open->target)) {
		open->lingering = true; /* it is gone: its record must be on the way */
		timer_set(open, LINGER_MS);
	} else {
		if (open->lingering) /* its record was lost: gone, and nobody saw how */
			open->incident->exit_ns = clock_ns(CLOCK_MONOTONIC);
		close_incident(open);
	}
}

static struct open_incident *find(struct incidents *incidents, uint64_t trip_id)
{
	for (struct open_incident *open = incidents->open; open; open = open->next)
		if (open->incident->id == trip_id)
			return open;
	return NULL;
}

/* Takes in the confirmation or the end of the target; returns whether it is gone. */
static bool take_close(struct open_incident *open, const struct apo_close *record)
{
	const struct incidents *incidents = open->incidents;
	struct incident *incident = open->incident;
	uint64_t page = incidents->config.page_bytes;

	if (incidents->config.initial_pid_ns && incident->target.pid != (pid_t)record->task.tgid)
		return false; /* another of several processes */
	incident->generated_ns = record->generated_ns;
	incident->delivered_ns = record->delivered_ns;
	if (!incident->signal_ns && record->generated_ns)
		incident->signal_ns = record->generated_ns;
	if (record->rec.type != APO_REC_EXIT)
		return false;
	incident->peak_need_bytes = MAX(incident->peak_need_bytes, record->peak_need_pages * page);
	incident->least_headroom_bytes =
		MIN(incident->least_headroom_bytes, record->least_headroom_pages * (int64_t)page);
	incident->oom_victim |= record->oom_victim;
	incident->exit_ns = record->time_ns;
	incident->exit.known = true;
	incident->exit.code = WIFEXITED(record->exit_code) ? WEXITSTATUS(record->exit_code) : -1;
	incident->exit.signal = WIFSIGNALED(record->exit_code) ? WTERMSIG(record->exit_code) : 0;
	return true;
}

static void on_close_record(struct incidents *incidents, const struct apo_close *record)
{
	struct open_incident *open = find(incidents, record->id);

	if (open && open->awaited && open->late_count < LATE_MAX)
		open->late[open->late_count++] = *record;
	else if (open && take_close(open, record))
		close_incident(open);
}

static bool was_closed(const struct incidents *incidents, uint64_t trip_id)
{
	for (size_t i = 0; i < CLOSED_MAX; i++)
		if (incidents->closed[i] == trip_id)
			return true;
	return false;
}

static void on_oom(struct incidents *incidents, const struct apo_oom *oom)
{
	struct open_incident *open = oom->trip_id ? find(incidents, oom->trip_id) : NULL;
	struct profiler_subject subject;
	struct incident *incident;

	if (open) {
		open->incident->oom_victim = true;
		return;
	}
	/* The trip's record is still on the way from another CPU. Its end will tell of this too. */
	if (oom->trip_id && !was_closed(incidents, oom->trip_id))
		return;
	incident = incident_new();
	if (!incident)
		return;
	incident->id = incident->killed_ns = oom->time_ns;
	incident->realtime_ns = clock_ns(CLOCK_REALTIME);
	incident->oom_victim = true;
	facts_reading(&oom->reading, incidents->config.page_bytes, incident);
	facts_of(incidents, &oom->victim, &incident->grower);
	if (cgroup_path_of_id(incidents->config.tree, oom->limit_cgroup, &incident->limit_cgroup))
		incident->limit_cgroup = NULL;
	verdict_close(incident);
	tallies_add(&incidents->tallies,
		    &(const struct apo_limit_key){.cgroup_id = oom->limit_cgroup,
						  .policy = oom->rec.policy},
		    incident->verdict);
	subject = (struct profiler_subject){
		.tgid = oom->victim.tgid,
		.pid = pidref_local_pid(incidents->config.initial_pid_ns, &oom->victim),
		.ns_pid = incident->grower.ns_pid,
		.start_boottime_ns = oom->victim.start_boottime_ns,
		.limit_cgroup = oom->limit_cgroup,
		.time_ns = oom->time_ns,
		.spike_ns = oom->spike_ns,
		.rss_bytes = PROFILER_RSS_UNKNOWN,
		.grown_bytes = oom->spike_pages * incidents->config.page_bytes,
	};
	report(incidents, incident,
	       incidents->profiler ? profiler_capture(incidents->profiler, &subject) : NULL);
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
	else if (record->type == APO_REC_SPIKE && record->size >= sizeof(struct apo_spike) &&
		 incidents->profiler)
		profiler_on_spike(incidents->profiler, (const struct apo_spike *)record);
	else if (record->type == APO_REC_OOM && record->size >= sizeof(struct apo_oom))
		on_oom(incidents, (const struct apo_oom *)record);
	return 0;
}

/* What the responder did with one process. */
static void take_result(struct open_incident *open, const struct responder_result *result)
{
	const struct incidents *incidents = open->incidents;
	struct incident *incident = open->incident;
	struct apo_task task = {
		.tgid = result->pid,
		.ns_tgid = result->pid,
		.start_boottime_ns = result->start_boottime_ns,
		.disposition = result->disposition,
	};

	if (result->action == APO_ACT_SENT_RESPONDER)
		incident->targets_signalled++;
	if (incident->action == APO_ACT_SENT_RESPONDER)
		return; /* one of several, and not the first */
	incident->action = result->action;
	incident->error = result->error;
	incident->signal = result->signal;
	if (result->action == APO_ACT_SENT_RESPONDER)
		incident->signal_ns = result->time_ns;
	if (!result->pid || incident->target_policy == APO_TARGET_ALL)
		return;
	if (open->target.pid != result->pid) {
		pidref_close(&open->target);
		pidref_open(incidents->config.proc_fd, result->pid, result->start_boottime_ns,
			    &open->target);
	}
	incident_process_clear(&incident->target);
	facts_of(incidents, &task, &incident->target);
}

static void on_airbag(struct incidents *incidents, struct open_incident *open,
		      const struct responder_result *result)
{
	const struct airbag_result *airbag = &result->airbag;
	bool raised = airbag->outcome == INCIDENT_AIRBAG_RAISED;

	if (open) {
		open->raised = raised;
		open->incident->airbag = airbag->outcome;
		open->incident->airbag_error = airbag->error;
		open->incident->airbag_bytes = sat_sub(airbag->raised_bytes, airbag->before_bytes);
		open->incident->airbag_ns = raised ? result->time_ns : 0;
	} else if (raised) { /* over before we heard of it */
		airbag_release(incidents->config.airbag, result->limit_cgroup);
	}
}

void incidents_on_result(struct incidents *incidents, const struct responder_result *result)
{
	struct open_incident *open = find(incidents, result->trip_id);

	/* The id of a trip is when it was decided. */
	if (sat_sub(result->time_ns, result->trip_id) > LATE_NS)
		incidents->responder_late++;
	if (result->is_airbag)
		on_airbag(incidents, open, result);
	if (!open)
		return;
	if (!result->is_airbag)
		take_result(open, result);
	if (!result->last || --open->awaited)
		return;
	for (size_t i = 0; i < open->late_count; i++) {
		if (take_close(open, &open->late[i])) {
			close_incident(open);
			return;
		}
	}
}

/* --- the whole ----------------------------------------------------------------------------- */

static void renew_report(const struct incident *incident, void *userdata)
{
	const struct incidents *incidents = userdata;

	sinks_file(incidents->config.sinks, incident);
}

int incidents_new(struct incidents **ret, const struct incidents_config *config)
{
	const struct profiler_config profiler = {
		.loop = config->loop,
		.source = config->source,
		.proc_fd = config->proc_fd,
		.initial_pid_ns = config->initial_pid_ns,
		.page_bytes = config->page_bytes,
	};
	struct incidents *incidents = calloc(1, sizeof(*incidents));
	int r = 0;

	if (!incidents)
		return -ENOMEM;
	incidents->config = *config;
	if (config->sinks->report_dirfd >= 0)
		r = profiler_new(&incidents->profiler, &profiler);
	incidents->queue = symbolize_queue_new(config->loop, renew_report, incidents);
	if (r || !incidents->queue) {
		incidents_free(incidents);
		return -ENOMEM;
	}
	*ret = incidents;
	return 0;
}

struct incidents *incidents_free(struct incidents *incidents)
{
	if (!incidents)
		return NULL;
	while (incidents->open)
		unlink_and_free(incidents->open);
	symbolize_queue_free(incidents->queue);
	profiler_free(incidents->profiler);
	free(incidents);
	return NULL;
}

size_t incidents_open_count(const struct incidents *incidents)
{
	size_t count = 0;

	for (const struct open_incident *open = incidents->open; open; open = open->next)
		count++;
	return count;
}

bool incidents_await_grace(const struct incidents *incidents)
{
	for (const struct open_incident *open = incidents->open; open; open = open->next)
		if (open->incident->grace_ns)
			return true;
	return false;
}

void incidents_close_all(struct incidents *incidents)
{
	while (incidents->open)
		close_incident(incidents->open);
}

bool incidents_is_naming(const struct incidents *incidents)
{
	return symbolize_queue_is_busy(incidents->queue);
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
