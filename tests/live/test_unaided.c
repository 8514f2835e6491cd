/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `run` without the kernel side, as the entry point of a container that may do nothing: by a user with no privilege, who
 * has his programs in a directory of his own. Judged by the command's own data and its exit status.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "events.h"

TestSuite(unaided, .init = live_setup, .fini = live_teardown, .timeout = 300);

#define USER 12345
#define LIMIT (128 * MIB)
#define CANNOT 3

/* ./apoptosis run OPTIONS -- ./victim ARGUMENTS */
static struct live_process *users_run(const char *dir, const struct live_cgroup *cgroup,
				      const char *options, const char *arguments)
{
	const struct live_spawn spec = {.cgroup = cgroup, .user = USER, .directory = dir};
	struct live_process *run = live_spawn_argv(
		&spec,
		(const char *const[]){"/bin/sh", "-ec",
				      live_format("exec ./apoptosis run %s -- ./victim --state "
						  "state --result result %s",
						  options, arguments),
				      NULL});

	live_wait_exit(run);
	return run;
}

static bool has_state(const char *dir)
{
	return live_state_reason(live_format("%s/state", dir)) != NULL;
}

/* Slow enough for a look every few ms, on any machine. */
Test(unaided, command_is_told_in_time)
{
	static const char *const rates[] = {"20", "200"};

	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		struct live_cgroup *cgroup = live_cgroup(NULL, "entrypoint", LIMIT);
		const char *dir = live_home(USER);
		struct live_process *run = users_run(dir, cgroup, "--reserve 40%",
						     live_format("--rate %s --max 256M", rates[i]));

		live_check(live_exit_code(run) == ENDED_BY_TRIP, "status %d", live_exit_code(run));
		live_check(has_state(dir), "its shutdown did not run to its end");
		live_check(live_kernel_events(cgroup).oom_kills == 0, "it was killed");
		live_check(strstr(run->output[1], "is guarded by looking at its limit"),
			   "it does not say how it guards: %s", run->output[1]);
		live_check(strstr(run->output[1], "is sent SIGTERM"),
			   "it does not say what it did");
	}
}

/* What stays above its reserve is left alone, and its status passed on. */
Test(unaided, command_below_its_line_is_left_alone)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "entrypoint", LIMIT);
	const char *dir = live_home(USER);
	struct live_process *run = users_run(dir, cgroup, "", "--rate 0 --max 96M");

	live_check(live_exit_code(run) == 0, "status %d", live_exit_code(run));
	live_check(!has_state(dir), "it was told to end");
	live_check(!strstr(run->output[1], "is sent"), "%s", run->output[1]);
}

Test(unaided, command_that_does_not_end_is_ended)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "entrypoint", LIMIT);
	const char *dir = live_home(USER);
	struct live_process *run = users_run(dir, cgroup, "--reserve 40% --grace 100ms",
					     "--deaf --rate 20 --max 100M --hold");

	live_check(live_exit_code(run) == 128 + SIGKILL, "status %d", live_exit_code(run));
	live_check(live_kernel_events(cgroup).oom_kills == 0, "it was killed by the kernel");
	live_check(strstr(run->output[1], "end of its grace"), "%s", run->output[1]);
}

/* The kernel kills nobody here either: it grew past its line, and is back when the grace ends. */
Test(unaided, command_that_is_back_above_its_line_is_not_ended)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "entrypoint", LIMIT);
	const char *dir = live_home(USER);
	struct live_process *run =
		users_run(dir, cgroup, "--reserve 40% --grace 2s",
			  "--deaf --rate 100 --sawtooth 16M:100M --cycles 1 --hold-ms 3000");

	live_check(live_exit_code(run) == ENDED_BY_TRIP, "status %d: %s", live_exit_code(run),
		   run->output[1]);
	live_check(!strstr(run->output[1], "SIGKILL"), "%s", run->output[1]);
}

/* Nothing is there to guard, and the command runs. */
Test(unaided, command_without_a_limit_runs)
{
	const char *dir = live_home(USER);
	struct live_process *run = users_run(dir, NULL, "", "--max 8M");

	live_check(live_exit_code(run) == 0, "status %d", live_exit_code(run));
}

Test(unaided, command_is_refused_where_that_is_asked_for)
{
	static const char *const options[] = {"--require-protection", "--limit 64M"};
	struct live_cgroup *cgroup = live_cgroup(NULL, "entrypoint", LIMIT);

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		const char *dir = live_home(USER);
		struct live_process *run = users_run(dir, cgroup, options[i], "--max 1M");

		live_check(live_exit_code(run) == CANNOT, "status %d", live_exit_code(run));
		live_check(access(live_format("%s/result", dir), F_OK) != 0, "it has run");
	}
}
