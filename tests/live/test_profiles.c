/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs that are told to stop as their profiles say, judged by what they were told, and by whether they ended
 * in their own way. A pool of a master and a worker, both with handlers for several signals.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "events.h"

TestSuite(profiles, .init = live_setup, .fini = live_teardown, .timeout = 600);

#define LIMIT (192 * MIB)

struct pool {
	struct live_cgroup *cgroup;
	struct live_process *guard, *master;
	const char *dir; /* what its processes write */
};

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	live_check(file && fputs(text, file) >= 0, "cannot write %s", path);
	fclose(file);
}

/* A directory of profiles with these in it. */
static const char *profiles(const char *text)
{
	const char *dir = live_path("profiles");

	live_check(!mkdir(dir, 0755), "cannot make %s", dir);
	write_file(live_format("%s/pool.conf", dir), text);
	return dir;
}

/* words: of pool.py. profiles: the option's value. options: of the guard, may be NULL. */
static struct pool pool_start(const char *const words[], const char *profiles_value,
			      const char *option, const char *value)
{
	struct pool pool = {.cgroup = live_cgroup(NULL, "pool", LIMIT), .dir = live_path("pool")};
	const char *args[8] = {live_python(), live_workload("pool.py"), pool.dir};

	live_check(!mkdir(pool.dir, 0755), "cannot make %s", pool.dir);
	for (size_t i = 0; words[i]; i++)
		args[3 + i] = words[i];
	pool.guard = option ? live_watch("--cgroup", pool.cgroup->rel, "--airbag", "auto",
					 "--profiles", profiles_value, option, value)
			    : live_watch("--cgroup", pool.cgroup->rel, "--airbag", "auto",
					 "--profiles", profiles_value);
	pool.master = live_spawn_argv(
		&(const struct live_spawn){.cgroup = pool.cgroup, .wants_stdin = true}, args);
	return pool;
}

static bool was_told(const struct pool *pool, const char *word)
{
	return !access(live_format("%s/%s", pool->dir, word), F_OK);
}

/* The pool grows until somebody of it is told something, which makes its master end with 0. */
static json_t *grow_to_end(struct pool *pool, const char *told)
{
	json_t *verdict;

	live_release(pool->master);
	live_wait_exit(pool->master);
	live_check(was_told(pool, told), "nobody was told %s", told);
	live_check(live_exit_code(pool->master) == 0, "it ended with %d",
		   live_exit_code(pool->master));
	live_check(!live_kernel_events(pool->cgroup).oom_kills, "the kernel killed one");
	verdict = live_event(pool->guard, "verdict", 0);
	live_expect_text(verdict, "verdict", "saved");
	live_expect_limit_back(pool->cgroup, LIMIT);
	return verdict;
}

#define POOL(profiles_value, ...)                                                                \
	pool_start((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL}, profiles_value, NULL, \
		   NULL)
#define SPECIAL(profiles_value, option, value, ...)                                                \
	pool_start((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL}, profiles_value, option, \
		   value)

#define WORKER_QUITS "[worker]\ncommand = apo-pool\nrole = worker\nstop = QUIT\n"
#define MASTER_HUP "[master]\ncommand = apo-pool\nstop = HUP\n"

Test(profiles, choose_the_signal_of_a_worker)
{
	struct pool pool = POOL(profiles(WORKER_QUITS MASTER_HUP));
	json_t *verdict = grow_to_end(&pool, "worker-SIGQUIT");

	live_check(!was_told(&pool, "worker-SIGTERM"), "it was told by SIGTERM too");
	live_expect_text(verdict, "action.signal", "QUIT");
	live_expect_text(verdict, "action.profile", "worker");
	live_stop(pool.guard);
}

Test(profiles, choose_the_signal_of_a_master)
{
	struct pool pool = POOL(profiles(WORKER_QUITS MASTER_HUP), "alone");
	json_t *verdict = grow_to_end(&pool, "master-SIGHUP");

	live_expect_int(verdict, "target.pid", pool.master->pid);
	live_expect_text(verdict, "action.profile", "master");
	live_stop(pool.guard);
}

/* At the speed of a leak and of a spike. */
Test(profiles, have_a_master_told_in_place_of_its_worker)
{
	static const char *const rates[] = {"60", "4000"};
	const char *dir = profiles("[worker]\ncommand = apo-pool\nrole = worker\nstop = none\n"
				   "target = master\n" MASTER_HUP);

	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		struct pool pool = POOL(dir, rates[i]);
		json_t *verdict = grow_to_end(&pool, "master-SIGHUP");

		live_expect_int(verdict, "target.pid", pool.master->pid);
		live_check(live_int(verdict, "process.pid") != pool.master->pid, "it grew itself");
		live_check(!was_told(&pool, "worker-SIGTERM"), "the worker was told");
		live_stop(pool.guard);
	}
}

Test(profiles, go_by_the_command_line)
{
	struct pool pool = POOL(profiles("[titled]\ncommand = apo-pool\narguments = apo-pool: "
					 "worker\nstop = QUIT\n" MASTER_HUP),
				"title");
	json_t *verdict = grow_to_end(&pool, "worker-SIGQUIT");

	live_expect_text(verdict, "action.profile", "titled");
	live_stop(pool.guard);
}

/* Where nobody can be told, the kernel's kill is what remains: here it is the operator's signal. */
Test(profiles, come_after_the_operator)
{
	struct pool pool = SPECIAL(profiles(WORKER_QUITS MASTER_HUP), "--signal", "USR2");
	json_t *verdict;

	live_release(pool.master);
	verdict = live_event(pool.guard, "verdict", 0);
	live_check(was_told(&pool, "worker-SIGUSR2"), "it was not told so");
	live_expect_text(verdict, "action.signal", "USR2");
	live_check(json_is_null(live_member(verdict, "action.profile")), "a profile decided");
	live_stop(pool.guard);
}

Test(profiles, may_be_off)
{
	struct pool pool = POOL("off");

	live_release(pool.master);
	live_wait_exit(pool.master);
	live_check(was_told(&pool, "worker-SIGTERM"), "it was told otherwise");
	live_stop(pool.guard);
}

/* Who does not take what its profile says is told as everybody. */
Test(profiles, count_where_the_program_takes_the_signal)
{
	struct pool pool = POOL(profiles("[worker]\ncommand = apo-pool\nstop = USR1\n"));

	live_release(pool.master);
	live_wait_exit(pool.master);
	live_check(was_told(&pool, "worker-SIGTERM"), "it was told otherwise");
	live_stop(pool.guard);
}

/* Warned, it gives up what it has, grows again, and is warned again: it never stops, and need not. */
Test(profiles, say_what_a_warning_is)
{
	struct pool pool =
		SPECIAL(profiles("[worker]\ncommand = apo-pool\nrole = worker\nwarn = USR2\n"),
			"--warn", "60%:auto", "40");
	const char *told;
	uint64_t deadline;

	live_release(pool.master);
	live_event(pool.guard, "warn", 0);
	deadline = live_deadline();
	told = live_format("%s/worker-SIGUSR2", pool.dir);
	while (access(told, F_OK))
		live_pump(deadline, "the worker to be told");
	live_check(!pool.master->exited && !live_count_events(pool.guard, "trip", 0),
		   "it did not live on");
	live_stop(pool.guard);
}

Test(profiles, forbid_a_warning)
{
	struct pool pool = SPECIAL(
		profiles("[worker]\ncommand = apo-pool\nrole = worker\nnever = USR2\nstop = "
			 "QUIT\n"),
		"--warn", "60%:USR2", "100");

	grow_to_end(&pool, "worker-SIGQUIT");
	live_check(live_count_events(pool.guard, "warn", 0) > 0, "no warning was told of");
	live_check(!was_told(&pool, "worker-SIGUSR2"), "it was warned");
	live_stop(pool.guard);
}

Test(profiles, that_make_no_sense_are_named_and_the_rest_counts)
{
	struct pool pool =
		POOL(profiles("[wrong]\ncommand = apo-pool\nstop = NOSUCH\n"
			      "[worker]\ncommand = apo-pool\nrole = worker\nstop = QUIT\n"));

	grow_to_end(&pool, "worker-SIGQUIT");
	live_check(strstr(pool.guard->output[1], "pool.conf:3: [wrong] stop 'NOSUCH'"), "said: %s",
		   pool.guard->output[1]);
	live_stop(pool.guard);
}
