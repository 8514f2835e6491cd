/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit/flow_course.h"

#include <criterion/criterion.h>
#include <signal.h>

uint64_t flow_time(int ms)
{
	return CROSSED_NS + (uint64_t)ms * NSEC_PER_MSEC;
}

struct incident *flow_incident(const struct course *course)
{
	struct incident *incident = incident_new();
	bool is_orphan = course->steps[0].event == FLOW_ORPHAN;

	cr_assert_not_null(incident);
	incident->id = CROSSED_NS;
	incident->crossed_ns = course->steps[0].event == FLOW_OOM_RECORD ? 0 : CROSSED_NS;
	incident->action = course->action;
	incident->signal = SIGTERM;
	incident->signal_ns = course->action == APO_ACT_SENT ? CROSSED_NS + 1 : 0;
	incident->target_policy = course->target;
	incident->target.pid = course->leader ? 0 : GROWER;
	incident->grace_ns = (uint64_t)course->grace_ms * NSEC_PER_MSEC;
	incident->reserve_bytes = 25 * MIB;
	incident->least_headroom_bytes = is_orphan ? 0 : 20 * MIB;
	incident->before.known = !is_orphan;
	return incident;
}

/* Times out of the way of the verdict: queued 1 ms, entered 2 ms after the crossing. */
unsigned int flow_take(struct flow *flow, struct incident *incident, bool lends,
		       const struct step *step)
{
	const uint64_t generated_ns = step->unsignalled ? 0 : flow_time(1);
	const uint64_t delivered_ns = step->unread ? 0 : flow_time(2);
	const struct apo_close close = {
		.rec.type = step->type,
		.id = CROSSED_NS,
		.time_ns = flow_time(step->at_ms),
		.generated_ns = generated_ns,
		.delivered_ns = delivered_ns,
		.limit_pages = 256 * MIB / FLOW_PAGE,
		.peak_need_pages = 246 * MIB / FLOW_PAGE,
		.least_headroom_pages = 10 * MIB / FLOW_PAGE,
		.task.tgid = (uint32_t)step->pid,
		.exit_code = step->status,
		.oom_victim = step->oom_victim,
	};
	const struct apo_oom oom = {
		.trip_id = CROSSED_NS,
		.generated_ns = generated_ns,
		.delivered_ns = delivered_ns,
		.victim.tgid = (uint32_t)step->pid,
	};
	const struct flow_signal_answer signal = {
		.pid = step->pid,
		.action = step->action,
		.signal = SIGTERM,
		.time_ns = flow_time(step->at_ms),
		.last = !step->more,
	};
	const struct flow_airbag_answer airbag = {
		.outcome = step->airbag,
		.added_bytes = MIB,
		.time_ns = flow_time(step->at_ms),
	};
	const struct flow_grace_answer grace = {.end = step->end};
	struct flow_event event = {.type = step->event};

	if (step->event == FLOW_CLOSE_RECORD)
		event.close = &close;
	else if (step->event == FLOW_OOM_RECORD)
		event.oom = &oom;
	else if (step->event == FLOW_SIGNAL_ANSWER)
		event.signal = &signal;
	else if (step->event == FLOW_AIRBAG_ANSWER)
		event.airbag = &airbag;
	else if (step->event == FLOW_TRIP)
		event.lends = lends;
	else if (step->event == FLOW_TAKEN_OVER)
		event.is_gone = step->is_gone;
	else if (step->event == FLOW_GRACE_ANSWER)
		event.grace = &grace;
	if (step->event == FLOW_CLOSING_WAS_READ) {
		incident->closing_known = true;
		incident->closing_headroom_bytes = step->headroom_mib * (int64_t)MIB;
		incident->after.known = true;
	}
	return flow_step(flow, incident, &event, flow_time(step->at_ms));
}

void flow_follow(const struct course *course)
{
	struct incident *incident = flow_incident(course);
	struct flow flow = {.page_bytes = FLOW_PAGE, .matches_pids = !course->foreign};

	for (size_t i = 0; i < STEPS_MAX && course->steps[i].event; i++) {
		const struct step *step = &course->steps[i];
		unsigned int effects = flow_take(&flow, incident, course->lends, step);

		cr_expect_eq(effects, step->effects, "%s: step %zu: effects %#x, not %#x",
			     course->claim, i, effects, step->effects);
		if (effects & FLOW_SET_TIMER)
			cr_expect_eq(flow.deadline_ns, flow_time(step->deadline_ms),
				     "%s: step %zu: a timer to %lld ms", course->claim, i,
				     (long long)(flow.deadline_ns - CROSSED_NS) / 1000000);
	}
	cr_expect_eq(flow.stage, FLOW_STAGE_CLOSED, "%s: still open", course->claim);
	cr_expect_eq(incident->verdict, course->verdict, "%s: %s (%s)", course->claim,
		     verdict_name(incident->verdict), incident->reason);
	cr_expect_eq(incident->missing, course->missing, "%s: missing %#x", course->claim,
		     incident->missing);
	incident_free(incident);
}
