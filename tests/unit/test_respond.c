/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "unit/respond_world.h"

TestSuite(respond, .init = world_make, .fini = world_end);

static struct apo_request with_airbag(void)
{
	struct apo_request both = world_request(PLAIN);

	both.rec.policy = LENDS;
	both.flags |= APO_REQUEST_AIRBAG;
	return both;
}

static struct apo_request bare(uint32_t type, uint32_t policy, uint64_t limit_cgroup)
{
	struct apo_request bare = {
		.rec = {.type = type,
			.size = sizeof(struct apo_request),
			.policy = policy,
			.generation = GENERATION},
		.limit_cgroup = limit_cgroup,
		.process_policy = policy,
	};

	return bare;
}

#define RAISED "raise 70 by policy of 50% grace 3s rate 40960\ntell airbag 0 last\n"

/* --- order --------------------------------------------------------------------------------- */

Test(respond, the_limit_is_raised_before_the_signal_by_the_policy_of_each)
{
	struct apo_request both = with_airbag();

	/* The size is of the limit's policy, the grace of the process's. */
	world_expect("", &both, RAISED GROWER_GETS_IT);
	cr_expect_eq(world.results[0].airbag.outcome, INCIDENT_AIRBAG_RAISED);
	cr_expect_eq(world.results[0].airbag.raised_bytes, 150);
	cr_expect_eq(world.results[0].trip_id, TRIP);
	cr_expect_eq(world.results[0].time_ns, NOW);
	cr_expect_eq(world.results[1].trip_id, TRIP);
	cr_expect_eq(world.results[1].time_ns, NOW);
	cr_expect_eq(world.results[1].signal, SIGTERM);
	cr_expect_eq(world.results[1].disposition, APO_DISP_HANDLED);
}

Test(respond, an_airbag_that_is_refused_keeps_no_signal_back)
{
	struct apo_request both = with_airbag();

	world.airbag = (struct airbag_result){.outcome = INCIDENT_AIRBAG_REFUSED, .error = -ENOMEM};
	world_expect("", &both, RAISED GROWER_GETS_IT);
	cr_expect_eq(world.results[0].airbag.error, -ENOMEM);
}

Test(respond, an_airbag_alone_signals_nobody)
{
	struct apo_request airbag = with_airbag();

	airbag.flags = APO_REQUEST_AIRBAG; /* the kernel side has sent the signal */
	world_expect("", &airbag, RAISED);
}

Test(respond, without_a_trip_there_is_a_loan_and_nobody_hears_of_it)
{
	struct apo_request again = bare(APO_REC_REQUEST, LENDS, LIMIT);

	again.flags = APO_REQUEST_AIRBAG;
	again.rate_pages_s = 3;
	world_expect("", &again, "lend 70 by policy of 50% rate 12288\n");
}

Test(respond, a_rate_beyond_all_numbers_stays_large)
{
	struct apo_request again = bare(APO_REC_REQUEST, LENDS, LIMIT);

	again.flags = APO_REQUEST_AIRBAG;
	again.rate_pages_s = UINT64_MAX / 2;
	world_expect("", &again, "lend 70 by policy of 50% rate 18446744073709551615\n");
}

Test(respond, what_takes_its_time_waits_until_the_signals_are_out)
{
	struct apo_request refreshed = bare(APO_REC_REFRESH, PLAIN, 71);
	struct apo_request prepared = bare(APO_REC_PREPARE, LENDS, 72);
	struct apo_request asked = world_request(PLAIN);

	world_expect("", &prepared, "");
	world_expect("", &refreshed, "");
	world_expect("", &asked, GROWER_GETS_IT);
	world.log[0] = '\0';
	respond_to_rest(&respond);
	cr_expect_str_eq(world.log, "prepare 72\nrefresh 71\n");
	world.log[0] = '\0';
	respond_to_rest(&respond);
	cr_expect_str_eq(world.log, "", "it is done once");
}

Test(respond, what_is_put_off_beyond_the_maximum_is_left_out)
{
	char expected[RESPOND_PUT_OFF_MAX * sizeof("refresh 1000\n")] = "";

	for (unsigned int i = 0; i < RESPOND_PUT_OFF_MAX + 2; i++) {
		struct apo_request refreshed = bare(APO_REC_REFRESH, PLAIN, 1000 + i);

		world_expect("", &refreshed, "");
		if (i < RESPOND_PUT_OFF_MAX)
			sprintf(expected + strlen(expected), "refresh %u\n", 1000 + i);
	}
	respond_to_rest(&respond);
	cr_expect_str_eq(world.log, expected);
}

/* --- who is signalled, and with what ------------------------------------------------------- */

struct target_case {
	const char *what;
	uint32_t process_policy, rule;
	enum apo_disposition grower, grower_interrupt, leader;
	const char *log;
	uint32_t disposition; /* that is told */
};

#define RESERVE APO_RULE_RESERVE
#define WARN APO_RULE_WARN
#define UNKNOWN APO_DISP_UNKNOWN
#define HANDLED APO_DISP_HANDLED
#define DEFAULT APO_DISP_DEFAULT
#define BLOCKED APO_DISP_BLOCKED
#define IGNORED APO_DISP_IGNORED
#define INIT APO_DISP_INIT

#define GROWER_GETS_SIGINT "hold 100 started 101\nfollow 100\nsend 2 to 100\ntell sent 100 last\n"
#define GROWER_IS_WARNED "hold 100 started 101\nsend 15 to 100\ntell sent 100 last\n"

Test(respond, the_target_is_who_can_make_use_of_the_signal)
{
	static const struct target_case cases[] = {
		{"handled", PLAIN, RESERVE, HANDLED, DEFAULT, HANDLED, GROWER_GETS_IT, HANDLED},
		{"the end", PLAIN, RESERVE, DEFAULT, DEFAULT, HANDLED, GROWER_GETS_IT, DEFAULT},
		{"the end, but SIGINT is handled", PLAIN, RESERVE, DEFAULT, HANDLED, HANDLED,
		 GROWER_GETS_SIGINT, DEFAULT},
		{"the end, as asked for", GIVEN, RESERVE, DEFAULT, HANDLED, HANDLED, GROWER_GETS_IT,
		 DEFAULT},
		{"ignored, though asked for", GIVEN, RESERVE, IGNORED, HANDLED, HANDLED,
		 GROWER_GETS_SIGINT, IGNORED},
		{"blocked", PLAIN, RESERVE, BLOCKED, HANDLED, HANDLED, GROWER_GETS_IT, BLOCKED},
		{"unknown", PLAIN, RESERVE, UNKNOWN, HANDLED, HANDLED, GROWER_GETS_IT, UNKNOWN},
		{"ignored, but SIGINT is handled", PLAIN, RESERVE, IGNORED, HANDLED, HANDLED,
		 GROWER_GETS_SIGINT, IGNORED},
		{"init, but SIGINT is handled", PLAIN, RESERVE, INIT, HANDLED, HANDLED,
		 GROWER_GETS_SIGINT, INIT},
		{"ignored: the leader", PLAIN, RESERVE, IGNORED, DEFAULT, HANDLED,
		 GROWER_IS_HELD LEADER_IS_SOUGHT LEADER_GETS_IT, HANDLED},
		{"init: the leader", PLAIN, RESERVE, INIT, BLOCKED, HANDLED,
		 GROWER_IS_HELD LEADER_IS_SOUGHT LEADER_GETS_IT, HANDLED},
		{"handled, and nobody else", ONLY, RESERVE, HANDLED, DEFAULT, HANDLED,
		 GROWER_GETS_IT, HANDLED},
		{"ignored, and nobody else", ONLY, RESERVE, IGNORED, DEFAULT, HANDLED,
		 GROWER_IS_HELD NOBODY, IGNORED},
		{"neither can", PLAIN, RESERVE, INIT, IGNORED, IGNORED,
		 GROWER_IS_HELD LEADER_IS_HELD NOBODY, IGNORED},
		{"the leader is asked for", TO_LEADER, RESERVE, HANDLED, HANDLED, DEFAULT,
		 LEADER_IS_SOUGHT LEADER_GETS_IT, DEFAULT},
		{"a warning: handled", PLAIN, WARN, HANDLED, DEFAULT, HANDLED, GROWER_IS_WARNED,
		 HANDLED},
		{"a warning: waited for", PLAIN, WARN, BLOCKED, DEFAULT, HANDLED, GROWER_IS_WARNED,
		 BLOCKED},
		{"a warning: the end", PLAIN, WARN, DEFAULT, HANDLED, HANDLED,
		 GROWER_IS_HELD NOBODY, DEFAULT},
		{"a warning: ignored", PLAIN, WARN, IGNORED, HANDLED, HANDLED,
		 GROWER_IS_HELD NOBODY, IGNORED},
		{"a warning: unknown", PLAIN, WARN, UNKNOWN, HANDLED, HANDLED,
		 GROWER_IS_HELD NOBODY, UNKNOWN},
		{"a warning: the end of the leader", TO_LEADER, WARN, HANDLED, HANDLED, DEFAULT,
		 LEADER_IS_HELD NOBODY, DEFAULT},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct target_case *c = &cases[i];
		struct apo_request asked = world_request(c->process_policy);

		asked.rule = c->rule;
		world_process(GROWER)->disposition = c->grower;
		world_process(GROWER)->interrupt = c->grower_interrupt;
		world_process(LEADER)->disposition = c->leader;
		world_expect(c->what, &asked, c->log);
		cr_expect_eq(world.result_count, 1, "%s", c->what);
		cr_expect_eq(world.results[0].disposition, c->disposition, "%s", c->what);
		cr_expect_eq(world.results[0].error, 0, "%s", c->what);
	}
}

/* As on kernels before 5.16, where user space cannot see who is in sigwait(). */
Test(respond, what_the_kernel_side_saw_of_a_thread_in_sigwait_counts)
{
	struct apo_request asked = world_request(PLAIN);

	asked.grower.disposition = APO_DISP_BLOCKED;
	world_process(GROWER)->disposition = APO_DISP_DEFAULT;
	world_process(GROWER)->interrupt = APO_DISP_HANDLED;
	world_expect("the grower", &asked, GROWER_GETS_IT);
	cr_expect_eq(world.results[0].disposition, APO_DISP_BLOCKED);

	asked.process_policy = TO_LEADER;
	world_process(LEADER)->disposition = APO_DISP_DEFAULT;
	world_expect("of the grower only", &asked, LEADER_IS_SOUGHT LEADER_GETS_IT);
	cr_expect_eq(world.results[0].disposition, APO_DISP_DEFAULT);
}

Test(respond, without_a_leader_nobody_is_signalled)
{
	struct apo_request asked = world_request(TO_LEADER);

	world.leader = 0;
	world_expect("", &asked, LEADER_IS_SOUGHT NOBODY);
	cr_expect_eq(world.results[0].error, -ESRCH);
}

#define ONE_OF_ALL(pid) HELD(pid, 0) "tell sent " #pid "\n"

Test(respond, a_leader_that_is_away_or_another_by_now_is_left_alone)
{
	struct apo_request asked = world_request(TO_LEADER);

	world_process(LEADER)->is_away = true;
	world_expect("", &asked, LEADER_IS_HELD "tell gone 200 last\n");
	world_process(LEADER)->is_away = false;
	world_process(LEADER)->hold_error = -ESRCH;
	world_expect("", &asked, LEADER_IS_HELD "tell gone 200 last\n");
}

Test(respond, a_grower_that_has_moved_is_the_grower_still)
{
	struct apo_request asked = world_request(PLAIN);

	world_process(GROWER)->is_away = true; /* what it has grown by is charged where it was */
	world_expect("", &asked, GROWER_GETS_IT);
}

Test(respond, of_all_who_has_moved_away_is_left_alone)
{
	struct apo_request asked = world_request(TO_ALL);

	world_process(LEADER)->is_away = true;
	world_expect("", &asked,
		     "each of 70\n" ONE_OF_ALL(
			     100) "hold 200 started 0\ntell gone 200\n" ONE_OF_ALL(300) NOBODY);
}

Test(respond, all_are_signalled_and_one_result_ends_them)
{
	struct apo_request asked = world_request(TO_ALL);

	world_process(LEADER)->disposition = APO_DISP_IGNORED; /* no word of it */
	world_process(OTHER)->send_error = -EPERM;
	world_expect("", &asked,
		     "each of 70\n" ONE_OF_ALL(
			     100) "hold 200 started 0\n" HELD(300, 0) "tell failed 300\n" NOBODY);
	cr_expect_eq(world.results[0].trip_id, TRIP);
	cr_expect_eq(world.results[1].error, -EPERM);
	cr_expect_eq(world.results[2].error, 0);
	cr_expect_eq(world.results[2].trip_id, TRIP);
}

Test(respond, all_may_be_asked_for_whatever_the_policy_says)
{
	struct apo_request asked = world_request(PLAIN);

	asked.flags |= APO_REQUEST_ALL;
	world_expect("", &asked,
		     "each of 70\n" ONE_OF_ALL(100) ONE_OF_ALL(200) ONE_OF_ALL(300) NOBODY);
}

Test(respond, all_of_the_machine_are_those_of_the_growers_cgroup)
{
	struct apo_request asked = world_request(TO_ALL);

	asked.flags |= APO_REQUEST_HOST;
	asked.grower.cgroup_id = 71;
	/* In this world everybody is in 70: who is asked of 71 is not there. */
	world_expect("", &asked,
		     "each of 71\n"
		     "hold 100 started 0\ntell gone 100\n"
		     "hold 200 started 0\ntell gone 200\n"
		     "hold 300 started 0\ntell gone 300\n" NOBODY);
}

Test(respond, of_all_a_warning_is_for_those_who_handle_it)
{
	struct apo_request warn = world_warning(TO_ALL);

	world_process(GROWER)->disposition = APO_DISP_DEFAULT;
	world_process(OTHER)->disposition = APO_DISP_BLOCKED;
	world_expect("", &warn,
		     "each of 70\nhold 100 started 0\n"
		     "hold 200 started 0\nsend 15 to 200\ntell sent 200\n"
		     "hold 300 started 0\nsend 15 to 300\ntell sent 300\n" NOBODY);
}

Test(respond, a_walk_that_fails_is_an_error_only_where_it_found_nobody)
{
	struct apo_request asked = world_request(TO_ALL);

	world.each_error = -ESTALE;
	world_expect("", &asked,
		     "each of 70\n" ONE_OF_ALL(100) ONE_OF_ALL(200) ONE_OF_ALL(300) NOBODY);
	cr_expect_eq(world.results[3].error, 0);
	world.cgroup_empty = true;
	world_expect("", &asked, "each of 70\n" NOBODY);
	cr_expect_eq(world.results[0].error, -ESTALE);
}

/* --- the process that is signalled --------------------------------------------------------- */

Test(respond, who_is_followed_is_followed_with_the_policies_of_the_request)
{
	struct apo_request both = with_airbag();

	world_process(GROWER)->disposition = APO_DISP_IGNORED; /* so that it is the leader */
	respond_to(&respond, &both.rec);
	cr_expect_eq(world.entry.trip_id, TRIP);
	cr_expect_eq(world.entry.policy, LENDS);
	cr_expect_eq(world.entry.process_policy, PLAIN);
	cr_expect_eq(world.entry.generation, GENERATION);
	cr_expect_eq(world.entry.limit_cgroup, LIMIT);
	cr_expect_eq(world.entry.start_boottime_ns, LEADER + 1);
	cr_expect_eq(world.entry.time_ns, NOW);
	cr_expect_eq(world.entry.signal, SIGTERM);
	cr_expect_eq(world.entry.generate_result, -1);
	cr_expect_eq(world.entry.generated_ns, 0);
	cr_expect_eq(world.results[1].start_boottime_ns, LEADER + 1);
}

/* What a signal is followed with says nothing of a brake: that is the policy's alone. */
Test(respond, a_brake_is_set_by_the_policy_of_the_limit_and_no_other)
{
	struct apo_request wanted = bare(APO_REC_BRAKE, LENDS, LIMIT);
	struct apo_request no_airbag = bare(APO_REC_BRAKE, PLAIN, LIMIT);
	struct apo_request dry_run = bare(APO_REC_BRAKE, DRY, LIMIT);
	struct apo_request outdated = wanted;

	outdated.rec.generation = GENERATION - 1;
	world_expect("", &wanted, "brake 70\n");
	world_expect("", &no_airbag, "");
	world_expect("", &dry_run, "");
	world_expect("", &outdated, "");
}

struct error_case {
	const char *what;
	int hold_error, follow_error, send_error;
	const char *log;
	int error;
};

Test(respond, an_error_is_told_and_stops_only_what_rests_on_it)
{
	static const struct error_case cases[] = {
		{"gone before it is held", -ESRCH, 0, 0,
		 "hold 100 started 101\ntell gone 100 last\n", -ESRCH},
		{"never to be signalled", -EPERM, 0, 0,
		 "hold 100 started 101\ntell failed 100 last\n", -EPERM},
		{"gone before it is signalled", 0, 0, -ESRCH, HELD(100, 101) "tell gone 100 last\n",
		 -ESRCH},
		{"may not be signalled", 0, 0, -EPERM, HELD(100, 101) "tell failed 100 last\n",
		 -EPERM},
		{"cannot be followed", 0, -E2BIG, 0, GROWER_GETS_IT, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct error_case *c = &cases[i];
		struct apo_request asked = world_request(PLAIN);

		world_process(GROWER)->hold_error = c->hold_error;
		world_process(GROWER)->send_error = c->send_error;
		world.follow_error = c->follow_error;
		world_expect(c->what, &asked, c->log);
		cr_expect_eq(world.results[0].error, c->error, "%s", c->what);
	}
}

struct cooldown_case {
	const char *what;
	uint32_t process_policy;
	uint64_t trip_id, ago_ns, started_ns;
	bool left_alone;
};

Test(respond, who_was_signalled_is_left_alone_for_the_cooldown_of_its_policy)
{
	static const struct cooldown_case cases[] = {
		{"another trip, a moment ago", PLAIN, TRIP - 1, 0, 101, true},
		{"of a start that was not known", PLAIN, TRIP - 1, 0, 0, true},
		{"another process of that pid", PLAIN, TRIP - 1, 0, NSEC_PER_SEC, false},
		{"just before the end", PLAIN, TRIP - 1, COOLDOWN - 1, 101, true},
		{"at its end", PLAIN, TRIP - 1, COOLDOWN, 101, false},
		{"this trip", PLAIN, TRIP, 0, 101, false},
		{"of a policy without", LENDS, TRIP - 1, 0, 101, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct cooldown_case *c = &cases[i];
		struct apo_request asked = world_request(c->process_policy);

		world_process(GROWER)->followed = (struct apo_signalled){
			.trip_id = c->trip_id,
			.time_ns = NOW - c->ago_ns,
			.start_boottime_ns = c->started_ns,
		};
		/* Its leader is not signalled in its place. */
		world_expect(c->what, &asked,
			     c->left_alone ? GROWER_IS_HELD NOBODY : GROWER_GETS_IT);
	}
}

Test(respond, a_leader_in_its_cooldown_is_left_alone)
{
	struct apo_request asked = world_request(TO_LEADER);

	world_process(LEADER)->followed =
		(struct apo_signalled){.trip_id = TRIP - 1, .time_ns = NOW - COOLDOWN};
	world_expect("", &asked, LEADER_IS_HELD NOBODY);
}

/* --- what cannot be known ------------------------------------------------------------------ */

Test(respond, of_an_older_generation_the_limit_stays_and_the_grower_is_signalled)
{
	struct apo_request both = with_airbag();

	both.process_policy = TO_ALL;
	both.rec.generation = GENERATION - 1;
	world_process(GROWER)->followed =
		(struct apo_signalled){.trip_id = TRIP - 1, .time_ns = NOW}; /* no cooldown known */
	world_expect("", &both, "tell airbag 0 last\n" GROWER_GETS_IT);
	cr_expect_eq(world.results[0].airbag.outcome, INCIDENT_AIRBAG_NONE);
	cr_expect_eq(world.entry.generation, GENERATION - 1);
}

Test(respond, a_process_that_no_guard_covers_has_no_grace)
{
	struct apo_request airbag = with_airbag();

	airbag.flags = APO_REQUEST_AIRBAG;
	airbag.process_policy = APO_POLICY_NONE;
	world_expect("", &airbag,
		     "raise 70 by policy of 50% grace 0s rate 40960\ntell airbag 0 last\n");
}

Test(respond, in_another_pid_namespace_nobody_is_followed_or_known_to_be)
{
	struct apo_request asked = world_request(PLAIN);

	respond.initial_pid_ns = false; /* the grower is OTHER there */
	world_process(OTHER)->followed =
		(struct apo_signalled){.trip_id = TRIP - 1, .time_ns = NOW};
	world_expect("", &asked, "hold 300 started 101\nsend 15 to 300\ntell sent 300 last\n");
}

Test(respond, records_of_other_kinds_and_short_ones_are_left_alone)
{
	struct apo_request asked = world_request(PLAIN);

	asked.rec.type = APO_REC_TRIP;
	world_expect("", &asked, "");
	asked.rec.type = APO_REC_REQUEST;
	asked.rec.size--;
	world_expect("", &asked, "");
	respond_to_rest(&respond);
	cr_expect_str_eq(world.log, "");
}

/* --- the grace ----------------------------------------------------------------------------- */

static struct apo_request with_grace(uint32_t process_policy, uint32_t flags)
{
	struct apo_request trip = world_request(process_policy);

	trip.flags = flags | APO_REQUEST_GRACE;
	trip.swap_pages = 3;
	trip.reserve_pages = 2;
	return trip;
}

Test(respond, a_grower_that_the_kernel_side_signalled_has_the_grace_of_its_policy)
{
	struct apo_request trip = with_grace(PLAIN, 0);

	world_expect("", &trip, GROWER_IS_HELD "grant 100 3s\n");
	cr_expect_eq(world.grace.trip_id, TRIP);
	cr_expect_eq(world.grace.limit_cgroup, LIMIT);
	cr_expect_eq(world.grace.swap_bytes, 3 * PAGE);
	cr_expect_eq(world.grace.ample_bytes, 2 * PAGE);
	cr_expect_eq(world.grace.process.start_boottime_ns, GROWER + 1);
	cr_expect(!world.grace.is_host);
	trip.flags |= APO_REQUEST_HOST;
	world_expect("of the machine", &trip, GROWER_IS_HELD "grant 100 3s\n");
	cr_expect(world.grace.is_host);
}

Test(respond, so_has_whoever_was_signalled_in_its_place)
{
	struct apo_request trip = with_grace(LENDS, APO_REQUEST_SIGNAL);

	world_process(GROWER)->disposition = APO_DISP_IGNORED;
	world_expect("", &trip,
		     GROWER_IS_HELD LEADER_IS_SOUGHT LEADER_GETS_IT HELD_AGAIN "grant 200 7s\n");
	cr_expect_eq(world.grace.process.start_boottime_ns, LEADER + 1);
}

Test(respond, where_no_grace_is_asked_for_a_loan_brings_one_that_ends_only_what_needs_it)
{
	struct apo_request trip = with_grace(TO_ALL, APO_REQUEST_AIRBAG);

	trip.rec.policy = LENDS;
	world_expect(
		"", &trip,
		"raise 70 by policy of 50% grace 0s rate 40960\ntell airbag 0 last\n" GROWER_IS_HELD
		"grant 100 10s\n");
	cr_expect_eq(world.grace.ample_bytes, 0);
	world.airbag.outcome = INCIDENT_AIRBAG_REFUSED;
	world_expect("refused", &trip,
		     "raise 70 by policy of 50% grace 0s rate 40960\ntell airbag 0 last\n");
}

Test(respond, nobody_who_has_ended_has_a_grace_nor_who_is_of_no_policy_in_force)
{
	struct apo_request trip = with_grace(PLAIN, 0);

	world_process(GROWER)->hold_error = -ESRCH;
	world_expect("", &trip, GROWER_IS_HELD);
	trip.rec.generation--;
	world_expect("an older generation", &trip, "");
}
