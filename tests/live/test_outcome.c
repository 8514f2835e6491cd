/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Judged from the owner's side: the program's own shutdown ran to its end. Services whose main thread waits
 * while another one allocates, in languages whose handlers run in the main thread.
 */
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "events.h"

TestSuite(outcome, .init = live_setup, .fini = live_teardown, .timeout = 600);

#define LIMIT (192 * MIB)

/* The interpreter itself: what stands in $PATH may be a script that looks for it. */
static const char *python(void)
{
	static const char *const paths[] = {"/usr/bin/python3", "/usr/local/bin/python3"};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (!access(paths[i], X_OK))
			return paths[i];
	live_skip("python3", "there is no python3");
}

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

/* At two speeds: that of a leak, and that of a spike. */
static void drains(const char *wait, const char *stop)
{
	static const char *const rates[] = {"100", "5000"};

	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		struct live_cgroup *cgroup = live_cgroup(NULL, "service", LIMIT);
		struct live_process *guard = live_watch_lending(cgroup), *service;
		const char *file = live_path("drained");

		service = live_start(cgroup, python(), live_workload("drain.py"), wait, stop, file,
				     rates[i]);
		expect_drained(guard, service, cgroup, file);
		live_stop(guard);
	}
}

#define DRAINS(name, wait, stop)     \
	Test(outcome, python_##name) \
	{                            \
		drains(wait, stop);  \
	}

DRAINS(that_sleeps, "sleep", "term")
DRAINS(that_pauses, "pause", "term")
DRAINS(that_waits_for_an_event, "event", "term")
DRAINS(that_joins_its_worker, "join", "term")
DRAINS(that_selects, "select", "term")
DRAINS(with_a_loop_of_asyncio, "asyncio", "term")
DRAINS(without_a_handler_that_sleeps, "sleep", "none")
DRAINS(without_a_handler_that_waits_for_an_event, "event", "none")
DRAINS(without_a_handler_with_asyncio, "asyncio", "none")
