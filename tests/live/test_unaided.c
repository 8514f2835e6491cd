/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guarding without the kernel side, by a user with no privilege, who has his programs in a directory of his own: `run` as
 * the entry point of a container that may do nothing, and `watch` beside what runs. Judged by the data of who was told and
 * by who lives on, and then by what is said of it.
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

/* A line of a shell in that directory. */
static struct live_process *users_shell(const char *dir, const struct live_cgroup *cgroup,
					const char *line)
{
	const struct live_spawn spec = {
		.cgroup = cgroup,
		.user = USER,
		.directory = dir,
		.events = cgroup ? EVENTS_NOWHERE : EVENTS_ON_STDOUT,
	};

	return live_spawn_argv(&spec, (const char *const[]){"/bin/sh", "-ec", line, NULL});
}

/* ./apoptosis run OPTIONS -- ./victim ARGUMENTS */
static struct live_process *users_run(const char *dir, const struct live_cgroup *cgroup,
				      const char *options, const char *arguments)
{
	struct live_process *run =
		users_shell(dir, cgroup,
			    live_format("exec ./apoptosis run %s -- ./victim --state state "
					"--result result %s",
					options, arguments));

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
		live_check(strstr(run->output[1], "guarded by looking at the limit"),
			   "it does not say how it guards: %s", run->output[1]);
		live_check(strstr(run->output[1], " saved "), "it does not say what it did");
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
	live_check(!strstr(run->output[1], "SIGTERM"), "%s", run->output[1]);
}

Test(unaided, command_that_does_not_end_is_ended)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "entrypoint", LIMIT);
	const char *dir = live_home(USER);
	struct live_process *run = users_run(dir, cgroup, "--reserve 40% --grace 100ms",
					     "--deaf --rate 20 --max 100M --hold");

	live_check(live_exit_code(run) == 128 + SIGKILL, "status %d", live_exit_code(run));
	live_check(live_kernel_events(cgroup).oom_kills == 0, "it was killed by the kernel");
	live_check(strstr(run->output[1], "ended by our SIGKILL"), "%s", run->output[1]);
}

/* The kernel kills nobody here either: it grew past its line, is back when the grace ends, and ends later, by itself. */
Test(unaided, command_that_is_back_above_its_line_is_not_ended)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "entrypoint", LIMIT);
	const char *dir = live_home(USER);
	struct live_process *run =
		users_run(dir, cgroup, "--reserve 40% --grace 2s",
			  "--deaf --rate 100 --sawtooth 16M:100M --cycles 1 --hold-ms 3000");

	live_check(live_exit_code(run) == 0, "status %d: %s", live_exit_code(run), run->output[1]);
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

/* Who has grown is told, not who is largest: it holds what it has, and lives on. */
Test(unaided, who_grows_is_told_and_not_who_is_largest)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "entrypoint", LIMIT);
	const char *dir = live_home(USER);
	struct live_process *run = users_shell(
		dir, cgroup,
		"cat > command <<'END'\n"
		"./victim --state large --max 48M --hold --ready-fd 3 3> ready &\n"
		"until [ -s ready ]; do :; done\n"
		"./victim --state state --rate 20 --max 256M || exit 9\n"
		"kill -0 $! && touch lives\n"
		"kill -KILL $!\n"
		"END\n"
		"exec ./apoptosis run --exit-on-trip off --reserve 35% -- /bin/sh command");

	live_wait_exit(run);
	live_check(live_exit_code(run) == 0, "status %d: %s", live_exit_code(run), run->output[1]);
	live_check(has_state(dir), "the shutdown of who grew did not run to its end");
	live_check(access(live_format("%s/lives", dir), F_OK) == 0 &&
			   access(live_format("%s/large", dir), F_OK) != 0,
		   "who is largest was told");
	live_check(live_kernel_events(cgroup).oom_kills == 0, "it was killed");
}

/* What is said of it is what the kernel side would say. */
Test(unaided, what_happened_is_told_as_ever)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "entrypoint", LIMIT);
	const char *dir = live_home(USER);
	struct live_process *run =
		users_run(dir, cgroup,
			  "--json --reserve 40% --report-dir reports --hook 'touch hook.$1' "
			  "--hook-events verdict",
			  "--rate 50 --max 256M");
	const char *verdict = strstr(run->output[1], "{\"event\":\"verdict\"");

	live_check(live_exit_code(run) == ENDED_BY_TRIP, "status %d", live_exit_code(run));
	live_check(has_state(dir), "its shutdown did not run to its end");
	live_check(verdict && strstr(verdict, "\"verdict\":\"saved\"") &&
			   strstr(verdict, "\"trigger\":\"look\"") &&
			   strstr(verdict, "\"exit\":{\"code\":0"),
		   "%s", run->output[1]);
	run = users_shell(dir, cgroup, "exec ./apoptosis report list --report-dir reports");
	live_wait_exit(run);
	live_check(strstr(run->output[0], "saved"), "%s", run->output[0]);
}

Test(unaided, who_can_give_memory_back_hears_before)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "entrypoint", LIMIT);
	const char *dir = live_home(USER);
	struct live_process *run;

	live_wait_exit(
		live_spawn_argv(&(const struct live_spawn){},
				(const char *const[]){"/usr/bin/install", "-m", "0644",
						      live_workload("pressure.py"), dir, NULL}));
	run = users_shell(dir, cgroup,
			  live_format("exec ./apoptosis run --reserve 10%% --warn 60%% -- "
				      "%s - 70 90 < pressure.py",
				      live_python()));
	live_wait_exit(run);
	live_check(live_exit_code(run) == 0, "status %d: %s", live_exit_code(run), run->output[1]);
	live_check(strstr(run->output[0], "\"dropped\": 70"), "%s", run->output[0]);
	live_check(live_kernel_events(cgroup).oom_kills == 0, "it was killed");
}

/* Beside what runs, by the same user: by its cgroup, and by its pid. */
Test(unaided, who_is_watched_is_told)
{
	static const char *const guards[] = {"--cgroup \"$(cat cgroup)\"", "--pid \"$(cat pid)\""};

	for (size_t i = 0; i < ARRAY_SIZE(guards); i++) {
		struct live_cgroup *cgroup = live_cgroup(NULL, "watched", LIMIT);
		const char *dir = live_home(USER);
		struct live_process *victim, *watch;

		victim = users_shell(dir, cgroup,
				     "echo $$ > pid; until [ -e go ]; do sleep 0.05; done; "
				     "exec ./victim --state state --rate 20 --max 256M");
		watch = users_shell(dir, NULL,
				    live_format("until [ -s pid ]; do sleep 0.05; done; "
						"echo '%s' > cgroup; "
						"exec ./apoptosis watch --json --reserve 40%% %s",
						cgroup->rel, guards[i]));
		live_event(watch, "ready", 0);
		live_wait_exit(users_shell(dir, NULL, "touch go"));
		live_wait_exit(victim);
		live_check(live_exit_code(victim) == 0 && has_state(dir),
			   "its shutdown did not run to its end");
		live_check(live_event(watch, "verdict", victim->pid), "there is no verdict");
		live_check(live_kernel_events(cgroup).oom_kills == 0, "it was killed");
		live_stop(watch);
	}
}

Test(unaided, everything_cannot_be_watched)
{
	const char *dir = live_home(USER);
	struct live_process *watch = users_shell(dir, NULL, "exec ./apoptosis watch --all");

	live_wait_exit(watch);
	live_check(live_exit_code(watch) == CANNOT, "status %d", live_exit_code(watch));
}

/* Capabilities of a rootless container's root count for nothing, and nothing rests on them. */
Test(unaided, root_of_a_user_namespace_is_nobody)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "rootless", LIMIT);
	const char *dir = live_home(USER);
	struct live_process *run =
		users_shell(dir, cgroup,
			    "ulimit -l 64; exec unshare -Ur ./apoptosis run --reserve 40% -- "
			    "./victim --state state --rate 50 --max 256M");

	live_wait_exit(run);
	live_check(live_exit_code(run) == ENDED_BY_TRIP, "status %d: %s", live_exit_code(run),
		   run->output[1]);
	live_check(has_state(dir), "its shutdown did not run to its end");
	live_check(strstr(run->output[1], "needs CAP_BPF and CAP_PERFMON in the initial user"),
		   "%s", run->output[1]);
}

/* Started where somebody is beyond the line for long: he holds what he has, and who grows from then on is told. */
Test(unaided, who_holds_what_he_has_is_left_alone)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "watched", LIMIT);
	const char *dir = live_home(USER);
	struct live_process *holder = users_shell(
		dir, cgroup, "exec ./victim --state held --max 84M --hold --ready-fd 3 3> ready");
	struct live_process *watch, *grower;

	watch = users_shell(dir, NULL,
			    live_format("until [ -s ready ]; do sleep 0.05; done; exec ./apoptosis "
					"watch --json --reserve 40%% --cgroup '%s'",
					cgroup->rel));
	live_event(watch, "ready", 0);
	grower = users_shell(dir, cgroup, "exec ./victim --state state --rate 20 --max 256M");
	live_wait_exit(grower);
	live_check(live_exit_code(grower) == 0 && has_state(dir),
		   "its shutdown did not run to its end");
	live_check(kill(holder->pid, 0) == 0 && access(live_format("%s/held", dir), F_OK) != 0,
		   "who held what he had was told");
	live_event(watch, "verdict", grower->pid);
	live_stop(watch);
}

/* As a pod whose containers have limits, or what a runtime makes for its container; also one that comes later. */
Test(unaided, limits_below_what_is_watched_are_looked_at)
{
	struct live_cgroup *pod = live_cgroup(NULL, "pod", 0), *first, *later;
	const char *dir = live_home(USER);
	struct live_process *watch, *victim;

	first = live_cgroup(pod, "first", LIMIT);
	watch = users_shell(
		dir, NULL,
		live_format("exec ./apoptosis watch --json --reserve 40%% --cgroup '%s'",
			    pod->rel));
	live_event(watch, "ready", 0);
	victim = users_shell(dir, first, "exec ./victim --state state --rate 20 --max 256M");
	live_wait_exit(victim);
	live_check(live_exit_code(victim) == 0 && has_state(dir), "the first was not told");
	later = live_cgroup(pod, "later", LIMIT);
	victim = users_shell(dir, later,
			     "rm state; exec ./victim --state state --rate 20 --max 256M");
	live_wait_exit(victim);
	live_check(live_exit_code(victim) == 0 && has_state(dir), "the later one was not told");
	live_stop(watch);
}
