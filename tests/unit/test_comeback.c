/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/comeback.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "output/comeback.h"

#define TARGET 70
#define END_NS (1000 * NSEC_PER_MSEC)

enum {
	NO_ANSWER = 'x',
	UP = 'u',
	UP_AS_BEFORE = 'b',
	OTHERS_UP = 'o',
	STARTING = 's',
	STOPPING = 'S',
	DOWN = 'd',
	GONE = 'g',
	STOPPED = 't',
	STOPPED_BEFORE = 'T'
};

static struct unit_state state_of(char what)
{
	struct unit_state state = {
		.is_loaded = what != GONE, .restart = "on-failure", .result = "success"};

	switch (what) {
	case UP:
		state.activity = UNIT_UP;
		state.main_pid = 80;
		state.up_ns = END_NS + 120 * NSEC_PER_MSEC;
		break;
	case UP_AS_BEFORE: /* as long as its manager has not noticed */
		state.activity = UNIT_UP;
		state.main_pid = TARGET;
		state.up_ns = 1;
		break;
	case OTHERS_UP:
		state.activity = UNIT_UP;
		state.main_pid = 60;
		state.up_ns = 1;
		break;
	case STARTING:
		state.activity = UNIT_STARTING;
		break;
	case STOPPING:
		state.activity = UNIT_STOPPING;
		break;
	case STOPPED: /* before its main process had ended */
		state.activity = UNIT_DOWN;
		state.left_ns = END_NS + 1;
		state.main_end_ns = END_NS + 2;
		break;
	case STOPPED_BEFORE: /* before the target had; of a main process nothing is known */
		state.activity = UNIT_DOWN;
		state.left_ns = END_NS - 1;
		break;
	default: /* as when it has ended by itself */
		state.activity = UNIT_DOWN;
		state.left_ns = END_NS + 2;
		state.main_end_ns = END_NS + 1;
	}
	return state;
}

struct course {
	const char *answers; /* of the manager, in turn */
	bool restarts;
	enum comeback_outcome outcome;
	bool is_asked;
};

/* Each but the last leads to another question. */
static void expect(const struct course *course)
{
	struct comeback_watch watch = {
		.target = TARGET, .end_ns = END_NS, .restarts = course->restarts};
	bool asked = false;

	for (const char *at = course->answers; *at; at++) {
		struct unit_state state = state_of(*at);
		bool is_last = !at[1];
		enum comeback_step step =
			comeback_step(&watch, *at == NO_ANSWER ? NULL : &state, is_last);

		cr_expect_eq(step == COMEBACK_OVER, is_last, "%s at %s", course->answers, at);
		asked |= step == COMEBACK_START;
	}
	cr_expect_eq(watch.comeback.outcome, course->outcome, "%s: %s", course->answers,
		     comeback_name(watch.comeback.outcome));
	cr_expect_eq(watch.comeback.is_asked, course->is_asked, "%s", course->answers);
	cr_expect_eq(asked, course->is_asked, "%s", course->answers);
	if (course->outcome == COMEBACK_RESTARTED)
		cr_expect_eq(watch.comeback.took_ns, 120 * NSEC_PER_MSEC);
}

Test(comeback, a_service_is_followed_until_its_outcome_is_known)
{
	static const struct course courses[] = {
		{"u", false, COMEBACK_RESTARTED, false},
		{"bSsu", false, COMEBACK_RESTARTED, false},
		{"o", true, COMEBACK_RUNS_ON, false},
		{"xo", false, COMEBACK_RUNS_ON, false},
		{"bbb", false, COMEBACK_UNKNOWN, false},
		{"bSdd", false, COMEBACK_DOWN, false},
		{"dsu", false, COMEBACK_RESTARTED, false}, /* down for a moment */
		{"dsdsu", true, COMEBACK_RESTARTED, false},
		{"Sss", false, COMEBACK_PENDING, false},
		{"S", true, COMEBACK_PENDING, false},
		{"xxx", true, COMEBACK_UNKNOWN, false},
		{"SddsSsu", true, COMEBACK_RESTARTED, true},
		{"dddd", true, COMEBACK_DOWN, true},  /* its start is refused */
		{"ddsdd", true, COMEBACK_DOWN, true}, /* once is enough */
		{"gg", true, COMEBACK_DOWN, false},   /* transient: there is nothing to start */
		{"d", true, COMEBACK_DOWN, false},    /* too late to ask for anything */
	};

	for (size_t i = 0; i < ARRAY_SIZE(courses); i++)
		expect(&courses[i]);
}

/* By us: it would have been stopped by a signal otherwise. */
Test(comeback, a_unit_that_we_had_stopped_is_down_and_not_stopped)
{
	struct comeback_watch watch = {.target = TARGET, .end_ns = END_NS, .was_asked = true};
	struct unit_state state = state_of(STOPPED);

	cr_expect_eq(comeback_step(&watch, &state, false), COMEBACK_ASK_AGAIN);
	cr_expect_eq(comeback_step(&watch, &state, false), COMEBACK_OVER);
	cr_expect_eq(watch.comeback.outcome, COMEBACK_DOWN);
}

/* --- what is said -------------------------------------------------------------------------- */

static void expect_line(const struct comeback *comeback, const char *line)
{
	const struct comeback_event event = {.id = 1, .realtime_ns = 1, .comeback = comeback};
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	cr_assert_not_null(file);
	cr_expect_eq(comeback_line(file, &event, false), 0);
	fclose(file);
	cr_expect_str_eq(strchr(text, ' '), line);
}

Test(comeback, the_line_says_what_became_of_it)
{
	struct comeback comeback = {.unit = "a\nb.service", .outcome = COMEBACK_RUNS_ON};

	expect_line(&comeback, " runs on  a\\nb.service: was up all the time\n");
	comeback = (struct comeback){.unit = "web.service", .outcome = COMEBACK_STOPPED};
	expect_line(&comeback,
		    " stopped  web.service: was stopped through its manager, and stays so\n");
	comeback = (struct comeback){.unit = "web.service",
				     .outcome = COMEBACK_RESTARTED,
				     .took_ns = 120 * NSEC_PER_MSEC};
	expect_line(&comeback, " up       web.service: up again after 120 ms, by its manager\n");
	comeback.is_asked = true;
	expect_line(&comeback, " up       web.service: up again after 120 ms, by --then restart\n");
	comeback = (struct comeback){
		.unit = "web.service", .outcome = COMEBACK_DOWN, .restart = "on-failure"};
	expect_line(&comeback,
		    " down     web.service: is down, as its Restart=on-failure does not bring it "
		    "back; --then restart has it started, so does Restart=always\n");
	comeback.is_asked = true;
	memcpy(comeback.result, "start-limit-hit", sizeof("start-limit-hit"));
	expect_line(&comeback, " down     web.service: was to be started, and is down all the same "
			       "(start-limit-hit)\n");
}

Test(comeback, the_event_is_exactly_this)
{
	const struct comeback comeback = {.unit = "web.service",
					  .outcome = COMEBACK_RESTARTED,
					  .took_ns = 1500 * NSEC_PER_USEC,
					  .restart = "always"};
	const struct comeback_event event = {
		.id = 0xab, .realtime_ns = NSEC_PER_SEC, .comeback = &comeback};
	json_t *document = comeback_event_json(&event);
	_cleanup_free_ char *text = json_dumps(document, JSON_COMPACT);

	cr_expect_str_eq(
		text, "{\"event\":\"after\",\"schema\":1,\"time\":\"1970-01-01T00:00:01.000000Z\","
		      "\"id\":\"00000000000000ab\",\"after\":{\"unit\":\"web.service\","
		      "\"outcome\":\"restarted\",\"by\":\"manager\",\"up_after_ms\":1.5,"
		      "\"restart\":\"always\",\"result\":null}}");
	json_decref(document);
}
