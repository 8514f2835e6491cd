/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel side without a capability: by a BPF token (Linux 6.9, libbpf 1.4), for the root of a user namespace who is
 * nobody outside of it.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "events.h"

TestSuite(token, .init = live_setup, .fini = live_teardown, .timeout = 300);

#define USER 12345
#define LIMIT (256 * MIB)
#define NOT_HERE 77

/* All that it takes, and no more. */
static const char *const delegated[] = {
	"delegate_cmds=map_create:prog_load:btf_load",
	"delegate_maps=array:hash:lru_hash:percpu_array:ringbuf:lpm_trie:queue",
	"delegate_progs=socket_filter:tracing:raw_tracepoint",
	"delegate_attachs=cgroup_inet_ingress:trace_raw_tp:trace_iter",
};

/* Puts a libbpf into the directory, where the machine's takes no token: only there it is within his reach. */
static bool take_library(const char *dir)
{
	const char *library =
		live_format("%s/../libbpf/libbpf.so.1", getenv("WORKLOADS") ?: "build/workloads");

	if (access(library, R_OK) != 0)
		return false;
	live_wait_exit(live_spawn_argv(&(const struct live_spawn){},
				       (const char *const[]){"/usr/bin/install", "-m", "0644",
							     library, dir, NULL}));
	return true;
}

/* ./apoptosis ARGUMENTS, with all but one of the options; except: none of them is left out. */
static struct live_process *with_token(const char *dir, const struct live_cgroup *cgroup,
				       size_t except, const char *arguments)
{
	const struct live_spawn spec = {.cgroup = cgroup, .directory = dir};
	bool has_library = take_library(dir);
	const char *argv[16] = {live_beside("token"), live_format("%d", USER), "/sys/fs/bpf"};
	struct live_process *process;
	size_t n = 3;

	for (size_t i = 0; i < ARRAY_SIZE(delegated); i++)
		if (i != except)
			argv[n++] = delegated[i];
	argv[n++] = "/bin/sh";
	argv[n++] = "-ec";
	argv[n++] = live_format("%s exec ./apoptosis %s",
				has_library ? "export LD_LIBRARY_PATH=.;" : "", arguments);
	argv[n] = NULL;
	process = live_spawn_argv(&spec, argv);
	live_wait_exit(process);
	if (live_exit_code(process) == NOT_HERE)
		live_skip("token", "this kernel delegates no BPF: %s", process->output[1]);
	return process;
}

#define ALL ((size_t)-1)

/* Flat out: seen in the fault that crosses the line. */
Test(token, spike_is_caught_in_the_fault)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "rootless", LIMIT);
	const char *dir = live_home(USER);
	struct live_process *run = with_token(
		dir, cgroup, ALL, "run --require-protection -- ./victim --state state --max 512M");

	live_check(live_exit_code(run) == ENDED_BY_TRIP, "status %d: %s", live_exit_code(run),
		   run->output[1]);
	live_check(live_state_reason(live_format("%s/state", dir)) != NULL,
		   "its shutdown did not run to its end");
	live_check(live_kernel_events(cgroup).oom_kills == 0, "it was killed");
	live_check(strstr(run->output[1], "SIGTERM sent in the fault"), "%s", run->output[1]);
}

/* It is said which rung that is; capabilities that count in the namespace only are none. */
Test(token, doctor_says_so)
{
	struct live_process *doctor =
		with_token(live_home(USER), live_cgroup(NULL, "rootless", LIMIT), ALL, "doctor");

	live_check(strstr(doctor->output[0], "rung: token"), "%s", doctor->output[0]);
	live_check(strstr(doctor->output[0], "MISSING  CAP_KILL"), "%s", doctor->output[0]);
}

/* Where one is missing the command runs on the next rung, and that is said. */
Test(token, each_of_what_is_delegated_is_needed)
{
	for (size_t i = 0; i < ARRAY_SIZE(delegated); i++) {
		const char *dir = live_home(USER);
		struct live_process *run =
			with_token(dir, live_cgroup(NULL, "rootless", LIMIT), i,
				   "run --reserve 40% -- ./victim --state state --rate 100 "
				   "--max 512M");

		live_check(live_exit_code(run) == ENDED_BY_TRIP, "without %s: status %d: %s",
			   delegated[i], live_exit_code(run), run->output[1]);
		live_check(strstr(run->output[1], "cannot load the kernel side") &&
				   strstr(run->output[1], "triggers: look"),
			   "without %s: %s", delegated[i], run->output[1]);
	}
}
