/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * breakout DIRECTORY: tries to get out of where apoptosis-symbols reads hostile files. Each attempt is
 * made twice, in a process of its own: free, where root may do it, and behind privileges_drop(), where
 * it has to fail in the way that is meant. An attempt that fails for both would show nothing: it is a
 * failure too, but for what not every kernel has.
 *
 * breakout --every-call: the other way round, from behind privileges_drop() every system call that
 * reading and replying do not take.
 *
 * Standard output: a line for each attempt, "ok NAME", "lacking NAME" or "FAIL NAME: ...". Exit status:
 * 0 if none failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "breakout_attempts.h"
#include "symbols/privileges.h"

static const struct privileges_bounds bounds = {
	.memory_bytes = MEMORY_BYTES,
	.answer_bytes = ANSWER_BYTES,
	.cpu_s = CPU_S,
};

/* --- every attempt -------------------------------------------------------------------------- */

/* How an attempt ended, in `text`. */
static const char *tell(int result, char text[64])
{
	if (result <= DIED(0))
		snprintf(text, 64, "killed by SIG%s", sigabbrev_np(DIED(0) - result));
	else
		snprintf(text, 64, "%s", result ? strerrorname_np(-result) : "success");
	return text;
}

#define NOT_CONFINED 250 /* exit status */

static int run(const struct attempt *attempt, bool confined)
{
	int status;
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		if (confined && !privileges_drop(&bounds))
			_exit(NOT_CONFINED);
		_exit(-attempt->run());
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFSIGNALED(status) ? DIED(WTERMSIG(status)) : -WEXITSTATUS(status);
}

static bool judge(const struct attempt *attempt)
{
	int free_result = run(attempt, false), confined = run(attempt, true);
	char free_text[64], confined_text[64];
	bool lacking = free_result && attempt->may_lack;

	if ((!free_result && confined == attempt->confined) ||
	    (lacking && (confined == attempt->confined || confined == free_result))) {
		printf("%s %s\n", lacking ? "lacking" : "ok", attempt->name);
		return true;
	}
	printf("FAIL %s: %s for root, confined %s\n", attempt->name, tell(free_result, free_text),
	       tell(confined, confined_text));
	return false;
}

/* In a mount namespace of its own, for what is mounted. */
static int prepare(const char *directory)
{
	int mount_id;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -errno;
	left.directory_fd = open(directory, O_RDONLY | O_DIRECTORY);
	snprintf(left.file, sizeof(left.file), "%s/secret", directory);
	close(open(left.file, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	left.read_fd = open(left.file, O_RDONLY);
	left.answer_fd = memfd_create("answer", 0);
	left.program_fd = open("/proc/self/exe", O_RDONLY);
	left.namespace_fd = open("/proc/self/ns/net", O_RDONLY);
	left.parent_pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (left.directory_fd < 0 || left.read_fd < 0 || left.answer_fd < 0 ||
	    left.program_fd < 0 || left.parent_pidfd < 0)
		return -errno;
	left.handle.head.handle_bytes = MAX_HANDLE_SZ;
	left.has_handle = name_to_handle_at(left.directory_fd, "secret", &left.handle.head,
					    &mount_id, 0) == 0;
	return 0;
}

/* --- every call ---------------------------------------------------------------------------- */

#define CALLS_MAX 1024
#define X32 0x40000000L

/* Of fcntl, mmap, mprotect and newfstatat some uses only. */
static const long taken[] = {
	SYS_read,
	SYS_readv,
	SYS_pread64,
	SYS_write,
	SYS_writev,
	SYS_lseek,
	SYS_close,
	SYS_fstat,
	SYS_mmap,
	SYS_mprotect,
	SYS_munmap,
	SYS_mremap,
	SYS_madvise,
	SYS_brk,
	SYS_futex,
	SYS_getrandom,
	SYS_sysinfo,
	SYS_clock_gettime,
	SYS_restart_syscall,
	SYS_rt_sigreturn,
	SYS_exit,
	SYS_exit_group,
#if defined(__x86_64__)
	/* uretprobe and uprobe: newer kernels let them through, and end who calls them. */
	335,
	336,
#endif
};

static bool is_taken(long number)
{
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		if (taken[i] == number)
			return true;
	return false;
}

/* Returns how many are not refused: 0 or 1. */
static int expect_refused(const char *what, long number, long one, long two)
{
	int r = result_of(syscall(number, 0, one, two, 0, 0, 0));

	if (r == -EPERM)
		return 0;
	printf("FAIL %s %#lx with %#lx, %#lx: %s\n", what, number, one, two,
	       r ? strerrorname_np(-r) : "success");
	return 1;
}

static int every_call(void)
{
	int bad = 0;

	if (!privileges_drop(&bounds))
		return NOT_CONFINED;
	for (long number = 0; number < CALLS_MAX; number++) {
		if (!is_taken(number))
			bad += expect_refused("call", number, 0, 0);
		bad += expect_refused("x32 call", X32 | number, 0, 0);
	}
	for (long command = 0; command < 2048; command++)
		if (command != F_GETFL)
			bad += expect_refused("fcntl", SYS_fcntl, command, 0);
	for (long prot = PROT_EXEC; prot < 2 * PROT_EXEC; prot++) {
		bad += expect_refused("mmap", SYS_mmap, 4096, prot);
		bad += expect_refused("mprotect", SYS_mprotect, 4096, prot | 1L << 32);
	}
	printf("%d not refused\n", bad);
	return bad != 0;
}

int main(int argc, char *argv[])
{
	bool ok = true;
	int r;

	if (argc == 2 && strcmp(argv[1], "--nothing") == 0)
		return 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGURG, SIG_IGN);
	if (argc == 2 && strcmp(argv[1], "--every-call") == 0)
		return every_call();
	r = argc == 2 ? prepare(argv[1]) : -EINVAL;
	if (r) {
		fprintf(stderr, "breakout DIRECTORY: %s\n", strerror(-r));
		return 2;
	}
	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++)
		ok = judge(&attempts[i]) && ok;
	return !ok;
}
