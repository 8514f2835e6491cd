/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/incident_flow.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>

#include "unit/flow_course.h"

static const struct course courses[] = {
	{
		.claim = "a handler that exits is a save",
		.steps = {TRIPPED,
			  AT(1, FLOW_CLOSE_RECORD, FLOW_SAVE, .pid = GROWER,
			     .type = APO_REC_DELIVERED),
			  EXITED(200, 0), READ(200, 90, JUDGED)},
		.verdict = VERDICT_SAVED,
		.action = APO_ACT_SENT,
	},
	{
		.claim = "the exit of another of several processes is not the end",
		.steps = {TRIPPED, AT(5, FLOW_CLOSE_RECORD, 0, .pid = OTHER, .type = APO_REC_EXIT),
			  EXITED(200, 0), READ(200, 90, JUDGED)},
		.verdict = VERDICT_SAVED,
		.action = APO_ACT_SENT,
		.target = APO_TARGET_ALL,
	},
	{
		.claim = "where pids are not ours every record of the trip is about the target",
		.steps = {TRIPPED,
			  AT(5, FLOW_CLOSE_RECORD, FLOW_READ_CLOSING, .pid = OTHER,
			     .type = APO_REC_EXIT),
			  READ(5, 90, JUDGED)},
		.verdict = VERDICT_SAVED,
		.action = APO_ACT_SENT,
		.foreign = true,
	},
	{
		.claim = "a timer after the exit changes nothing",
		.steps = {TRIPPED, EXITED(200, 0), READ(200, 90, JUDGED), AT(10000, FLOW_TIME, 0),
			  AT(10000, FLOW_GONE, 0), AT(10000, FLOW_STOP, 0),
			  AT(10000, FLOW_CLOSE_RECORD, 0, .pid = GROWER, .type = APO_REC_EXIT),
			  AT(10000, FLOW_OOM_RECORD, 0, .pid = GROWER)},
		.verdict = VERDICT_SAVED,
		.action = APO_ACT_SENT,
	},
	{
		.claim = "a timer that is early is set again",
		.steps = {TRIPPED, AT(9999, FLOW_TIME, FLOW_SET_TIMER, .deadline_ms = 10000),
			  AT(10000, FLOW_TIME, FLOW_READ_CLOSING), READ(10000, 90, JUDGED)},
		.verdict = VERDICT_NEEDLESS,
		.action = APO_ACT_SENT,
	},
	{
		.claim = "without a grace nobody is killed",
		.steps = {TRIPPED, AT(10000, FLOW_TIME, FLOW_READ_CLOSING), READ(10000, 1, JUDGED)},
		.verdict = VERDICT_IGNORED,
		.action = APO_ACT_SENT,
	},
	{
		.claim = "a dry run is over at once",
		.steps = {AT(3, FLOW_TRIP, OPENED, .deadline_ms = 3),
			  AT(3, FLOW_TIME, FLOW_READ_CLOSING), READ(3, 1, JUDGED)},
		.verdict = VERDICT_DRY_RUN,
		.action = APO_ACT_DRY_RUN,
		.grace_ms = 50,
		.lends = true,
	},
	{
		.claim = "a dry run whose process is gone is not waited for",
		.steps = {AT(3, FLOW_TRIP, OPENED, .deadline_ms = 3), AT(3, FLOW_GONE, 0),
			  AT(3, FLOW_TIME, FLOW_READ_CLOSING), READ(3, 1, JUDGED)},
		.verdict = VERDICT_DRY_RUN,
		.action = APO_ACT_DRY_RUN,
	},

	/* The grace. */
	{
		.claim = "who outlives the grace is killed, and its record waited for",
		.steps = {AT(0, FLOW_TRIP, OPENED, .deadline_ms = 1300),
			  AT(300, FLOW_GRACE_ANSWER, FLOW_SAVE | FLOW_SET_TIMER,
			     .end = FLOW_GRACE_KILLED, .deadline_ms = 1300),
			  EXITED(310, SIGKILL), READ(310, 90, JUDGED)},
		.verdict = VERDICT_IGNORED,
		.action = APO_ACT_SENT,
		.grace_ms = 300,
	},
	{
		.claim = "also one that could make no use of the signal",
		.steps = {AT(0, FLOW_TRIP, OPENED, .deadline_ms = 1300),
			  AT(300, FLOW_GRACE_ANSWER, FLOW_SAVE | FLOW_SET_TIMER,
			     .end = FLOW_GRACE_KILLED, .deadline_ms = 1300),
			  AT(1300, FLOW_TIME, FLOW_READ_CLOSING), READ(1300, 90, JUDGED)},
		.verdict = VERDICT_IGNORED,
		.action = APO_ACT_NONE,
		.grace_ms = 300,
	},
	{
		.claim = "the record of the end may come before the answer",
		.steps = {AT(0, FLOW_TRIP, OPENED, .deadline_ms = 1300),
			  AT(300, FLOW_CLOSE_RECORD, FLOW_SAVE | FLOW_SET_TIMER, .pid = GROWER,
			     .type = APO_REC_EXIT, .status = SIGKILL, .deadline_ms = 1300),
			  AT(301, FLOW_GRACE_ANSWER, FLOW_READ_CLOSING, .end = FLOW_GRACE_KILLED),
			  READ(301, 90, JUDGED)},
		.verdict = VERDICT_IGNORED,
		.action = APO_ACT_SENT,
		.grace_ms = 300,
	},
	{
		.claim = "who is spared as the headroom is back is judged",
		.steps = {AT(0, FLOW_TRIP, OPENED, .deadline_ms = 1300),
			  AT(1, FLOW_CLOSE_RECORD, FLOW_SAVE, .pid = GROWER,
			     .type = APO_REC_DELIVERED),
			  AT(300, FLOW_GRACE_ANSWER, FLOW_READ_CLOSING, .end = FLOW_GRACE_SPARED),
			  READ(300, 25, JUDGED)},
		.verdict = VERDICT_SAVED,
		.action = APO_ACT_SENT,
		.grace_ms = 300,
	},
	{
		.claim = "an end of the grace that nobody answers for is asked for, from the "
			 "crossing",
		.steps = {AT(1400, FLOW_TRIP, OPENED, .deadline_ms = 1300),
			  AT(1400, FLOW_TIME, FLOW_END_GRACE | FLOW_SET_TIMER, .deadline_ms = 2400),
			  AT(1401, FLOW_GRACE_ANSWER, FLOW_SAVE | FLOW_SET_TIMER,
			     .end = FLOW_GRACE_KILLED, .deadline_ms = 2401),
			  AT(1402, FLOW_GONE, FLOW_SET_TIMER, .deadline_ms = 2402),
			  AT(2402, FLOW_TIME, FLOW_READ_CLOSING), READ(2402, 90, JUDGED)},
		.verdict = VERDICT_IGNORED,
		.missing = INCIDENT_MISSING_END,
		.action = APO_ACT_SENT,
		.grace_ms = 300,
	},
	{
		.claim = "and if there is no answer then, it is judged",
		.steps = {AT(0, FLOW_TRIP, OPENED, .deadline_ms = 1300),
			  AT(1300, FLOW_TIME, FLOW_END_GRACE | FLOW_SET_TIMER, .deadline_ms = 2300),
			  AT(2300, FLOW_TIME, FLOW_READ_CLOSING), READ(2300, 1, JUDGED)},
		.verdict = VERDICT_IGNORED,
		.action = APO_ACT_SENT,
		.grace_ms = 300,
	},
	{
		.claim = "who had ended by then has its record waited for",
		.steps = {AT(0, FLOW_TRIP, OPENED, .deadline_ms = 1300),
			  AT(300, FLOW_GRACE_ANSWER, FLOW_SET_TIMER, .end = FLOW_GRACE_GONE,
			     .deadline_ms = 1300),
			  EXITED(301, 0), READ(301, 90, JUDGED)},
		.verdict = VERDICT_SAVED,
		.action = APO_ACT_SENT,
		.grace_ms = 300,
	},
	{
		.claim = "who cannot be killed is judged",
		.steps = {AT(0, FLOW_TRIP, OPENED, .deadline_ms = 1300),
			  AT(300, FLOW_GRACE_ANSWER, FLOW_READ_CLOSING, .end = FLOW_GRACE_FAILED),
			  READ(300, 1, JUDGED)},
		.verdict = VERDICT_IGNORED,
		.action = APO_ACT_SENT,
		.grace_ms = 300,
	},

	/* Ends that nobody saw. */
	{
		.claim = "a process that is gone has its record waited for",
		.steps = {TRIPPED, AT(50, FLOW_GONE, FLOW_SET_TIMER, .deadline_ms = 1050),
			  EXITED(51, 0), READ(51, 90, JUDGED)},
		.verdict = VERDICT_SAVED,
		.action = APO_ACT_SENT,
	},
	{
		.claim = "and is judged without it",
		.steps = {TRIPPED, AT(50, FLOW_GONE, FLOW_SET_TIMER, .deadline_ms = 1050),
			  AT(60, FLOW_GONE, 0), AT(1050, FLOW_TIME, FLOW_READ_CLOSING),
			  READ(1050, 90, JUDGED)},
		.verdict = VERDICT_SAVED,
		.missing = INCIDENT_MISSING_END,
		.action = APO_ACT_SENT,
	},
	{
		.claim = "who was gone before it could be signalled has no end to be missed",
		.steps = {TRIPPED, AT(0, FLOW_GONE, FLOW_SET_TIMER, .deadline_ms = 1000),
			  AT(1000, FLOW_TIME, FLOW_READ_CLOSING), READ(1000, 90, JUDGED)},
		.verdict = VERDICT_NEEDLESS,
		.action = APO_ACT_DISAPPEARED,
	},
	{
		.claim = "a stop judges what runs on",
		.steps = {TRIPPED, AT(50, FLOW_STOP, FLOW_READ_CLOSING), READ(50, 1, JUDGED)},
		.verdict = VERDICT_IGNORED,
		.action = APO_ACT_SENT,
	},
	{
		.claim = "a stop judges what is gone as gone",
		.steps = {TRIPPED, AT(50, FLOW_GONE, FLOW_SET_TIMER, .deadline_ms = 1050),
			  AT(60, FLOW_STOP, FLOW_READ_CLOSING), READ(60, 1, JUDGED)},
		.verdict = VERDICT_SAVED,
		.missing = INCIDENT_MISSING_END,
		.action = APO_ACT_SENT,
	},

	/* Answers of the responder. */
	{
		.claim = "an exit before the answer counts after it",
		.steps = {TRIPPED,
			  AT(1, FLOW_CLOSE_RECORD, 0, .pid = GROWER, .type = APO_REC_DELIVERED),
			  LATE_EXIT(2, 0),
			  AT(3, FLOW_SIGNAL_ANSWER, FLOW_TARGET | FLOW_READ_CLOSING, .pid = GROWER,
			     .action = APO_ACT_SENT_RESPONDER),
			  READ(3, 90, JUDGED)},
		.verdict = VERDICT_SAVED,
		.action = APO_ACT_DELEGATED,
	},
	{
		.claim = "the answer names the leader: the exit of the grower is not the end",
		.steps = {TRIPPED, LATE_EXIT(1, 0),
			  AT(2, FLOW_SIGNAL_ANSWER, FLOW_TARGET | FLOW_SAVE, .pid = LEADER,
			     .action = APO_ACT_SENT_RESPONDER),
			  AT(3, FLOW_CLOSE_RECORD, 0, .pid = GROWER, .type = APO_REC_EXIT),
			  AT(4, FLOW_CLOSE_RECORD, FLOW_READ_CLOSING, .pid = LEADER,
			     .type = APO_REC_EXIT),
			  READ(4, 90, JUDGED)},
		.verdict = VERDICT_SAVED,
		.action = APO_ACT_DELEGATED,
		.target = APO_TARGET_LEADER,
		.leader = true,
	},
	{
		.claim = "a grower that is gone before the leader is named does not end the trip",
		.steps = {TRIPPED, AT(1, FLOW_GONE, FLOW_SET_TIMER, .deadline_ms = 1001),
			  AT(2, FLOW_SIGNAL_ANSWER, FLOW_TARGET | FLOW_SAVE | FLOW_SET_TIMER,
			     .pid = LEADER, .action = APO_ACT_SENT_RESPONDER, .deadline_ms = 10000),
			  AT(10000, FLOW_TIME, FLOW_READ_CLOSING), READ(10000, 1, JUDGED)},
		.verdict = VERDICT_IGNORED,
		.action = APO_ACT_DELEGATED,
	},
	{
		.claim = "of all processes the grower is the target, whoever is answered for",
		.steps = {TRIPPED,
			  AT(1, FLOW_SIGNAL_ANSWER, FLOW_SAVE, .pid = OTHER, .more = true,
			     .action = APO_ACT_SENT_RESPONDER),
			  AT(1, FLOW_SIGNAL_ANSWER, FLOW_SAVE, .pid = GROWER, .more = true,
			     .action = APO_ACT_SENT_RESPONDER),
			  AT(2, FLOW_CLOSE_RECORD, 0, .pid = OTHER, .type = APO_REC_EXIT),
			  LATE_EXIT(2, 0),
			  AT(3, FLOW_SIGNAL_ANSWER, FLOW_READ_CLOSING, .action = APO_ACT_NONE),
			  READ(3, 90, JUDGED)},
		.verdict = VERDICT_SAVED,
		.action = APO_ACT_DELEGATED,
		.target = APO_TARGET_ALL,
	},
	{
		.claim = "an answer that does not come is not waited for beyond the time, but "
			 "records count",
		.steps = {TRIPPED, LATE_EXIT(2, 0), AT(10000, FLOW_TIME, FLOW_READ_CLOSING),
			  READ(10000, 90, JUDGED)},
		.verdict = VERDICT_SAVED,
		.action = APO_ACT_DELEGATED,
	},
	{
		.claim = "the responder found the process gone",
		.steps = {TRIPPED,
			  AT(1, FLOW_SIGNAL_ANSWER, FLOW_TARGET | FLOW_SAVE, .pid = GROWER,
			     .action = APO_ACT_DISAPPEARED),
			  AT(2, FLOW_GONE, FLOW_SET_TIMER, .deadline_ms = 1002),
			  AT(1002, FLOW_TIME, FLOW_READ_CLOSING), READ(1002, 90, JUDGED)},
		.verdict = VERDICT_NEEDLESS,
		.action = APO_ACT_DELEGATED,
	},
	{
		.claim = "the loan is released with the verdict",
		.steps = {TRIPPED, LATE_EXIT(1, 0),
			  AT(2, FLOW_AIRBAG_ANSWER, FLOW_READ_CLOSING,
			     .airbag = INCIDENT_AIRBAG_RAISED),
			  READ(2, 90, JUDGED | FLOW_RELEASE)},
		.verdict = VERDICT_SAVED,
		.action = APO_ACT_SENT,
		.lends = true,
	},
	{
		.claim = "a signal and an airbag are both waited for",
		.steps = {TRIPPED, AT(1, FLOW_AIRBAG_ANSWER, 0, .airbag = INCIDENT_AIRBAG_REFUSED),
			  LATE_EXIT(1, 0),
			  AT(2, FLOW_SIGNAL_ANSWER, FLOW_TARGET | FLOW_READ_CLOSING, .pid = GROWER,
			     .action = APO_ACT_SENT_RESPONDER),
			  READ(2, 90, JUDGED)},
		.verdict = VERDICT_SAVED,
		.action = APO_ACT_DELEGATED,
		.lends = true,
	},
	{
		.claim = "an airbag that is raised after the verdict is released",
		.steps = {TRIPPED, AT(10000, FLOW_TIME, FLOW_READ_CLOSING), READ(10000, 1, JUDGED),
			  AT(10001, FLOW_AIRBAG_ANSWER, FLOW_RELEASE,
			     .airbag = INCIDENT_AIRBAG_RAISED),
			  AT(10001, FLOW_AIRBAG_ANSWER, 0, .airbag = INCIDENT_AIRBAG_FAILED)},
		.verdict = VERDICT_IGNORED,
		.action = APO_ACT_SENT,
		.lends = true,
	},
	{
		.claim = "an answer too many upsets nothing",
		.steps = {TRIPPED, AT(1, FLOW_AIRBAG_ANSWER, 0, .airbag = INCIDENT_AIRBAG_FAILED),
			  EXITED(2, 0), READ(2, 90, JUDGED)},
		.verdict = VERDICT_SAVED,
		.action = APO_ACT_SENT,
	},

	/* OOM kills. */
	{
		.claim = "an OOM victim of a trip is too late",
		.steps = {TRIPPED, AT(5, FLOW_OOM_RECORD, FLOW_SAVE, .pid = GROWER),
			  EXITED(6, SIGKILL), READ(6, 90, JUDGED)},
		.verdict = VERDICT_TOO_LATE,
		.action = APO_ACT_SENT,
	},
	{
		.claim = "also where its end is heard of before the kill",
		.steps = {TRIPPED,
			  AT(5, FLOW_CLOSE_RECORD, FLOW_SAVE | FLOW_SET_TIMER, .pid = GROWER,
			     .type = APO_REC_EXIT, .status = SIGKILL, .deadline_ms = 1005),
			  AT(6, FLOW_GONE, 0),
			  AT(7, FLOW_OOM_RECORD, FLOW_READ_CLOSING, .pid = GROWER),
			  READ(7, 90, JUDGED)},
		.verdict = VERDICT_TOO_LATE,
		.action = APO_ACT_SENT,
	},
	{
		.claim = "whom somebody else has killed is judged when that was not the kernel",
		.steps = {TRIPPED,
			  AT(5, FLOW_CLOSE_RECORD, FLOW_SAVE | FLOW_SET_TIMER, .pid = GROWER,
			     .type = APO_REC_EXIT, .status = SIGKILL, .deadline_ms = 1005),
			  AT(1005, FLOW_TIME, FLOW_READ_CLOSING), READ(1005, 90, JUDGED)},
		.verdict = VERDICT_IGNORED,
		.action = APO_ACT_SENT,
	},
	{
		.claim = "a kill that no trip preceded is missed",
		.steps = {AT(0, FLOW_OOM_RECORD, JUDGED, .pid = GROWER)},
		.verdict = VERDICT_MISSED,
	},
};

Test(incident_flow, courses)
{
	for (size_t i = 0; i < ARRAY_SIZE(courses); i++)
		flow_follow(&courses[i]);
}

/* The rest is about what becomes of the incident. */

static void step_once(struct flow *flow, struct incident *incident, const struct step *step)
{
	flow_take(flow, incident, false, step);
}

static struct incident *sent(void)
{
	return flow_incident(&(const struct course){.steps = {TRIPPED}, .action = APO_ACT_SENT});
}

Test(incident_flow, a_warning_is_reported_and_over)
{
	struct incident *incident = sent();
	struct flow flow = {.page_bytes = FLOW_PAGE};

	cr_expect_eq(flow_take(&flow, incident, false, &(const struct step)AT(0, FLOW_WARNING, 0)),
		     FLOW_REPORT);
	cr_expect_eq(flow.stage, FLOW_STAGE_CLOSED);
	cr_expect_eq(incident->verdict, VERDICT_OPEN);
	incident_free(incident);
}

Test(incident_flow, the_exit_record_is_taken_in)
{
	const struct step trip = TRIPPED, end = EXITED(200, 3 << 8);
	struct incident *incident = sent();
	struct flow flow = {.page_bytes = FLOW_PAGE, .matches_pids = true};

	step_once(&flow, incident, &trip);
	step_once(&flow, incident, &end);
	cr_expect(incident->exit.known);
	cr_expect_eq(incident->exit.code, 3);
	cr_expect_eq(incident->exit.signal, 0);
	cr_expect_eq(incident->exit_ns, flow_time(200));
	cr_expect_eq(incident->generated_ns, flow_time(1));
	cr_expect_eq(incident->delivered_ns, flow_time(2));
	cr_expect_eq(incident->signal_ns, CROSSED_NS + 1, "it was known before");
	cr_expect_eq(incident->peak_need_bytes, 246 * MIB);
	cr_expect_eq(incident->least_headroom_bytes, (int64_t)(10 * MIB));
	incident_free(incident);
}

/* As after a restart: its numbers are zeros, and zero headroom would be a danger. */
Test(incident_flow, an_account_that_has_seen_no_trip_says_nothing_of_need)
{
	const struct apo_close end = {
		.rec.type = APO_REC_EXIT, .limit_pages = 1000, .task.tgid = GROWER};
	const struct step trip = TRIPPED;
	struct incident *incident = sent();
	struct flow flow = {.page_bytes = FLOW_PAGE, .matches_pids = true};

	step_once(&flow, incident, &trip);
	flow_step(&flow, incident,
		  &(const struct flow_event){.type = FLOW_CLOSE_RECORD, .close = &end},
		  flow_time(5));
	cr_expect_eq(incident->least_headroom_bytes, (int64_t)(20 * MIB));
	incident_free(incident);
}

Test(incident_flow, the_first_process_that_was_signalled_is_the_target)
{
	const struct step trip = TRIPPED;
	const struct step answers[] = {
		AT(1, FLOW_SIGNAL_ANSWER, 0, .pid = GROWER, .action = APO_ACT_FAILED, .more = true),
		AT(2, FLOW_SIGNAL_ANSWER, 0, .pid = LEADER, .action = APO_ACT_SENT_RESPONDER,
		   .more = true),
		AT(3, FLOW_SIGNAL_ANSWER, 0, .pid = OTHER, .action = APO_ACT_SENT_RESPONDER),
	};
	struct incident *incident = sent();
	struct flow flow = {.page_bytes = FLOW_PAGE, .matches_pids = true};

	incident->action = APO_ACT_DELEGATED;
	step_once(&flow, incident, &trip);
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
		step_once(&flow, incident, &answers[i]);
	cr_expect_eq(incident->target.pid, LEADER);
	cr_expect_eq(incident->signal_ns, flow_time(2));
	cr_expect_eq(incident->targets_signalled, 2);
	cr_expect_eq(incident->action, APO_ACT_SENT_RESPONDER);
	incident_free(incident);
}

/* More records than there is room for: those beyond it count at once. */
Test(incident_flow, records_that_wait_are_bounded)
{
	const struct step trip = TRIPPED;
	const struct step other = AT(1, FLOW_CLOSE_RECORD, 0, .pid = OTHER, .type = APO_REC_EXIT);
	const struct step end = EXITED(2, 0);
	struct incident *incident = sent();
	struct flow flow = {.page_bytes = FLOW_PAGE, .matches_pids = true};

	incident->action = APO_ACT_DELEGATED;
	step_once(&flow, incident, &trip);
	for (size_t i = 0; i < FLOW_LATE_MAX; i++)
		cr_expect_eq(flow_take(&flow, incident, false, &other), 0);
	cr_expect_eq(flow_take(&flow, incident, false, &other), 0);
	cr_expect_eq(flow_take(&flow, incident, false, &end), FLOW_READ_CLOSING);
	incident_free(incident);
}
