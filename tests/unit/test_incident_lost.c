/* SPDX-License-Identifier: BSD-2-Clause */
/* Incidents whose beginning is not known: records that overtake the trip, trips lost or taken over. */
#include <criterion/criterion.h>
#include <signal.h>

#include "unit/flow_course.h"

static const struct course courses[] = {
	/* The record of the trip is late, or lost. */
	{
		.claim = "records that overtake the trip wait for it",
		.steps = {AT(5, FLOW_ORPHAN, FLOW_SET_TIMER, .deadline_ms = 1005),
			  AT(5, FLOW_CLOSE_RECORD, 0, .pid = GROWER, .type = APO_REC_DELIVERED),
			  LATE_EXIT(5, 0), AT(6, FLOW_TRIP, FLOW_REPORT | FLOW_READ_CLOSING),
			  READ(6, 90, JUDGED)},
		.verdict = VERDICT_SAVED,
		.action = APO_ACT_SENT,
	},
	{
		.claim = "the trip that was waited for has answers to come",
		.steps = {AT(5, FLOW_ORPHAN, FLOW_SET_TIMER, .deadline_ms = 1005), LATE_EXIT(5, 0),
			  AT(6, FLOW_TRIP, OPENED, .deadline_ms = 10000),
			  AT(7, FLOW_AIRBAG_ANSWER, FLOW_READ_CLOSING,
			     .airbag = INCIDENT_AIRBAG_RAISED),
			  READ(7, 90, JUDGED | FLOW_RELEASE)},
		.verdict = VERDICT_SAVED,
		.action = APO_ACT_SENT,
		.lends = true,
	},
	{
		.claim = "an OOM record before the trip counts",
		.steps = {AT(5, FLOW_ORPHAN, FLOW_SET_TIMER, .deadline_ms = 1005),
			  AT(5, FLOW_OOM_RECORD, FLOW_SAVE, .pid = GROWER),
			  AT(6, FLOW_TRIP, OPENED, .deadline_ms = 10000), EXITED(7, SIGKILL),
			  READ(7, 90, JUDGED)},
		.verdict = VERDICT_TOO_LATE,
		.action = APO_ACT_SENT,
	},
	{
		.claim = "an exit whose trip was lost: the handler ran, so it is a save",
		.steps = {AT(200, FLOW_ORPHAN, FLOW_SET_TIMER, .deadline_ms = 1200),
			  LATE_EXIT(200, 0), AT(210, FLOW_GONE, 0),
			  AT(1200, FLOW_TIME, FLOW_REPORT | FLOW_READ_CLOSING),
			  READ(1200, 90, JUDGED)},
		.verdict = VERDICT_SAVED,
		.missing = INCIDENT_MISSING_TRIP,
	},
	{
		.claim = "an OOM kill whose trip was lost is too late",
		.steps = {AT(200, FLOW_ORPHAN, FLOW_SET_TIMER, .deadline_ms = 1200),
			  AT(200, FLOW_OOM_RECORD, FLOW_SAVE, .pid = GROWER),
			  LATE_EXIT(201, SIGKILL, .oom_victim = true),
			  AT(1200, FLOW_TIME, FLOW_REPORT | FLOW_READ_CLOSING),
			  READ(1200, 90, JUDGED)},
		.verdict = VERDICT_TOO_LATE,
		.missing = INCIDENT_MISSING_TRIP,
	},
	{
		.claim = "of an OOM kill whose trip was lost the exit may be lost too",
		.steps = {AT(200, FLOW_ORPHAN, FLOW_SET_TIMER, .deadline_ms = 1200),
			  AT(200, FLOW_OOM_RECORD, FLOW_SAVE, .pid = GROWER), AT(201, FLOW_GONE, 0),
			  AT(1200, FLOW_TIME, FLOW_REPORT | FLOW_READ_CLOSING),
			  READ(1200, 90, JUDGED)},
		.verdict = VERDICT_TOO_LATE,
		.missing = INCIDENT_MISSING_TRIP | INCIDENT_MISSING_END,
	},
	{
		.claim = "a handler whose trip was lost has the rest of its time, and no second "
			 "record",
		.steps = {AT(200, FLOW_ORPHAN, FLOW_SET_TIMER, .deadline_ms = 1200),
			  AT(200, FLOW_CLOSE_RECORD, 0, .pid = GROWER, .type = APO_REC_DELIVERED),
			  AT(1200, FLOW_TIME, OPENED, .deadline_ms = 10000), AT(1300, FLOW_TRIP, 0),
			  EXITED(1400, 0), READ(1400, 90, JUDGED)},
		.verdict = VERDICT_SAVED,
		.missing = INCIDENT_MISSING_TRIP,
	},
	{
		.claim = "a grace that is over when the trip is given up ends with SIGKILL",
		.steps = {AT(200, FLOW_ORPHAN, FLOW_SET_TIMER, .deadline_ms = 1200),
			  AT(200, FLOW_CLOSE_RECORD, 0, .pid = GROWER, .type = APO_REC_DELIVERED),
			  AT(1200, FLOW_TIME, OPENED, .deadline_ms = 1300),
			  AT(1300, FLOW_TIME, FLOW_END_GRACE | FLOW_SET_TIMER, .deadline_ms = 2300),
			  AT(1300, FLOW_GRACE_ANSWER, FLOW_SAVE | FLOW_SET_TIMER,
			     .end = FLOW_GRACE_KILLED, .deadline_ms = 2300),
			  EXITED(1301, SIGKILL), READ(1301, 90, JUDGED)},
		.verdict = VERDICT_IGNORED,
		.missing = INCIDENT_MISSING_TRIP,
		.grace_ms = 300,
	},
	{
		.claim = "an exit whose trip was lost and whose signal nobody saw is no save",
		.steps = {AT(200, FLOW_ORPHAN, FLOW_SET_TIMER, .deadline_ms = 1200),
			  LATE_EXIT(200, 0, .unsignalled = true, .unread = true),
			  AT(1200, FLOW_TIME, FLOW_REPORT | FLOW_READ_CLOSING),
			  READ(1200, 90, JUDGED)},
		.verdict = VERDICT_NEEDLESS,
		.missing = INCIDENT_MISSING_TRIP,
	},
	{
		.claim = "a dry run whose trip was lost is one",
		.steps = {AT(200, FLOW_ORPHAN, FLOW_SET_TIMER, .deadline_ms = 1200),
			  LATE_EXIT(200, 0, .unsignalled = true, .unread = true),
			  AT(1200, FLOW_TIME, FLOW_REPORT | FLOW_READ_CLOSING),
			  READ(1200, 90, JUDGED)},
		.verdict = VERDICT_DRY_RUN,
		.missing = INCIDENT_MISSING_TRIP,
		.action = APO_ACT_DRY_RUN,
	},
	{
		.claim = "a stop does not wait for the trip",
		.steps = {AT(200, FLOW_ORPHAN, FLOW_SET_TIMER, .deadline_ms = 1200),
			  LATE_EXIT(200, 0), AT(201, FLOW_STOP, FLOW_REPORT | FLOW_READ_CLOSING),
			  READ(201, 90, JUDGED)},
		.verdict = VERDICT_SAVED,
		.missing = INCIDENT_MISSING_TRIP,
	},

	/* What an earlier instance has left. */
	{
		.claim = "a trip that is taken over goes on with the rest of its grace",
		.steps = {AT(1000, FLOW_TAKEN_OVER, FLOW_SAVE | FLOW_SET_TIMER,
			     .deadline_ms = 1000),
			  AT(1001, FLOW_TIME, OPENED, .deadline_ms = 6000), EXITED(2000, 0),
			  READ(2000, 90, JUDGED)},
		.verdict = VERDICT_SAVED,
		.missing = INCIDENT_MISSING_RESTART,
		.action = APO_ACT_SENT,
		.grace_ms = 5000,
	},
	{
		.claim = "a grace that ends as its trip is taken over is waited for",
		.steps = {AT(1000, FLOW_TAKEN_OVER, FLOW_SAVE | FLOW_SET_TIMER,
			     .deadline_ms = 1000),
			  AT(1001, FLOW_GONE, 0), AT(1001, FLOW_TIME, OPENED, .deadline_ms = 2001),
			  AT(1002, FLOW_GRACE_ANSWER, FLOW_SAVE, .end = FLOW_GRACE_KILLED),
			  AT(2001, FLOW_TIME, FLOW_READ_CLOSING), READ(2001, 90, JUDGED)},
		.verdict = VERDICT_IGNORED,
		.missing = INCIDENT_MISSING_RESTART | INCIDENT_MISSING_END,
		.action = APO_ACT_SENT,
		.grace_ms = 500,
	},
	{
		.claim = "a trip that is taken over after its process is judged",
		.steps = {AT(1000, FLOW_TAKEN_OVER, FLOW_SAVE | FLOW_SET_TIMER, .deadline_ms = 1000,
			     .is_gone = true),
			  AT(1001, FLOW_TIME, FLOW_REPORT | FLOW_READ_CLOSING),
			  READ(1001, 90, JUDGED)},
		.verdict = VERDICT_SAVED,
		.missing = INCIDENT_MISSING_RESTART | INCIDENT_MISSING_END,
		.action = APO_ACT_SENT,
		.grace_ms = 5000,
	},
	{
		.claim = "an exit between taking over and the loop counts",
		.steps = {AT(1000, FLOW_TAKEN_OVER, FLOW_SAVE | FLOW_SET_TIMER,
			     .deadline_ms = 1000),
			  LATE_EXIT(1000, 0), AT(1001, FLOW_TIME, FLOW_REPORT | FLOW_READ_CLOSING),
			  READ(1001, 90, JUDGED)},
		.verdict = VERDICT_SAVED,
		.missing = INCIDENT_MISSING_RESTART,
		.action = APO_ACT_SENT,
	},
};

Test(incident_lost, courses)
{
	for (size_t i = 0; i < ARRAY_SIZE(courses); i++)
		flow_follow(&courses[i]);
}

Test(incident_lost, of_a_lost_trip_the_signal_is_known_by_its_traces)
{
	const struct course course = {
		.steps = {AT(5, FLOW_ORPHAN, 0),
			  AT(5, FLOW_OOM_RECORD, 0, .pid = GROWER, .unread = true),
			  AT(2000, FLOW_TIME, 0)},
	};
	struct incident *incident = flow_incident(&course);
	struct flow flow = {.page_bytes = FLOW_PAGE, .matches_pids = true};

	for (size_t i = 0; i < 3; i++)
		flow_take(&flow, incident, false, &course.steps[i]);
	cr_expect_eq(incident->action, APO_ACT_SENT);
	cr_expect_eq(incident->targets_signalled, 1);
	cr_expect_eq(incident->signal_ns, flow_time(1));
	cr_expect_eq(incident->delivered_ns, 0);
	incident_free(incident);
}

Test(incident_lost, trips_that_are_over_do_not_come_up_again)
{
	static struct closed_trips closed;

	cr_expect_not(closed_trips_has(&closed, 100));
	closed_trips_add(&closed, 100);
	cr_expect(closed_trips_has(&closed, 100));
	cr_expect_not(closed_trips_has(&closed, 99));
	cr_expect_not(closed_trips_has(&closed, 101));
	for (uint64_t id = 1000; id < 1000 + CLOSED_MAX; id++)
		closed_trips_add(&closed, id);
	cr_expect(closed_trips_has(&closed, 100), "it is no longer among them, but before them");
	cr_expect(closed_trips_has(&closed, 99));
	cr_expect_not(closed_trips_has(&closed, 999));
	cr_expect(closed_trips_has(&closed, 1000));
	cr_expect_not(closed_trips_has(&closed, 1000 + CLOSED_MAX));
}
