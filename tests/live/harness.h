/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a live test needs: cgroups, programs in them, the tool, and their removal. One test
 * is one process, so there is one set of these, without handles to pass around: live_setup() makes
 * it, live_teardown() (also after a failure) kills every process left in the cgroups, removes
 * them, unmounts and deletes. What a crashed or timed-out test leaves is swept by the runner.
 *
 * Nothing here returns an error: what goes wrong fails the test and shows what the tool said.
 * Every wait is for an event, and fails the test after LIVE_TIMEOUT_S times live_slowness().
 *
 * Environment: APOPTOSIS (build/apoptosis), APOPTOSIS_WORKLOADS or WORKLOADS (build/workloads),
 * APO_LIVE_DIR (build/live; must be on a disk for the tests of the page cache), APO_REPEAT (3),
 * APO_LIVE_SKIPS (features whose absence may skip a test, separated by commas; unset: any),
 * APO_LIVE_DISPOSABLE (set: the machine may run out of memory),
 * APO_SLOWNESS (1; how much slower than hardware an emulated machine is).
 */
#pragma once

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sense/cgroup.h"
#include "sense/cgroup_memory.h"

#define MIB (1024ULL * 1024)
#define LIVE_TIMEOUT_S 60

struct live_cgroup {
	char *rel; /* "/apo-live-17.slice/42-0-victim" */
	int fd;
	uint64_t id;
	uint64_t high; /* memory.high as the test has set it; UINT64_MAX: not */
};

/* Which output holds JSON lines. */
enum live_events { EVENTS_NOWHERE = 0, EVENTS_ON_STDOUT = 1, EVENTS_ON_STDERR = 2 };

/* A program that was started. Output is collected while anything is waited for. */
struct live_process {
	char *name; /* its command line */
	pid_t pid;
	int pidfd;
	bool exited;
	int status; /* of waitpid(2), once exited */
	int output_fds[2];
	char *output[2]; /* standard output and error so far, NUL-terminated */
	size_t output_sizes[2];
	int stdin_fd;
	int ready_fd; /* a byte comes here from --ready-fd */
	char *state;  /* files of a victim, or NULL */
	char *result;
	enum live_events events_on;
	size_t events_parsed;
	json_t *events;
	struct live_process *next;
};

struct live_spawn {
	const struct live_cgroup *cgroup; /* NULL: where the test is */
	bool pid_namespace;		  /* make it init of a new one */
	bool hide_unified;		  /* on a hybrid machine, show it the v1 hierarchies only */
	bool cgroup_namespace;		  /* v2: its cgroup is the root of those it sees */
	uid_t user;			  /* 0: root */
	const char *directory;		  /* it starts there; NULL: where the test is */
	bool wants_stdin;		  /* standard input stays open, for live_release() */
	enum live_events events;
};

/* The runner calls them before and after all tests. */
void live_runner_begin(void);
void live_runner_end(void);

/* The fixture of every suite. */
void live_setup(void);
void live_teardown(void);
/* The same for what only cgroup v2 has: skips elsewhere. */
void live_setup_v2(void);

/* Fails the test; shows the output of every program. */
#define live_fatal(...) live_fail_at(__FILE__, __LINE__, __VA_ARGS__)
#define live_check(condition, ...)               \
	do {                                     \
		if (!(condition))                \
			live_fatal(__VA_ARGS__); \
	} while (0)
__attribute__((format(printf, 3, 4), noreturn)) void live_fail_at(const char *file, int line,
								  const char *format, ...);

/* Ends the test without a verdict: `feature` (one word) is missing here. */
__attribute__((format(printf, 2, 3), noreturn)) void live_skip(const char *feature,
							       const char *format, ...);

/* printf into memory that lives as long as the test. */
__attribute__((format(printf, 1, 2))) char *live_format(const char *format, ...);

/* "DIR/name" in the test's own directory, on a disk if APO_LIVE_DIR is; never the same twice. */
char *live_path(const char *name);
/* A tmpfs of that many MiB. */
const char *live_tmpfs(unsigned int size_mib);
/* A BPF file system. */
const char *live_bpffs(void);
/* Turns on a swap file of that many MiB for the time of the test; skips where there can be none. */
void live_swap(unsigned int size_mib);
/* Whether the test's directory is in memory itself. */
bool live_dir_is_memory(void);
/* A new directory for files that are not in memory; skips if the test's directory is. */
const char *live_disk_dir(void);
/* The file of that name in $PATH, or NULL. */
const char *live_program(const char *name);
/* Python itself: what stands in $PATH may be a script that looks for it. Skips where there is none. */
const char *live_python(void);
/* A program or script of tests/workloads; skips if it was not built. */
const char *live_workload(const char *name);
/* A program that is built beside the runner. */
const char *live_beside(const char *name);
/* APO_REPEAT: how often to repeat. */
unsigned int live_repeat(void);
/* Timeouts are multiplied by it, and rates are divided. */
unsigned int live_slowness(void);
/* An amount of work that proves nothing by its size: an eighth of it on a slow machine. */
unsigned int live_bulk(unsigned int amount);
/* Part of /sys or /proc as text; "" if it is not there. */
const char *live_read(const char *path);

const struct cgroup_tree *live_tree(void);
/* Below `parent`, or below the runner's own; limit 0 is none. Called exactly so, and not more than once. */
struct live_cgroup *live_cgroup_called(const struct live_cgroup *parent, const char *name,
				       uint64_t limit);
/* The same with a name that is made unique. */
#define live_cgroup(parent, name, limit) live_cgroup_called((parent), live_unique(name), (limit))
const char *live_unique(const char *name);
/* Removes one that is empty; it can be made anew at its path, with another id. */
void live_remove(struct live_cgroup *cgroup);
void live_make_anew(struct live_cgroup *cgroup, uint64_t limit);
void live_set_limit(const struct live_cgroup *cgroup, uint64_t bytes);
/* One of its files, "memory.high". */
void live_set(const struct live_cgroup *cgroup, const char *file, const char *value);
const char *live_get(const struct live_cgroup *cgroup, const char *file);
struct cgroup_events live_kernel_events(const struct live_cgroup *cgroup);
struct cgroup_memory live_memory(const struct live_cgroup *cgroup);
uint64_t live_limit(const struct live_cgroup *cgroup);
/* Whether a limit is on record as raised, in the runtime directory. */
bool live_has_loans(void);
/* v2 memory.high, and whether it is as the test has set it. */
void live_set_high(struct live_cgroup *cgroup, uint64_t bytes);
bool live_high_is_back(const struct live_cgroup *cgroup);
/*
 * And memory.high. Waits: memory of an ended process may take a moment to be given back, and the limit with
 * it.
 */
void live_expect_limit_back(const struct live_cgroup *cgroup, uint64_t limit);

struct live_process *live_spawn_argv(const struct live_spawn *spec, const char *const argv[]);
#define live_start(cgroup_, ...)                                         \
	live_spawn_argv(&(const struct live_spawn){.cgroup = (cgroup_)}, \
			(const char *const[]){__VA_ARGS__, (const char *)NULL})
/* The directory of a user, with the tool and the victim in it: he reaches neither the build nor the test's directory. */
const char *live_home(uid_t user);
/* Waits for all of it: exit and end of output. */
void live_wait_exit(struct live_process *process);
/* One that has ended, of many: it is freed, and what it said is told no more. */
void live_forget(struct live_process *process);
/* Waits for the byte a victim writes at --mark, --max or --burst. */
void live_wait_ready(struct live_process *process);
/* Waits until a victim's shutdown has begun: the state file is in the making. */
void live_wait_shutdown(const struct live_process *victim);
/* Lets a victim with --wait-stdin start. */
void live_release(struct live_process *process);
/* Waits until its standard output or error (stream 0, 1) contains the text. */
void live_wait_output(struct live_process *process, int stream, const char *text);
/* Serves the outputs once, until the deadline (CLOCK_MONOTONIC ns); fails the test after it. */
void live_pump(uint64_t deadline_ns, const char *waiting_for);
uint64_t live_deadline(void);
void live_signal(const struct live_process *process, int signal);
/* As a shell says it: the exit status, or 128 and the signal. */
int live_exit_code(const struct live_process *process);

/* A victim with --state, --result and --ready-fd; `args` end in NULL. */
struct live_process *live_victim_argv(const struct live_spawn *spec, const char *const args[]);
#define live_victim(cgroup_, ...)                                         \
	live_victim_argv(&(const struct live_spawn){.cgroup = (cgroup_)}, \
			 (const char *const[]){__VA_ARGS__, (const char *)NULL})
/*
 * One for which a loan stands: it holds the limit less what the lend line leaves of it to who does not grow.
 * At less, it would depend on how fast it has grown.
 */
struct live_process *live_borrower(const struct live_cgroup *cgroup, uint64_t limit);
/*
 * The code of victims is charged to whoever runs the tests: beyond memory.high the kernel would drop it
 * again and again, and nobody would get on.
 */
void live_read_victim(void);
/* What the state file says was the reason of the shutdown; NULL: no whole state file there. */
const char *live_state_reason(const char *path);
/* The victim's own account. */
json_t *live_result(const struct live_process *victim);

#include "events.h"
