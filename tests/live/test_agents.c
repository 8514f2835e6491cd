/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Agents that run the programs of others in their own limit (docs/agents.md): the program that grows is stopped, and the
 * agent, which is the main process, goes on. Judged by what the agent has written.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "events.h"

TestSuite(agents, .init = live_setup, .fini = live_teardown, .timeout = 300);

#define LIMIT (128 * MIB)

/* Runs three programs, the first two of which grow without end, and the second takes no signal. */
static struct live_process *agent(const struct live_cgroup *cgroup, const char *log, bool guarded)
{
	const char *victim = live_workload("victim"), *tool = getenv("APOPTOSIS");
	const char *work =
		live_format("trap 'echo told >> %s' TERM\n"
			    "%s --max 512M --rate 200 --state %s.state; echo \"first $?\" >> %s\n"
			    "%s --max 512M --rate 50 --ignore-term; echo \"second $?\" >> %s\n"
			    "%s --max 8M; echo \"third $?\" >> %s\n",
			    log, victim, log, log, victim, log, victim, log);
	const char *const alone[] = {"/bin/sh", "-c", work, NULL};
	const char *const under[] = {tool ? tool : "build/apoptosis",
				     "run",
				     "--target",
				     "only-grower",
				     "--grace",
				     "1s",
				     "--",
				     "/bin/sh",
				     "-c",
				     work,
				     NULL};
	struct live_process *process = live_spawn_argv(&(const struct live_spawn){.cgroup = cgroup},
						       guarded ? under : alone);

	live_wait_exit(process);
	return process;
}

Test(agents, who_grows_is_stopped_and_the_agent_goes_on)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "agent", LIMIT);
	const char *log = live_path("log");
	struct live_process *run;

	if (cgroup_tree_version(live_tree()) == 2)
		live_set(cgroup, "memory.oom.group", "1");
	run = agent(cgroup, log, true);
	live_check(live_exit_code(run) == 0, "it ended with %d: %s", live_exit_code(run),
		   run->output[1]);
	live_check(live_state_reason(live_format("%s.state", log)) != NULL,
		   "the shutdown of the first did not run to its end");
	live_check(strcmp(live_read(log),
			  live_format("first 0\nsecond %d\nthird 0\n", 128 + SIGKILL)) == 0,
		   "%s", live_read(log));
	live_check(live_kernel_events(cgroup).oom_kills == 0, "the kernel has killed");
}

/* Alone, where the cgroup is killed as a group, it loses the agent. */
Test(agents, alone_it_is_killed_with_its_group)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "agent", LIMIT);
	const char *log = live_path("log");

	if (cgroup_tree_version(live_tree()) != 2)
		live_skip("v2", "cgroup v1 kills no groups");
	live_set(cgroup, "memory.oom.group", "1");
	agent(cgroup, log, false);
	live_check(!*live_read(log), "%s", live_read(log));
}
