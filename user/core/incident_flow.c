/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/incident_flow.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/util.h"
#include "core/policy.h"
#include "core/verdict.h"

static unsigned int set_deadline(struct flow *flow, uint64_t deadline_ns)
{
	flow->deadline_ns = deadline_ns;
	return FLOW_SET_TIMER;
}

/*
 * Until when the target may run on, counted from the trip, not from when its record was read. The end of a
 * grace is answered soon after that.
 */
static unsigned int wait_for_end(struct flow *flow, const struct incident *incident,
				 uint64_t now_ns)
{
	uint64_t window_ns = incident->grace_ns ? sat_add(incident->grace_ns, FLOW_LINGER_NS)
			     : incident->rule == APO_RULE_OOMD ? FLOW_OOMD_NS
							       : FLOW_SETTLE_NS;

	flow->stage = FLOW_STAGE_OPEN;
	return set_deadline(flow, incident->action == APO_ACT_DRY_RUN
					  ? now_ns
					  : sat_add(incident->crossed_ns, window_ns));
}

static unsigned int linger(struct flow *flow, enum flow_stage stage, uint64_t now_ns)
{
	flow->stage = stage;
	return set_deadline(flow, sat_add(now_ns, FLOW_LINGER_NS));
}

static unsigned int judge(struct flow *flow)
{
	flow->stage = FLOW_STAGE_JUDGING;
	return FLOW_READ_CLOSING;
}

/* The closing facts are known. */
static unsigned int close_now(struct flow *flow, struct incident *incident)
{
	verdict_close(incident);
	flow->stage = FLOW_STAGE_CLOSED;
	return FLOW_REPORT_VERDICT | (flow->raised ? FLOW_RELEASE : 0);
}

/* --- records of the end -------------------------------------------------------------------- */

/* Whether a record is about the target, not about another one of several processes. */
static bool is_target(const struct flow *flow, const struct incident *incident,
		      const struct apo_task *task)
{
	return !flow->matches_pids || incident->target.pid == (pid_t)task->tgid;
}

/* Where the record of the trip was lost: that a signal was sent is known from its traces. */
static void infer_action(struct incident *incident)
{
	if (incident_action_is_known(incident) ||
	    (!incident->generated_ns && !incident->delivered_ns))
		return;
	incident->action = APO_ACT_SENT;
	incident->targets_signalled = 1;
}

static void take_times(struct incident *incident, uint64_t generated_ns, uint64_t delivered_ns)
{
	incident->generated_ns = generated_ns ?: incident->generated_ns;
	incident->delivered_ns = delivered_ns ?: incident->delivered_ns;
	if (!incident->signal_ns)
		incident->signal_ns = generated_ns;
	infer_action(incident);
}

static void take_exit(const struct flow *flow, struct incident *incident,
		      const struct apo_close *record)
{
	int status = record->exit_code;

	if (record->peak_need_pages) /* else its account is gone, or has seen no trip */
		incident_note_peak(incident, sat_mul(record->peak_need_pages, flow->page_bytes),
				   record->least_headroom_pages * (int64_t)flow->page_bytes);
	incident->oom_victim |= record->oom_victim;
	incident->exit_ns = record->time_ns;
	incident->exit.known = true;
	incident->exit.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	incident->exit.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* The kernel kills a process before it marks it as an OOM victim: the record of that may come later. */
static bool may_be_oom_victim(const struct incident *incident)
{
	return incident->exit.signal == SIGKILL && !incident->oom_victim &&
	       !incident->killed_after_grace;
}

/* Takes in the confirmation or the end of the target. */
static unsigned int take_close(struct flow *flow, struct incident *incident,
			       const struct apo_close *record, uint64_t now_ns)
{
	if (!is_target(flow, incident, &record->task))
		return 0;
	take_times(incident, record->generated_ns, record->delivered_ns);
	if (record->rec.type != APO_REC_EXIT)
		return FLOW_SAVE;
	take_exit(flow, incident, record);
	return may_be_oom_victim(incident) ? FLOW_SAVE | linger(flow, FLOW_STAGE_ENDED, now_ns)
					   : judge(flow);
}

static unsigned int on_close_record(struct flow *flow, struct incident *incident,
				    const struct apo_close *record, uint64_t now_ns)
{
	if (!flow->awaits || flow->late_count == FLOW_LATE_MAX)
		return take_close(flow, incident, record, now_ns);
	flow->late[flow->late_count++] = *record;
	return 0;
}

/* What has waited counts now. */
static unsigned int take_late(struct flow *flow, struct incident *incident, uint64_t now_ns)
{
	unsigned int effects = 0;

	for (size_t i = 0; i < flow->late_count && flow->stage != FLOW_STAGE_JUDGING; i++)
		effects |= take_close(flow, incident, &flow->late[i], now_ns);
	flow->late_count = 0;
	return effects;
}

static unsigned int on_oom_record(struct flow *flow, struct incident *incident,
				  const struct apo_oom *record)
{
	incident->oom_victim = true;
	if (flow->stage == FLOW_STAGE_NEW) /* no trip preceded: its verdict is known */
		return close_now(flow, incident);
	if (is_target(flow, incident, &record->victim))
		take_times(incident, record->generated_ns, record->delivered_ns);
	return flow->stage == FLOW_STAGE_ENDED ? judge(flow) : FLOW_SAVE;
}

/* --- opening ------------------------------------------------------------------------------- */

/* The incident is reported, and waits for what is still to come. */
static unsigned int open_incident(struct flow *flow, struct incident *incident, unsigned int awaits,
				  uint64_t now_ns)
{
	unsigned int effects = FLOW_REPORT | FLOW_SAVE;

	flow->awaits = awaits;
	effects |= flow->stage == FLOW_STAGE_GONE ? linger(flow, FLOW_STAGE_GONE, now_ns)
						  : wait_for_end(flow, incident, now_ns);
	return effects | (awaits ? 0 : take_late(flow, incident, now_ns));
}

static unsigned int on_trip(struct flow *flow, struct incident *incident, bool lends,
			    uint64_t now_ns)
{
	unsigned int awaits = 0;

	if (flow->stage != FLOW_STAGE_NEW && !(flow->awaits & FLOW_AWAIT_TRIP))
		return 0; /* too late: it was made an incident without */
	if (incident->action == APO_ACT_DELEGATED)
		awaits |= FLOW_AWAIT_SIGNAL;
	if (lends && incident->action != APO_ACT_DRY_RUN)
		awaits |= FLOW_AWAIT_AIRBAG;
	return open_incident(flow, incident, awaits, now_ns);
}

static unsigned int hold(struct flow *flow, enum flow_stage stage, uint64_t deadline_ns)
{
	flow->stage = stage;
	flow->awaits = FLOW_AWAIT_TRIP;
	return set_deadline(flow, deadline_ns);
}

static unsigned int take_over(struct flow *flow, struct incident *incident,
			      const struct flow_event *event, uint64_t now_ns)
{
	incident->missing |= INCIDENT_MISSING_RESTART;
	if (!incident->signal) /* its responder was asked for one, and which it took is not known */
		incident->signal = incident->wanted_signal;
	flow->raised = event->is_raised;
	flow->may_be_killed = !event->is_gone && incident->grace_ns;
	return FLOW_SAVE | hold(flow, event->is_gone ? FLOW_STAGE_GONE : FLOW_STAGE_OPEN, now_ns);
}

/* Nobody waits for the record of the trip any more. Returns FLOW_REPORT if somebody did. */
static unsigned int give_up_trip(struct flow *flow, struct incident *incident)
{
	if (!(flow->awaits & FLOW_AWAIT_TRIP))
		return 0;
	if (!(incident->missing & INCIDENT_MISSING_RESTART))
		incident->missing |= INCIDENT_MISSING_TRIP;
	infer_action(incident);
	return FLOW_REPORT | FLOW_SAVE;
}

/* --- answers of the responder -------------------------------------------------------------- */

static unsigned int answered(struct flow *flow, struct incident *incident, enum flow_await what,
			     uint64_t now_ns)
{
	if (!(flow->awaits & what))
		return 0;
	flow->awaits &= ~what;
	return flow->awaits ? 0 : take_late(flow, incident, now_ns);
}

static unsigned int retarget(struct flow *flow, struct incident *incident,
			     const struct flow_signal_answer *answer, uint64_t now_ns)
{
	bool another = incident->target.pid != answer->pid;

	incident_process_clear(&incident->target);
	incident->target = (struct incident_process){
		.pid = answer->pid,
		.ns_pid = answer->pid,
		.start_boottime_ns = answer->start_boottime_ns,
		.disposition = answer->disposition,
	};
	if (another && flow->stage == FLOW_STAGE_GONE) /* it was the one before that has gone */
		return FLOW_TARGET | wait_for_end(flow, incident, now_ns);
	return FLOW_TARGET;
}

/* Of several processes the first one that was signalled is the target. */
static unsigned int on_signal_answer(struct flow *flow, struct incident *incident,
				     const struct flow_signal_answer *answer, uint64_t now_ns)
{
	bool sent = answer->action == APO_ACT_SENT_RESPONDER || answer->action == APO_ACT_ASKED;
	unsigned int effects = FLOW_SAVE;

	if (incident->action != APO_ACT_SENT_RESPONDER && incident->action != APO_ACT_ASKED) {
		incident->action = answer->action;
		incident->error = answer->error;
		incident->signal = answer->signal;
		incident->profile = answer->profile;
		incident->declared = answer->declared;
		if (sent)
			incident->signal_ns = answer->time_ns;
		if (answer->pid && incident->target_policy != APO_TARGET_ALL)
			effects |= retarget(flow, incident, answer, now_ns);
	}
	incident->targets_signalled += sent;
	return effects | (answer->last ? answered(flow, incident, FLOW_AWAIT_SIGNAL, now_ns) : 0);
}

static unsigned int on_airbag_answer(struct flow *flow, struct incident *incident,
				     const struct flow_airbag_answer *answer, uint64_t now_ns)
{
	bool raised = answer->outcome == INCIDENT_AIRBAG_RAISED;

	if (flow->stage == FLOW_STAGE_CLOSED) /* over before we heard of it */
		return raised ? FLOW_RELEASE : 0;
	flow->raised |= raised;
	incident->airbag = answer->outcome;
	incident->airbag_error = answer->error;
	incident->airbag_bytes = answer->added_bytes;
	incident->airbag_ns = raised ? answer->time_ns : 0;
	if (raised && !incident->grace_ns) { /* the limit must not stay raised for ever */
		incident->grace_ns = AIRBAG_GRACE_NS;
		incident->grace_is_lent = true;
	}
	return answered(flow, incident, FLOW_AWAIT_AIRBAG, now_ns);
}

/* --- time ---------------------------------------------------------------------------------- */

/* The target is gone, and the record of its end did not come: nobody saw how. */
static unsigned int judge_unseen(struct flow *flow, struct incident *incident, uint64_t now_ns)
{
	if (incident->action != APO_ACT_DISAPPEARED) { /* that says it already */
		incident->exit_ns = now_ns;
		incident->missing |= INCIDENT_MISSING_END;
	}
	return judge(flow);
}

static unsigned int on_time(struct flow *flow, struct incident *incident, uint64_t now_ns)
{
	unsigned int effects;

	if (now_ns < flow->deadline_ns)
		return FLOW_SET_TIMER;
	effects = give_up_trip(flow, incident);
	if (flow->awaits) { /* what has not come does not come any more */
		flow->awaits = 0;
		effects |= take_late(flow, incident, now_ns);
		if (flow->stage == FLOW_STAGE_JUDGING || now_ns < flow->deadline_ns)
			return effects;
	}
	if (flow->stage == FLOW_STAGE_GONE) {
		if (effects & FLOW_REPORT && flow->may_be_killed)
			return effects | linger(flow, FLOW_STAGE_GONE, now_ns);
		return effects | judge_unseen(flow, incident, now_ns);
	}
	if (effects & FLOW_REPORT)
		return effects | wait_for_end(flow, incident, now_ns);
	if (flow->stage != FLOW_STAGE_OPEN || !incident->grace_ns ||
	    incident->action == APO_ACT_DRY_RUN)
		return effects | judge(flow);
	return effects | FLOW_END_GRACE | linger(flow, FLOW_STAGE_GRACE_OVER, now_ns);
}

/* The record of the end may have come before. */
static unsigned int on_grace_answer(struct flow *flow, struct incident *incident,
				    const struct flow_grace_answer *answer, uint64_t now_ns)
{
	bool is_running = flow->stage == FLOW_STAGE_OPEN || flow->stage == FLOW_STAGE_GRACE_OVER;

	flow->may_be_killed = false;
	if (answer->end == FLOW_GRACE_KILLED) {
		incident->killed_after_grace = true;
		if (flow->stage == FLOW_STAGE_ENDED)
			return judge(flow);
	}
	if (!is_running)
		return FLOW_SAVE;
	switch (answer->end) {
	case FLOW_GRACE_GONE:
		return linger(flow, FLOW_STAGE_GONE, now_ns);
	case FLOW_GRACE_KILLED:
		return FLOW_SAVE | linger(flow, FLOW_STAGE_KILLED, now_ns);
	case FLOW_GRACE_SPARED:
	case FLOW_GRACE_FAILED:
		break;
	}
	return judge(flow);
}

static unsigned int on_gone(struct flow *flow, const struct incident *incident, uint64_t now_ns)
{
	bool held = flow->awaits & FLOW_AWAIT_TRIP;

	if ((flow->stage != FLOW_STAGE_OPEN && flow->stage != FLOW_STAGE_GRACE_OVER &&
	     flow->stage != FLOW_STAGE_KILLED) ||
	    incident->action == APO_ACT_DRY_RUN)
		return 0;
	flow->stage = FLOW_STAGE_GONE;
	return held ? 0 : linger(flow, FLOW_STAGE_GONE, now_ns);
}

static unsigned int on_stop(struct flow *flow, struct incident *incident, uint64_t now_ns)
{
	unsigned int effects = give_up_trip(flow, incident);

	flow->awaits = 0;
	effects |= take_late(flow, incident, now_ns);
	if (flow->stage == FLOW_STAGE_JUDGING)
		return effects;
	return effects | (flow->stage == FLOW_STAGE_GONE ? judge_unseen(flow, incident, now_ns)
							 : judge(flow));
}

/* --- the whole ----------------------------------------------------------------------------- */

static unsigned int first_step(struct flow *flow, struct incident *incident,
			       const struct flow_event *event, uint64_t now_ns)
{
	switch (event->type) {
	case FLOW_TRIP:
		return on_trip(flow, incident, event->lends, now_ns);
	case FLOW_WARNING:
		flow->stage = FLOW_STAGE_CLOSED;
		return FLOW_REPORT;
	case FLOW_ORPHAN:
		return hold(flow, FLOW_STAGE_OPEN, sat_add(now_ns, FLOW_HOLD_NS));
	case FLOW_TAKEN_OVER:
		return take_over(flow, incident, event, now_ns);
	case FLOW_OOM_RECORD:
		return on_oom_record(flow, incident, event->oom);
	default:
		return 0;
	}
}

static unsigned int next_step(struct flow *flow, struct incident *incident,
			      const struct flow_event *event, uint64_t now_ns)
{
	switch (event->type) {
	case FLOW_TRIP:
		return on_trip(flow, incident, event->lends, now_ns);
	case FLOW_SIGNAL_ANSWER:
		return on_signal_answer(flow, incident, event->signal, now_ns);
	case FLOW_AIRBAG_ANSWER:
		return on_airbag_answer(flow, incident, event->airbag, now_ns);
	case FLOW_CLOSE_RECORD:
		return on_close_record(flow, incident, event->close, now_ns);
	case FLOW_OOM_RECORD:
		return on_oom_record(flow, incident, event->oom);
	case FLOW_TIME:
		return on_time(flow, incident, now_ns);
	case FLOW_GONE:
		return on_gone(flow, incident, now_ns);
	case FLOW_STOP:
		return on_stop(flow, incident, now_ns);
	case FLOW_GRACE_ANSWER:
		return on_grace_answer(flow, incident, event->grace, now_ns);
	case FLOW_CLOSING_WAS_READ:
		return close_now(flow, incident);
	case FLOW_WARNING:
	case FLOW_ORPHAN:
	case FLOW_TAKEN_OVER:
		break;
	}
	return 0;
}

unsigned int flow_step(struct flow *flow, struct incident *incident, const struct flow_event *event,
		       uint64_t now_ns)
{
	unsigned int effects;

	if (flow->stage == FLOW_STAGE_CLOSED && event->type != FLOW_AIRBAG_ANSWER)
		return 0;
	effects = flow->stage == FLOW_STAGE_NEW ? first_step(flow, incident, event, now_ns)
						: next_step(flow, incident, event, now_ns);
	if (flow->stage == FLOW_STAGE_JUDGING || flow->stage == FLOW_STAGE_CLOSED)
		effects &= ~(FLOW_SAVE | FLOW_SET_TIMER);
	return effects;
}

void closed_trips_add(struct closed_trips *closed, uint64_t id)
{
	uint64_t *place = &closed->ids[closed->next++ % CLOSED_MAX];

	closed->forgotten_id = MAX(closed->forgotten_id, *place);
	*place = id;
}

bool closed_trips_has(const struct closed_trips *closed, uint64_t id)
{
	if (id <= closed->forgotten_id)
		return true;
	for (size_t i = 0; i < CLOSED_MAX; i++)
		if (closed->ids[i] == id)
			return true;
	return false;
}
