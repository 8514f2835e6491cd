// SPDX-License-Identifier: BSD-2-Clause
#include "engine/open_incident.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"
#include "sense/cgroup_memory.h"
#include "sense/machine.h"

/* --- executing effects --------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer);
static void on_target_end(uv_poll_t *poll, int status, int events);

static void set_timer(struct open_incident *open)
{
	uint64_t left_ns = sat_sub(open->flow.deadline_ns, clock_ns(CLOCK_MONOTONIC));

	uv_timer_start(open->timer, on_timer, (left_ns + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC, 0);
}

/* Without the poll the timer finds out. */
static void watch_target(struct open_incident *open, const struct pidref *target)
{
	open->target = target;
	open->poll = loop_poll_drop(open->poll);
	if (target->pidfd >= 0)
		open->poll = loop_poll_new(open->config->loop, target->pidfd, on_target_end, open);
}

static void take_cmdline(const struct inspected *found, struct incident_process *process)
{
	if (!found->cmdline)
		return;
	free(process->cmdline); /* the kernel side's is the beginning of it */
	process->cmdline = strdup(found->cmdline);
}

static void on_other_found(struct inspected *found, void *userdata)
{
	struct open_incident *open = userdata;

	open->other_inspection = NULL;
	take_cmdline(found, &open->incident->target);
}

static struct inspection *ask(struct open_incident *open, const struct pidref *process,
			      const struct incident_process *who, unsigned int parts,
			      inspector_fn fn)
{
	return inspector_ask(open->config->inspector,
			     &(const struct inspector_subject){
				     .pid = process->pid,
				     .ns_pid = who->ns_pid,
				     .start_boottime_ns = process->start_boottime_ns,
				     .cgroup = who->cgroup_id,
				     .limit_dirfd = parts & INSPECTION_FILES ? open->limit_dirfd
									     : -1,
			     },
			     parts, fn, open);
}

static bool is_grower(const struct incident *incident)
{
	const struct pidref grower = {.start_boottime_ns = incident->grower.start_boottime_ns};

	return incident->target.pid == incident->grower.pid &&
	       pidref_started(&grower, incident->target.start_boottime_ns);
}

/* It is known from the record of the trip, also where it has ended meanwhile. */
static void hold_grower(struct open_incident *open)
{
	struct incident *incident = open->incident;
	enum apo_disposition disposition = incident->target.disposition;

	watch_target(open, &open->grower);
	incident_process_clear(&incident->target);
	incident->target = incident_process_copy(&incident->grower);
	incident->target.disposition = disposition;
}

static int hold_other(struct open_incident *open)
{
	const struct open_config *config = open->config;
	struct incident_process *target = &open->incident->target;
	struct apo_task task = {
		.tgid = target->pid,
		.ns_tgid = target->pid,
		.start_boottime_ns = target->start_boottime_ns,
		.disposition = target->disposition,
	};
	int r;

	open->poll = loop_poll_drop(open->poll);
	pidref_close(&open->other);
	r = pidref_open(config->facts.proc_fd, target->pid, target->start_boottime_ns,
			&open->other);
	watch_target(open, &open->other);
	facts_process(&config->facts, open->target, &task, target);
	if (!r)
		open->other_inspection =
			ask(open, &open->other, target, INSPECTION_CMDLINE, on_other_found);
	return r;
}

/* The responder has named the target, which may be another than the grower. False: it is gone. */
static bool hold_target(struct open_incident *open)
{
	open->other_inspection = inspection_drop(open->other_inspection);
	if (!is_grower(open->incident))
		return hold_other(open) != -ESRCH;
	hold_grower(open);
	return true;
}

static void save(const struct open_incident *open)
{
	const struct handover_entry entry = {
		.incident = open->incident,
		.limit_cgroup = open->limit.cgroup_id,
		.target_pid = open->target && open->target->pidfd >= 0 ? open->target->pid : 0,
	};

	handover_write(open->config->handover, &entry);
}

/* What was lent for it, perhaps more than once, and to which limits. */
static void read_loan(struct open_incident *open)
{
	const struct open_config *config = open->config;
	const struct airbag_levels *levels = &open->raised;
	struct incident *incident = open->incident;

	for (unsigned int i = incident->level_count; i < levels->n; i++) {
		struct incident_level *level = &incident->levels[i];
		struct loan_facts loan = airbag_loan(config->airbag, levels->cgroups[i]);

		level->lent_bytes = loan.lent_bytes;
		if (seen_cgroups_path(config->facts.seen, levels->cgroups[i], &level->cgroup))
			level->cgroup = NULL;
		incident->level_count = i + 1;
		if (levels->cgroups[i] != open->limit.cgroup_id)
			continue;
		incident->brake_set |= loan.was_braked;
		incident->airbag_bytes = MAX(incident->airbag_bytes, loan.lent_bytes);
	}
}

/* What the binding limit looks like at the end, from its files. */
static void read_closing(struct open_incident *open)
{
	const struct open_config *config = open->config;
	struct incident *incident = open->incident;
	uint64_t page = config->facts.page_bytes;
	struct cgroup_memory memory;
	struct apo_limit account;

	if (!source_limit(config->source, &open->limit, &account)) {
		uint64_t peak_bytes = account.trip_peak_need_pages * page;

		if (apo_stage_level(account.stage))
			incident_note_peak(incident, peak_bytes,
					   account.trip_least_headroom_pages * (int64_t)page);
		else if (incident_is_measured(incident))
			incident->peak_need_bytes = MAX(incident->peak_need_bytes, peak_bytes);
	}
	if (open->flow.raised)
		read_loan(open);
	if (open->limit_dirfd < 0)
		return;
	facts_events(config->facts.tree, open->limit_dirfd, &incident->after);
	if (incident->limit_kind == APO_LIMIT_HOST) {
		uint64_t total_bytes, available_bytes;

		incident->closing_known =
			!machine_memory_read(config->facts.proc_fd, &total_bytes, &available_bytes);
		if (incident->closing_known)
			incident->closing_headroom_bytes =
				sat_diff(sat_add(available_bytes, incident->swap_bytes), 0);
		return;
	}
	if (!cgroup_memory_read(config->facts.tree, open->limit_dirfd, &memory)) {
		incident->closing_known = true;
		incident->closing_headroom_bytes = sat_diff(
			sat_add(incident->airbag_bytes ? incident->limit_bytes : memory.limit_bytes,
				incident->swap_bytes),
			sat_sub(memory.usage_bytes, memory.file_bytes));
	}
}

int open_incident_grant(const struct open_incident *open, uint64_t deadline_ns)
{
	const struct incident *incident = open->incident;
	struct grace grace = {
		.trip_id = incident->id,
		.deadline_ns = deadline_ns,
		.limit_cgroup = open->limit.cgroup_id,
		.swap_bytes = incident->swap_bytes,
		.is_host = incident->limit_kind == APO_LIMIT_HOST,
		.ample_bytes = incident->grace_is_lent ? 0 : incident->reserve_bytes,
	};
	int r = open->target ? pidref_copy(open->target, &grace.process) : -EBADF;

	if (!r) {
		r = keeper_grant(open->config->keeper, &grace);
		if (r)
			pidref_close(&grace.process);
	}
	return r == -EEXIST ? 0 : r;
}

void open_incident_drop(struct open_incident *open)
{
	struct open_incident **link = open->list;

	while (*link != open)
		link = &(*link)->next;
	*link = open->next;
	if (open->incident)
		keeper_forget(open->config->keeper, open->incident->id);
	if (open->flow.raised && open->flow.stage != FLOW_STAGE_CLOSED)
		airbag_release(open->config->airbag, &open->raised);
	inspection_drop(open->inspection);
	inspection_drop(open->other_inspection);
	loop_poll_drop(open->poll); /* before what it polls is closed */
	loop_timer_drop(open->timer);
	pidref_close(&open->grower);
	pidref_close(&open->other);
	close_fd(open->limit_dirfd);
	capture_free(open->capture);
	incident_free(open->incident);
	free(open);
}

/* Returns whether there is an answer to feed back at once, in *ret_next. */
static bool execute(struct open_incident *open, unsigned int effects, struct flow_event *ret_next)
{
	static const struct flow_grace_answer cannot = {.end = FLOW_GRACE_FAILED};
	bool is_gone = effects & FLOW_TARGET && !hold_target(open);

	if (effects & FLOW_SAVE)
		save(open);
	if (effects & FLOW_REPORT)
		sinks_incident(open->config->sinks, open->incident);
	if (effects & FLOW_SET_TIMER)
		set_timer(open);
	if (effects & FLOW_READ_CLOSING) {
		read_closing(open);
		*ret_next = (struct flow_event){.type = FLOW_CLOSING_WAS_READ};
		return true;
	}
	if (effects & FLOW_END_GRACE && open_incident_grant(open, 0)) {
		*ret_next = (struct flow_event){.type = FLOW_GRACE_ANSWER, .grace = &cannot};
		return true;
	}
	if (effects & FLOW_REPORT_VERDICT)
		open->config->on_verdict(open, open->config->userdata);
	if (effects & FLOW_RELEASE)
		airbag_release(open->config->airbag, &open->raised);
	*ret_next = (struct flow_event){.type = FLOW_GONE};
	return is_gone;
}

bool open_incident_run(struct open_incident *open, struct flow_event event)
{
	while (execute(open,
		       flow_step(&open->flow, open->incident, &event, clock_ns(CLOCK_MONOTONIC)),
		       &event))
		;
	if (open->flow.stage != FLOW_STAGE_CLOSED)
		return true;
	open_incident_drop(open);
	return false;
}

static void on_timer(uv_timer_t *timer)
{
	struct open_incident *open = timer->data;

	if (open->target && open->target->pidfd >= 0 && pidref_exited(open->target) &&
	    !open_incident_run(open, (struct flow_event){.type = FLOW_GONE}))
		return;
	open_incident_run(open, (struct flow_event){.type = FLOW_TIME});
}

static void on_target_end(uv_poll_t *poll, int status, int events)
{
	struct open_incident *open = poll->data;

	(void)status;
	(void)events;
	open->poll = loop_poll_drop(poll);
	open_incident_run(open, (struct flow_event){.type = FLOW_GONE});
}

/* --- the whole ----------------------------------------------------------------------------- */

struct open_incident *open_incident_new(const struct open_config *config,
					struct open_incident **list, struct incident *incident,
					struct pidref process, const struct apo_limit_key *limit)
{
	struct open_incident *open = incident ? calloc(1, sizeof(*open)) : NULL;
	uv_timer_t *timer = open ? loop_timer_new(config->loop, open) : NULL;

	if (!timer) {
		log_warn("a trip is lost for the report: out of memory, ignoring");
		incident_free(incident);
		pidref_close(&process);
		free(open);
		return NULL;
	}
	*open = (struct open_incident){
		.next = *list,
		.list = list,
		.config = config,
		.incident = incident,
		.flow = {.page_bytes = config->facts.page_bytes,
			 .matches_pids = config->initial_pid_ns},
		.grower = process,
		.other = PIDREF_NONE,
		.limit = *limit,
		.limit_dirfd = -1,
		.timer = timer,
	};
	*list = open;
	if (incident->limit_cgroup)
		cgroup_open(config->facts.tree, incident->limit_cgroup, &open->limit_dirfd);
	file_keep(&open->limit_dirfd);
	if (incident->target.pid)
		watch_target(open, &open->grower);
	return open;
}

static void take_tmpfs(const struct tmpfs_files *found, struct incident *incident)
{
	uint64_t began_ns = clock_realtime_of(incident->grower.start_boottime_ns);
	struct memory_files *files = &incident->files;

	if (files->known)
		return;
	files->list = calloc(found->count + 1, sizeof(*files->list));
	if (!files->list)
		return;
	files->known = true;
	files->is_owned = found->is_owned;
	files->is_cut = found->is_cut;
	for (uint32_t i = 0; i < found->count; i++)
		files->list[files->count++] = (struct memory_file){
			.path = strdup(found->list[i].path),
			.bytes = found->list[i].bytes,
			.is_unlinked = found->list[i].is_unlinked,
			.is_older = found->list[i].changed_ns < began_ns,
		};
}

void open_incident_take_found(const struct inspected *found, struct incident *incident,
			      struct capture *capture)
{
	take_cmdline(found, &incident->grower);
	if (incident->target.pid == incident->grower.pid)
		take_cmdline(found, &incident->target);
	if (found->parts & INSPECTION_FILES)
		take_tmpfs(&found->files, incident);
	if (capture)
		profiler_add_names(found, capture);
}

static void on_found(struct inspected *found, void *userdata)
{
	struct open_incident *open = userdata;

	open->inspection = NULL;
	open_incident_take_found(found, open->incident, open->capture);
}

#define FILES_SHARE 16 /* of the limit: less explains nothing */

static bool wants_files(const struct incident *incident)
{
	return incident->parts.read_ns &&
	       incident->parts.bytes[MEMORY_SHMEM] >= incident->limit_bytes / FILES_SHARE;
}

void open_incident_capture(struct open_incident *open, const struct profiler_subject *subject)
{
	const struct incident *incident = open->incident;
	struct inspected refused = INSPECTED_NONE;
	unsigned int parts = INSPECTION_CMDLINE;

	open->subject = *subject;
	open->subject.tgid = incident->grower.pid;
	open->subject.start_boottime_ns = incident->grower.start_boottime_ns;
	open->subject.limit_cgroup = open->limit.cgroup_id;
	limit_parts_take(open->config->parts, open->limit_dirfd, open->limit.cgroup_id,
			 subject->spike_ns ?: subject->time_ns, open->incident);
	if (open->config->profiler)
		parts |= profiler_wants(&open->subject);
	/* Names are to be had from the process alone; what else sees the files on tmpfs is found. */
	if (subject->error || open->grower.pidfd < 0)
		parts = 0;
	if (wants_files(incident))
		parts |= INSPECTION_FILES;
	/* Before the stacks are read, which takes milliseconds that the process may not live. */
	if (parts)
		open->inspection = ask(open, &open->grower, &incident->grower, parts, on_found);
	if (open->config->profiler)
		open->capture = profiler_capture(open->config->profiler, &open->subject);
	refused.error = -EBUSY;
	if (!open->inspection && open->capture && parts & INSPECTION_NAMES)
		profiler_add_names(&refused, open->capture);
}

void open_incident_replace(struct open_incident *open, struct open_incident *held)
{
	struct incident *incident = open->incident;

	open->flow = held->flow;
	open->raised = held->raised;
	open->tells_command = held->tells_command;
	held->flow.raised = false; /* the loan goes on with it */
	incident->oom_victim = held->incident->oom_victim;
	incident->generated_ns = held->incident->generated_ns;
	incident->delivered_ns = held->incident->delivered_ns;
	open_incident_drop(held);
}
