/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The airbag: shutdowns that go on allocating are saved, and the limit is back afterwards, whatever
 * happens to us meanwhile.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/parse.h"
#include "base/util.h"
#include "events.h"

TestSuite(airbag, .init = live_setup, .fini = live_teardown, .timeout = 600);

#define LIMIT (256 * MIB)

/* Whether a name is that of a file that has a limit, or of its record or mark. */
static bool is_ours(const char *name)
{
	return strstr(name, "memory.max") || strstr(name, "memory.high") ||
	       strstr(name, "limit_in_bytes") || strstr(name, "/limit-") ||
	       strncmp(name, "limit-", 6) == 0 || strcmp(name, "trusted.apoptosis.loan") == 0;
}

/*
 * Stays above its line until it ends, for longer than the limit alone would let it. A cgroup of its
 * own each time: airbags are lent three times in a row.
 */
static json_t *save_stubborn(const char *airbag, const char *rate, const char *threads,
			     const char *shutdown_ms, const char *more)
{
	json_t *verdict = NULL;

	for (unsigned int i = 0; i < live_repeat(); i++) {
		struct live_cgroup *cgroup = live_cgroup(NULL, "stubborn", LIMIT);
		struct live_process *guard =
			live_watch("--airbag", airbag, "--reserve", "4M", "--grace", "60s",
				   "--cgroup", cgroup->rel); /* a slow machine needs longer */
		struct live_process *victim = live_victim(cgroup, "--rate", rate, "--threads",
							  threads, "--stubborn", "--shutdown-ms",
							  shutdown_ms, more);

		verdict = live_expect_victim_saved(guard, victim, cgroup);
		live_expect_text(verdict, "airbag.result", "raised");
		live_check(live_int(verdict, "airbag.used_bytes") > 0, "the airbag was not used");
		live_expect_limit_back(cgroup, LIMIT);
		live_stop(guard);
		live_check(live_limit(cgroup) == LIMIT, "the limit was left raised");
	}
	return verdict;
}

#define STUBBORN(name, rate, threads, shutdown_ms)                       \
	Test(airbag, stubborn_##name)                                    \
	{                                                                \
		save_stubborn("auto", rate, threads, shutdown_ms, NULL); \
	}

STUBBORN(at_200_mib_per_s_for_300_ms, "200", "1", "300")
STUBBORN(at_200_mib_per_s_for_1_s, "200", "1", "1000")
STUBBORN(at_200_mib_per_s_for_1_s_by_4_threads, "200", "4", "1000")
STUBBORN(at_1_gib_per_s_for_300_ms, "1024", "1", "300")
STUBBORN(at_1_gib_per_s_for_1_s_by_4_threads, "1024", "4", "1000")
STUBBORN(flat_out_for_300_ms, "0", "1", "300")
STUBBORN(flat_out_for_1_s_by_4_threads, "0", "4", "1000")

/* Of a signal that sigwait() takes no handler tells. */
Test(airbag, stubborn_flat_out_for_1_s_after_sigwait)
{
	save_stubborn("auto", "0", "1", "1000", "--block-term");
}

/* Nearly nothing of the limit is lost to the reserve. */
static void save_cooperative(const char *const args[])
{
	for (unsigned int i = 0; i < live_repeat(); i++) {
		struct live_cgroup *cgroup = live_cgroup(NULL, "cooperative", LIMIT);
		struct live_process *guard =
			live_watch("--airbag", "64M", "--reserve", "4M", "--cgroup", cgroup->rel);
		struct live_process *victim =
			live_victim_argv(&(struct live_spawn){.cgroup = cgroup}, args);
		json_t *verdict = live_expect_victim_saved(guard, victim, cgroup);

		live_expect_int(verdict, "airbag.raised_bytes", 64 * MIB);
		live_expect_limit_back(cgroup, LIMIT);
		live_stop(guard);
	}
}

#define COOPERATIVE(name, ...)                                              \
	Test(airbag, cooperative_##name)                                    \
	{                                                                   \
		save_cooperative((const char *const[]){__VA_ARGS__, NULL}); \
	}

COOPERATIVE(anon, "--rate", "0")
COOPERATIVE(anon_by_4_threads, "--threads", "4")
COOPERATIVE(shared_memory, "--kind", "shmem")
COOPERATIVE(transparent_huge_pages, "--kind", "thp")
COOPERATIVE(map_populate_in_chunks, "--kind", "populate")
COOPERATIVE(tmpfs_writes, "--kind", "tmpfs", "--dir", live_tmpfs(1024))

/* What one system call takes: nothing can end it, so what it needs beyond the limit is lent. */
static void save_at_once(const char *const args[])
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "at-once", LIMIT);
	struct live_process *guard =
		live_watch("--airbag", "auto", "--reserve", "4M", "--cgroup", cgroup->rel);
	struct live_process *victim =
		live_victim_argv(&(struct live_spawn){.cgroup = cgroup}, args);
	json_t *verdict = live_expect_victim_saved(guard, victim, cgroup);

	live_check(live_int(verdict, "memory.peak_need_bytes") > (json_int_t)LIMIT,
		   "it stayed below the limit");
	live_expect_limit_back(cgroup, LIMIT);
	live_stop(guard);
}

Test(airbag, one_map_populate_beyond_the_limit)
{
	save_at_once((const char *const[]){"--kind", "populate", "--chunk", "400M", NULL});
}

Test(airbag, one_write_to_tmpfs_beyond_the_limit)
{
	const char *dir = live_tmpfs(1024);

	save_at_once(
		(const char *const[]){"--kind", "tmpfs", "--dir", dir, "--chunk", "400M", NULL});
}

/* An airbag of 64 MiB lasts for a shutdown that allocates flat out for a second. */
Test(airbag, brake_makes_a_small_one_last)
{
	json_t *verdict;

	if (cgroup_tree_version(live_tree()) == 1)
		live_skip("v2", "memory.high is of cgroup v2");
	live_read_victim();
	/* Long enough for more than half of what is lent, which a slow machine takes longer to fill. */
	verdict = save_stubborn("64M", "0", "4", live_format("%u", 1000 * live_slowness()), NULL);
	live_expect_text(verdict, "airbag.brake", "held");
}

/* What its owner has set does not hold for as long as the loan, and the brake takes its place. */
Test(airbag, brake_takes_the_place_of_a_high_limit_that_is_set)
{
	struct live_process *guard, *victim;
	struct live_cgroup *cgroup;
	json_t *verdict;

	if (cgroup_tree_version(live_tree()) == 1)
		live_skip("v2", "memory.high is of cgroup v2");
	cgroup = live_cgroup(NULL, "high", 64 * MIB);
	live_set_high(cgroup, 1024 * MIB);
	live_read_victim();
	guard = live_watch("--airbag", "64M", "--cgroup", cgroup->rel);
	victim = live_victim(cgroup, "--rate", "100", "--stubborn", "--shutdown-ms", "300");
	verdict = live_expect_victim_saved(guard, victim, cgroup);
	live_check(strcmp(live_text(verdict, "airbag.brake"), "none") != 0, "no brake was set");
	live_expect_limit_back(cgroup, 64 * MIB);
	live_stop(guard);
}

/* It crashes again and again: it is told each time, but does not live on what is lent. */
Test(airbag, crash_loop_is_lent_to_three_times)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "loop", 64 * MIB);
	struct live_process *guard = live_watch("--airbag", "64M", "--cgroup", cgroup->rel);
	json_t *verdict = NULL;

	for (unsigned int i = 0; i < 4; i++) {
		struct live_process *victim = live_victim(cgroup, "--rate", "200");

		verdict = live_expect_victim_saved(guard, victim, cgroup);
		live_expect_text(verdict, "airbag.result", i < 3 ? "raised" : "refused");
		live_expect_limit_back(cgroup, 64 * MIB);
	}
	live_expect_int(live_stop(guard), "limits.0.verdicts.saved", 4);
}

/* Nobody may keep what was lent: at the end of the grace the process goes, and the limit is back. */
Test(airbag, deaf_process_is_killed_and_the_limit_put_back)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "deaf", 64 * MIB);
	struct live_process *guard =
		live_watch("--airbag", "100%", "--grace", "1s", "--cgroup", cgroup->rel);
	struct live_process *victim =
		live_victim(cgroup, "--deaf", "--max", "80M", "--hold", "--rate", "200");
	json_t *verdict = live_event(guard, "verdict", victim->pid);

	live_wait_exit(victim);
	live_check(live_exit_code(victim) == 128 + SIGKILL, "status %d", live_exit_code(victim));
	live_expect_text(verdict, "verdict", "ignored");
	live_check(live_bool(verdict, "action.killed_after_grace"), "not our SIGKILL");
	live_check(live_kernel_events(cgroup).oom_kills == 0, "an OOM kill");
	live_expect_limit_back(cgroup, 64 * MIB);
	live_stop(guard);
}

/*
 * v1 refuses a limit below what is used, for ever where that is tmpfs of the dead. Nobody keeps what was
 * lent all the same: the limit follows what is left, and nothing more is lent meanwhile.
 */
Test(airbag, tmpfs_of_the_dead_is_paid_back_as_it_goes)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "left", 64 * MIB);
	const char *dir = live_tmpfs(512);
	struct live_process *guard, *writer, *victim;
	uint64_t deadline = live_deadline(), left;

	if (cgroup_tree_version(live_tree()) != 1)
		live_skip("v1", "v2 takes a limit below what is used");
	guard = live_watch("--airbag", "auto", "--cgroup", cgroup->rel);
	writer = live_start(cgroup, "/bin/sh", "-c",
			    "trap '' TERM INT; exec dd if=/dev/zero of=\"$0\"/left bs=1M count=120",
			    dir);
	live_wait_exit(writer);
	live_check(live_exit_code(writer) == 0, "status %d", live_exit_code(writer));
	left = live_memory(cgroup).usage_bytes;
	live_check(left > 100 * MIB, "tmpfs went with its writer");
	while (live_limit(cgroup) > left + 4 * MIB)
		live_pump(deadline, "the limit to follow what is used");

	victim = live_victim(cgroup, "--rate", "200");
	live_expect_text(live_event(guard, "verdict", victim->pid), "airbag.result", "refused");
	live_wait_exit(victim);
	live_check(live_limit(cgroup) <= left + 4 * MIB, "more was lent");

	live_wait_exit(live_start(NULL, "/bin/sh", "-c", "rm -f \"$0\"/*", dir));
	live_expect_limit_back(cgroup, 64 * MIB);
	while (live_has_loans())
		live_pump(deadline, "the record of the loan to go");
	live_stop(guard);
}

/* Gives memory back and lives: the limit does not wait for the end of the grace. */
Test(airbag, limit_is_back_when_memory_has_fallen)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "fallen", LIMIT);
	struct live_process *guard =
		live_watch("--airbag", "64M", "--grace", "500s", "--cgroup", cgroup->rel);
	struct live_process *victim =
		live_victim(cgroup, "--deaf", "--sawtooth", "64M:280M", "--cycles", "2", "--hold");

	live_event(guard, "trip", victim->pid);
	live_wait_ready(victim);
	live_check(!victim->exited, "the victim has ended");
	live_expect_limit_back(cgroup, LIMIT);
	live_signal(victim, SIGKILL);
	live_wait_exit(victim);
	live_stop(guard);
}

Test(airbag, limit_that_somebody_else_changes_is_theirs)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "theirs", 64 * MIB);
	struct live_process *guard = live_watch("--airbag", "64M", "--cgroup", cgroup->rel);
	struct live_process *victim =
		live_victim(cgroup, "--deaf", "--max", "80M", "--hold", "--rate", "200");

	live_wait_ready(victim); /* beyond the old limit: it was raised */
	live_set_limit(cgroup, 512 * MIB);
	live_signal(victim, SIGKILL);
	live_wait_exit(victim);
	live_event(guard, "verdict", victim->pid);
	live_stop(guard);
	live_check(live_limit(cgroup) == 512 * MIB, "the limit is %" PRIu64, live_limit(cgroup));
}

/* As in most containers: said at the start, and growth is signalled all the same. */
Test(airbag, cgroup_that_cannot_be_written)
{
	const char *unshare = live_program("unshare"), *tool = getenv("APOPTOSIS");
	struct live_cgroup *cgroup = live_cgroup(NULL, "read-only", 64 * MIB);
	struct live_process *guard, *victim;
	const char *command;

	if (!unshare)
		live_skip("unshare", "no unshare in $PATH");
	command = live_format("mount -o remount,bind,ro %s && exec %s watch --json --airbag 64M "
			      "--cgroup %s",
			      cgroup_tree_mount(live_tree()), tool ? tool : "build/apoptosis",
			      cgroup->rel);
	guard = live_spawn_argv(&(struct live_spawn){.events = EVENTS_ON_STDOUT},
				(const char *const[]){unshare, "-m", "/bin/sh", "-ec", command,
						      NULL});
	live_event(guard, "ready", 0);
	live_wait_output(guard, 1, "no airbag: cannot raise the limit of");
	victim = live_victim(cgroup, "--rate", "200");
	live_expect_text(live_expect_victim_saved(guard, victim, cgroup), "airbag.result",
			 "failed");
	live_check(live_limit(cgroup) == 64 * MIB, "the limit was changed");
	live_stop(guard);
}

/* --- killed at every step ------------------------------------------------------------------ */

/* The threads of the tool, stopped at each system call. */
struct traced {
	pid_t pid;
	size_t count;
	struct traced_thread {
		pid_t tid;
		char name[256]; /* of the file its last call was about */
	} threads[16];
};

static struct traced trace(pid_t pid)
{
	struct traced traced = {.pid = pid};
	DIR *dir = opendir(live_format("/proc/%d/task", (int)pid));
	struct dirent *item;

	live_check(dir, "the threads of %d: %m", (int)pid);
	while ((item = readdir(dir))) {
		pid_t thread;

		if (parse_pid(item->d_name, &thread))
			continue;
		live_check(traced.count < ARRAY_SIZE(traced.threads), "too many threads");
		live_check(ptrace(PTRACE_SEIZE, thread, 0, PTRACE_O_TRACESYSGOOD) == 0 &&
				   ptrace(PTRACE_INTERRUPT, thread, 0, 0) == 0,
			   "cannot trace %d: %m", (int)thread);
		traced.threads[traced.count++].tid = thread;
	}
	closedir(dir);
	return traced;
}

/* Whether the thread is at the beginning or end of a call that opens to write, sets, writes or removes one. */
static bool is_step(struct traced_thread *thread)
{
	struct __ptrace_syscall_info info = {};

	ptrace(PTRACE_GET_SYSCALL_INFO, thread->tid, sizeof(info), &info);
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		const size_t room = sizeof(thread->name) - 1;
		struct iovec local = {thread->name, room};
		struct iovec remote = {(void *)info.entry.args[1], room};
		ssize_t n = 0;

		if (info.entry.nr == SYS_unlinkat || info.entry.nr == SYS_fsetxattr ||
		    info.entry.nr == SYS_fremovexattr ||
		    (info.entry.nr == SYS_openat && info.entry.args[2] & (O_WRONLY | O_RDWR)))
			n = process_vm_readv(thread->tid, &local, 1, &remote, 1, 0);
		else if (info.entry.nr == SYS_write)
			n = readlink(live_format("/proc/%d/fd/%d", (int)thread->tid,
						 (int)info.entry.args[0]),
				     thread->name, room);
		thread->name[MAX(n, 0)] = '\0';
	}
	return info.op != PTRACE_SYSCALL_INFO_NONE && is_ours(thread->name);
}

/* A traced process is a zombie until its threads have been waited for. */
static void kill_traced(struct traced *traced)
{
	kill(traced->pid, SIGKILL);
	for (size_t i = 0; i < traced->count; i++) {
		int status;

		if (traced->threads[i].tid == traced->pid)
			continue; /* the harness waits for it */
		while (waitpid(traced->threads[i].tid, &status, __WALL) > 0 && WIFSTOPPED(status))
			;
	}
}

/*
 * Lets the threads run to the nth step and kills the process there. False: there were not so many
 * before the process `until` had ended and the limit was back.
 */
static bool kill_at(struct traced *traced, unsigned int nth, struct live_process *until,
		    const struct live_cgroup *cgroup, uint64_t limit)
{
	uint64_t deadline = live_deadline();
	unsigned int steps = 0;
	clock_t last = clock();

	for (;;) {
		for (size_t i = 0; i < traced->count; i++) {
			struct traced_thread *thread = &traced->threads[i];
			int status;

			if (waitpid(thread->tid, &status, __WALL | WNOHANG) <= 0)
				continue;
			if (WSTOPSIG(status) == (SIGTRAP | 0x80) && is_step(thread) &&
			    ++steps == nth) {
				kill_traced(traced);
				return true;
			}
			ptrace(PTRACE_SYSCALL, thread->tid, 0, 0);
			last = clock();
		}
		if (clock() - last < CLOCKS_PER_SEC / 100)
			continue; /* the tool is in a hurry: look again at once */
		if (steps && until->exited && live_limit(cgroup) == limit &&
		    live_high_is_back(cgroup)) {
			kill_traced(traced);
			return false;
		}
		live_pump(deadline, "the save to be over");
	}
}

/* Whatever was done when we were killed, the next start undoes it. (A slow machine skips steps.) */
Test(airbag, killed_at_every_step_the_next_start_puts_the_limit_back, .timeout = 1200)
{
	unsigned int step = 1, kills = 0;
	bool reached = true;

	while (reached) {
		struct live_cgroup *cgroup = live_cgroup(NULL, "killed", 64 * MIB);
		struct live_process *guard, *victim;
		struct traced traced;

		if (cgroup_tree_version(live_tree()) == 2)
			live_set_high(cgroup, 1024 * MIB); /* that is lifted */
		guard = live_watch("--airbag", "64M", "--reserve", "50%", "--cgroup", cgroup->rel);
		traced = trace(guard->pid);
		/* Slower still where each call that is traced takes long: the save is to be seen. */
		victim = live_victim(cgroup, "--rate", live_format("%u", 100 / live_slowness()),
				     "--max", "500M", "--stubborn", "--shutdown-ms", "400");
		reached = kill_at(&traced, step, victim, cgroup, 64 * MIB);
		kills += reached;
		live_wait_exit(guard);
		if (!victim->exited)
			kill(victim->pid, SIGKILL);
		live_wait_exit(victim);
		guard = live_watch("--cgroup", cgroup->rel);
		live_check(live_limit(cgroup) == 64 * MIB && live_high_is_back(cgroup),
			   "killed at step %u the limit stays at %" PRIu64, step,
			   live_limit(cgroup));
		live_stop(guard);
		live_check(live_limit(cgroup) == 64 * MIB, "raised again");
		live_check(!live_has_loans(), "killed at step %u its record stays", step);
		step += live_slowness();
	}
	live_check(kills > 1, "a save has only %u steps?", kills);
}
