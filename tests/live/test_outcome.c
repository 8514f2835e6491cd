/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Judged from the owner's side: the program's own shutdown ran to its end. Services whose main thread waits
 * while another one allocates, in languages whose handlers run in the main thread.
 */
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "base/util.h"
#include "events.h"

TestSuite(outcome, .init = live_setup, .fini = live_teardown, .timeout = 600);

#define LIMIT (192 * MIB)

static void expect_drained(struct live_process *guard, struct live_process *service,
			   const struct live_cgroup *cgroup, const char *file)
{
	json_t *verdict;

	live_wait_exit(service);
	live_check(!strcmp(live_read(file), "drained\n"),
		   "its shutdown did not run to its end: it "
		   "ended with %d",
		   live_exit_code(service));
	live_check(live_exit_code(service) == 0, "it ended with %d", live_exit_code(service));
	live_check(!live_kernel_events(cgroup).oom_kills, "the kernel killed it");
	verdict = live_event(guard, "verdict", service->pid);
	live_expect_text(verdict, "verdict", "saved");
	live_expect_limit_back(cgroup, LIMIT);
}

/*
 * At two speeds: that of a leak, and that of a spike. words: the interpreter, its script and what comes before
 * the file and the rate.
 */
static void drains(const char *const words[])
{
	static const char *const rates[] = {"100", "5000"};

	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		struct live_cgroup *cgroup = live_cgroup(NULL, "service", LIMIT);
		struct live_process *guard = live_watch_lending(cgroup), *service;
		const char *file = live_path("drained"), *args[8];
		size_t n = 0;

		for (; words[n]; n++)
			args[n] = words[n];
		args[n++] = file;
		args[n++] = rates[i];
		args[n] = NULL;
		service = live_spawn_argv(&(const struct live_spawn){.cgroup = cgroup}, args);
		expect_drained(guard, service, cgroup, file);
		live_stop(guard);
	}
}

#define DRAINS(name, wait, stop)                                                                   \
	Test(outcome, python_##name)                                                               \
	{                                                                                          \
		drains((const char *const[]){live_python(), live_workload("drain.py"), wait, stop, \
					     NULL});                                               \
	}

DRAINS(that_sleeps, "sleep", "term")
DRAINS(that_pauses, "pause", "term")
DRAINS(that_waits_for_an_event, "event", "term")
DRAINS(that_joins_its_worker, "join", "term")
DRAINS(that_selects, "select", "term")
DRAINS(with_a_loop_of_asyncio, "asyncio", "term")
DRAINS(that_waits_for_its_signals, "sigwait", "term")
DRAINS(with_a_thread_for_its_signals, "signal_thread", "term")
DRAINS(without_a_handler_that_sleeps, "sleep", "none")
DRAINS(without_a_handler_that_waits_for_an_event, "event", "none")
DRAINS(without_a_handler_with_asyncio, "asyncio", "none")

/* The program of that name, for scripts of tests/workloads. */
static const char *interpreter(const char *name)
{
	const char *path = live_program(name);

	if (!path)
		live_skip(name, "there is no %s", name);
	return path;
}

Test(outcome, node_with_a_worker_thread)
{
	drains((const char *const[]){interpreter("node"), live_workload("drain.js"), NULL});
}

Test(outcome, perl)
{
	drains((const char *const[]){interpreter("perl"), live_workload("drain.pl"), NULL});
}

Test(outcome, ruby_with_a_worker_thread)
{
	drains((const char *const[]){interpreter("ruby"), live_workload("drain.rb"), NULL});
}

/* --- what is said before ------------------------------------------------------------------- */

/* The answer of `explain PID ARGS...`. */
static json_t *explained(const struct live_process *process, const char *const args[])
{
	const char *words[8] = {"explain", live_format("%d", (int)process->pid), "--json"};
	struct live_process *tool;
	json_t *answer;

	for (size_t i = 0; args[i]; i++)
		words[3 + i] = args[i];
	tool = live_tool_to_end(words);
	live_check(live_exit_code(tool) == 0, "explain ended with %d", live_exit_code(tool));
	answer = json_loads(tool->output[0], 0, NULL);
	live_check(answer, "no JSON: %s", tool->output[0]);
	return answer;
}

#define EXPLAINED(process, ...) \
	explained(process, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

/* What explain says of a process is what is done when it grows. */
static void explained_and_done(const char *signal, const char *const more[])
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "service", LIMIT);
	struct live_process *guard = live_watch_lending(cgroup), *victim;
	const char *args[16] = {"--wait-stdin", "--rate", "200"};
	uint64_t deadline = live_deadline();
	json_t *answer, *verdict;

	for (size_t i = 0; more[i]; i++)
		args[3 + i] = more[i];
	victim = live_victim_argv(&(const struct live_spawn){.cgroup = cgroup, .wants_stdin = true},
				  args);
	answer = EXPLAINED(victim);
	while (strcmp(live_text(answer, "process.signal"), signal) != 0) {
		live_pump(deadline, "its handlers to be set up");
		answer = EXPLAINED(victim);
	}
	live_expect_text(answer, "process.comm", "victim");
	live_expect_text(answer, "cgroup", cgroup->rel);
	live_expect_text(answer, "limit.cgroup", cgroup->rel);
	live_expect_int(answer, "limit.limit_bytes", LIMIT);
	live_check(live_bool(answer, "limit.lends"), "it cannot be raised");
	live_expect_int(answer, "target.pid", victim->pid);
	live_expect_int(answer, "grace_ms", 10000);
	live_release(victim);
	verdict = live_event(guard, "verdict", victim->pid);
	live_expect_text(verdict, "action.signal", signal);
	live_expect_int(verdict, "target.pid", victim->pid);
	live_stop(guard);
}

Test(outcome, explain_says_what_is_done)
{
	explained_and_done("TERM", (const char *const[]){NULL});
	explained_and_done("INT", (const char *const[]){"--default-term", "--handle-int", NULL});
	explained_and_done("TERM", (const char *const[]){"--block-term", NULL});
}

Test(outcome, explain_goes_by_the_options)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "service", LIMIT);
	struct live_process *first = live_victim(cgroup, "--max", "8M", "--hold");
	struct live_process *second;
	json_t *answer;

	live_wait_ready(first);
	second = live_victim(cgroup, "--default-term", "--handle-int", "--max", "8M", "--hold");
	live_wait_ready(second);
	answer = EXPLAINED(second, "--signal", "TERM", "--airbag", "off");
	live_expect_text(answer, "target.signal", "TERM");
	live_check(!live_bool(answer, "limit.lends"), "it lends");
	live_check(json_is_null(live_member(answer, "grace_ms")), "a grace");
	answer = EXPLAINED(second, "--target", "leader", "--grace", "3s");
	live_expect_int(answer, "target.pid", first->pid);
	live_expect_int(answer, "process.pid", second->pid);
	live_expect_int(answer, "grace_ms", 3000);
	live_check(!first->exited && !second->exited, "something was done");
}
