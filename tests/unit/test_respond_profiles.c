/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "unit/respond_world.h"

TestSuite(respond_profiles, .init = world_make, .fini = world_end);

#define GETS(signal, pid, started) \
	"hold " #pid " started " #started "\nfollow " #pid "\nsend " #signal " to " #pid "\n"

static void is_of(pid_t pid, const char *comm, pid_t parent)
{
	world_process(pid)->comm = comm;
	world_process(pid)->parent = parent;
}

Test(respond_profiles, a_profile_chooses_the_signal)
{
	struct apo_request asked = world_request(PLAIN), given = world_request(GIVEN);

	is_of(GROWER, "quits", 1);
	world_expect("", &asked, GETS(1, 100, 101) "tell sent 100 last\n");
	cr_assert_not_null(world.results[0].profile);
	cr_expect_str_eq(world.results[0].profile->name, "quits");
	world_expect("", &given, GROWER_GETS_IT);
	cr_expect_null(world.results[0].profile);
	world_process(GROWER)->disposition = APO_DISP_DEFAULT;
	world_expect("", &asked, GROWER_GETS_IT);
	cr_expect_null(world.results[0].profile, "it does not take what its profile says");
}

Test(respond_profiles, the_command_line_is_the_growers)
{
	struct apo_request asked = world_request(PLAIN), of_leader = world_request(TO_LEADER);
	static const char words[] = "quits\0told\0";

	is_of(GROWER, "quits", 1);
	is_of(LEADER, "quits", 1);
	memcpy(asked.args, words, sizeof(words));
	asked.args_len = sizeof(words);
	memcpy(of_leader.args, words, sizeof(words));
	of_leader.args_len = sizeof(words);
	world_expect("", &asked, GETS(10, 100, 101) "tell sent 100 last\n");
	world_expect("", &of_leader, LEADER_IS_SOUGHT GETS(1, 200, 201) "tell sent 200 last\n");
	memset(asked.args, 'x', sizeof(asked.args)); /* as long as it can be, and longer */
	asked.args_len = UINT32_MAX;
	world_expect("", &asked, GETS(1, 100, 101) "tell sent 100 last\n");
}

Test(respond_profiles, a_worker_leaves_the_stop_to_its_master)
{
	struct apo_request asked = world_request(PLAIN), of_all = world_request(TO_ALL);

	is_of(GROWER, "pool", OTHER);
	is_of(OTHER, "pool", LEADER);
	is_of(LEADER, "sh", 1);
	world_expect("", &asked, GROWER_IS_HELD GETS(1, 300, 0) "tell sent 300 last\n");
	cr_expect_str_eq(world.results[0].profile->name, "pool-master");
	world_expect("", &of_all,
		     "each of 70\nhold 100 started 0\n" HELD(200, 0) "tell sent 200\n" GETS(
			     1, 300, 0) "tell sent 300\n" NOBODY);
	world_process(OTHER)->is_away = true; /* what nobody guards is nobody's to stop */
	world_expect("", &asked,
		     GROWER_IS_HELD "hold 300 started 0\n" LEADER_IS_SOUGHT LEADER_GETS_IT);
	cr_expect_eq(world.results[0].error, 0);
}

Test(respond_profiles, a_master_that_grows_is_told_itself)
{
	struct apo_request asked = world_request(PLAIN);

	is_of(GROWER, "pool", LEADER);
	is_of(LEADER, "sh", 1);
	world_expect("", &asked, GETS(1, 100, 101) "tell sent 100 last\n");
}

Test(respond_profiles, a_child_is_told_in_place_of_who_has_one)
{
	struct apo_request asked = world_request(PLAIN);

	is_of(GROWER, "saves", 1);
	is_of(LEADER, "saves", GROWER);
	is_of(OTHER, "helper", GROWER); /* the latest, and of another command */
	world_expect("", &asked, GROWER_IS_HELD GETS(10, 200, 0) "tell sent 200 last\n");
	is_of(LEADER, "sh", GROWER);
	world_expect("there is none", &asked, GROWER_GETS_IT);
}

Test(respond_profiles, who_is_never_told_has_its_leader_told)
{
	struct apo_request asked = world_request(PLAIN);

	is_of(GROWER, "never", 1);
	world_expect("", &asked, GROWER_IS_HELD LEADER_IS_SOUGHT LEADER_GETS_IT);
	world.leader = GROWER;
	world_expect("", &asked, GROWER_IS_HELD LEADER_IS_SOUGHT GROWER_IS_HELD NOBODY);
}

Test(respond_profiles, a_warning_is_what_the_profile_says_or_does_not_forbid)
{
	struct apo_request warn = world_warning(PLAIN);

	is_of(GROWER, "quits", 1);
	world_expect("", &warn, GROWER_IS_HELD NOBODY);
	warn.signal = SIGUSR1;
	world_expect("", &warn, GROWER_IS_HELD "send 10 to 100\ntell sent 100 last\n");
	warn.signal = 0;
	world_expect("", &warn, GROWER_IS_HELD "send 12 to 100\ntell sent 100 last\n");
	is_of(GROWER, "plain", 1);
	world_expect("", &warn, GROWER_IS_HELD NOBODY);
}

/* --- what owners declare ------------------------------------------------------------------- */

static void declare(pid_t pid, enum apo_declaration by, int signal)
{
	struct process *process = world_process(pid);

	process->declared = (struct apo_declared){
		.start_boottime_ns = process->start_boottime_ns,
		.signal = (uint32_t)signal,
		.by = by,
	};
}

Test(respond_profiles, what_its_owner_declares_comes_before_its_profile)
{
	struct apo_request asked = world_request(PLAIN), given = world_request(GIVEN);
	struct apo_request of_leader = world_request(TO_LEADER);

	is_of(GROWER, "quits", 1);
	declare(GROWER, APO_DECLARED_KILL_SIGNAL, SIGQUIT);
	declare(LEADER, APO_DECLARED_CONTAINER, SIGUSR1);
	world_expect("", &asked, GETS(3, 100, 101) "tell sent 100 last\n");
	cr_expect_eq(world.results[0].declared, APO_DECLARED_KILL_SIGNAL);
	cr_expect_null(world.results[0].profile);
	world_expect("", &given, GROWER_GETS_IT);
	cr_expect_eq(world.results[0].declared, APO_DECLARED_NOTHING);
	world_expect("", &of_leader, LEADER_IS_SOUGHT GETS(10, 200, 201) "tell sent 200 last\n");
	cr_expect_eq(world.results[0].declared, APO_DECLARED_CONTAINER);
}

Test(respond_profiles, what_was_declared_of_another_of_that_pid_is_nothing)
{
	struct apo_request asked = world_request(PLAIN);

	declare(GROWER, APO_DECLARED_KILL_SIGNAL, SIGQUIT);
	world_process(GROWER)->declared.start_boottime_ns += NSEC_PER_SEC;
	world_expect("", &asked, GROWER_GETS_IT);
	declare(OTHER, APO_DECLARED_KILL_SIGNAL, SIGQUIT);
	respond.initial_pid_ns =
		false; /* the grower is OTHER there, and its pid another on the host */
	world_expect("", &asked, "hold 300 started 101\nsend 15 to 300\ntell sent 300 last\n");
}

/* Its exit is followed; the signal is for the case that its manager does nothing. */
Test(respond_profiles, a_unit_with_an_exec_stop_is_its_managers_to_stop)
{
	struct apo_request asked = world_request(PLAIN);

	declare(GROWER, APO_DECLARED_EXEC_RESTART, SIGQUIT);
	world_expect("", &asked, GROWER_IS_HELD "follow 100\ntell asked 100 last\n");
	cr_expect_eq(world.results[0].signal, SIGQUIT);
	cr_expect_eq(world.results[0].declared, APO_DECLARED_EXEC_RESTART);
	cr_expect_eq(world.results[0].start_boottime_ns, 101);
	/* Not of a warning, which stops nobody. */
	asked = world_warning(PLAIN);
	world_expect("", &asked, GROWER_IS_HELD "send 15 to 100\ntell sent 100 last\n");
}
