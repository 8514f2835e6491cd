/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What breakout_tool.c tries, which includes this once. An attempt returns 0, or -errno, or does not
 * return. What it may need is opened before.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <linux/openat2.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"

#define MEMORY_BYTES (256UL << 20)
#define ANSWER_BYTES (1UL << 20)
#define CPU_S 1

/* What a process could have been left with, opened before. */
static struct {
	int directory_fd, read_fd, answer_fd, program_fd, namespace_fd, parent_pidfd;
	char file[4096]; /* its path */
	struct {
		struct file_handle head;
		unsigned char rest[MAX_HANDLE_SZ];
	} handle;
	bool has_handle;
} left;

/* Of a call that returns -1 when it fails. */
static int result_of(long result)
{
	return result < 0 ? -errno : 0;
}

/* --- files --------------------------------------------------------------------------------- */

static int open_by_path(void)
{
	return result_of(open(left.file, O_RDONLY | O_CLOEXEC));
}

static int open_below_a_descriptor(void)
{
	return result_of(openat(left.directory_fd, "secret", O_RDONLY | O_CLOEXEC));
}

static int open_by_openat2(void)
{
	struct open_how how = {.flags = O_RDONLY};

	return result_of(syscall(SYS_openat2, left.directory_fd, "secret", &how, sizeof(how)));
}

static int open_by_handle(void)
{
	if (!left.has_handle)
		return -EOPNOTSUPP;
	return result_of(open_by_handle_at(left.directory_fd, &left.handle.head, O_RDONLY));
}

static int open_own_memory(void)
{
	return result_of(open("/proc/self/mem", O_RDWR | O_CLOEXEC));
}

static int open_process_1(void)
{
	return result_of(open("/proc/1/status", O_RDONLY | O_CLOEXEC));
}

static int create_a_file(void)
{
	return result_of(openat(left.directory_fd, "new", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

static int remove_a_file(void)
{
	return result_of(unlinkat(left.directory_fd, "new", 0));
}

static int look_at_a_path(void)
{
	struct stat info;

	return result_of(stat(left.file, &info));
}

/* The path is not looked at, nor is there such a descriptor. */
static int look_at_a_path_as_if_it_were_none(void)
{
	struct stat info;

	return result_of(fstatat(AT_FDCWD, left.file, &info, AT_EMPTY_PATH));
}

/* By whatever way there is. */
static int change_what_it_reads(void)
{
	char link[40];
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, left.read_fd, 0);

	if (at != MAP_FAILED || write(left.read_fd, "!", 1) == 1 ||
	    pwrite(left.read_fd, "!", 1, 0) == 1)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", left.read_fd);
	return result_of(open(link, O_RDWR | O_CLOEXEC));
}

static int lock_what_it_reads(void)
{
	struct flock whole = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

	return result_of(fcntl(left.read_fd, F_SETLK, &whole));
}

static int lease_what_it_reads(void)
{
	return result_of(fcntl(left.read_fd, F_SETLEASE, F_RDLCK));
}

static int make_a_descriptor(void)
{
	return result_of(fcntl(left.read_fd, F_DUPFD, 0));
}

static int make_a_file_in_memory(void)
{
	return result_of(memfd_create("new", MFD_CLOEXEC));
}

static int control_a_descriptor(void)
{
	return result_of(ioctl(left.read_fd, FIOCLEX));
}

/* --- others -------------------------------------------------------------------------------- */

static int socket_inet(void)
{
	return result_of(socket(AF_INET, SOCK_STREAM, 0));
}

static int socket_unix(void)
{
	return result_of(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int socket_netlink(void)
{
	return result_of(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
}

static int socket_pair(void)
{
	int pair[2];

	return result_of(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
}

static int shared_memory(void)
{
	int id = shmget(IPC_PRIVATE, 4096, 0600), r = result_of(id);

	if (!r)
		shmctl(id, IPC_RMID, NULL);
	return r;
}

static int fork_a_process(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return result_of(pid);
}

static int clone_a_process(void)
{
	long pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0)
		_exit(0);
	return result_of(pid);
}

static int exec_by_path(void)
{
	char *const argv[] = {(char[]){"breakout"}, (char[]){"--nothing"}, NULL}, *const envp[] = {
											  NULL};

	return result_of(execve("/proc/self/exe", argv, envp));
}

static int exec_by_descriptor(void)
{
	char *const argv[] = {(char[]){"breakout"}, (char[]){"--nothing"}, NULL}, *const envp[] = {
											  NULL};

	return result_of(syscall(SYS_execveat, left.program_fd, "", argv, envp, AT_EMPTY_PATH));
}

/* Which ignores it. */
static int signal_the_parent(void)
{
	return result_of(kill(getppid(), SIGURG));
}

static int signal_a_thread(void)
{
	return result_of(syscall(SYS_tgkill, getppid(), getppid(), SIGURG));
}

static int signal_by_descriptor(void)
{
	return result_of(syscall(SYS_pidfd_send_signal, left.parent_pidfd, SIGURG, NULL, 0));
}

static int signal_by_ownership(void)
{
	return result_of(fcntl(left.read_fd, F_SETOWN, getppid()));
}

static int trace_the_parent(void)
{
	return result_of(ptrace(PTRACE_SEIZE, getppid(), NULL, NULL));
}

static int read_the_parent(void)
{
	char byte;
	struct iovec here = {.iov_base = &byte, .iov_len = 1};
	struct iovec there = {.iov_base = left.file,
			      .iov_len = 1}; /* it is at the same place there */

	return result_of(process_vm_readv(getppid(), &here, 1, &there, 1, 0));
}

static int take_a_descriptor(void)
{
	return result_of(syscall(SYS_pidfd_getfd, left.parent_pidfd, left.read_fd, 0));
}

static int bound_the_parent(void)
{
	struct rlimit core = {};

	return result_of(prlimit(getppid(), RLIMIT_CORE, &core, NULL));
}

/* --- the kernel ---------------------------------------------------------------------------- */

static int mount_something(void)
{
	return result_of(mount("none", "/tmp", "tmpfs", 0, NULL));
}

static int unshare_mounts(void)
{
	return result_of(unshare(CLONE_NEWNS));
}

static int unshare_users(void)
{
	return result_of(unshare(CLONE_NEWUSER));
}

static int enter_a_namespace(void)
{
	return result_of(setns(left.namespace_fd, CLONE_NEWNET));
}

static int change_root(void)
{
	return result_of(chroot("/"));
}

static int use_io_uring(void)
{
	char parameters[256] = {};

	return result_of(syscall(SYS_io_uring_setup, 1, parameters));
}

static int use_bpf(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

	return result_of(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
}

static int use_keys(void)
{
	enum { GET_KEYRING_ID = 0, PROCESS_KEYRING = -2 };

	return result_of(syscall(SYS_keyctl, GET_KEYRING_ID, PROCESS_KEYRING, 1));
}

static int use_userfaultfd(void)
{
	return result_of(syscall(SYS_userfaultfd, O_CLOEXEC));
}

static int use_perf_events(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
	};

	return result_of(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
}

/* --- taking it back ------------------------------------------------------------------------ */

static int become_root(void)
{
	return result_of(setresuid(0, 0, 0));
}

static int take_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct one[_LINUX_CAPABILITY_U32S_3] = {
		{.effective = 1 << CAP_KILL, .permitted = 1 << CAP_KILL}};

	return result_of(syscall(SYS_capset, &header, one));
}

static int become_dumpable(void)
{
	return result_of(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int outlive_the_parent(void)
{
	return result_of(prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0));
}

static int change_personality(void)
{
	return result_of(personality(READ_IMPLIES_EXEC));
}

static int raise_bounds(void)
{
	struct rlimit more = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};

	return result_of(setrlimit(RLIMIT_AS, &more));
}

static int change_scheduling(void)
{
	return result_of(sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){}));
}

/* --- code ---------------------------------------------------------------------------------- */

static int is_mapped(void *at)
{
	return at == MAP_FAILED ? -errno : 0;
}

static int map_code(void)
{
	return is_mapped(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static int map_code_of_a_file(void)
{
	return is_mapped(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, left.program_fd, 0));
}

/* Its holes would become memory, if it is on a tmpfs. */
static int map_what_it_reads(void)
{
	return is_mapped(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, left.read_fd, 0));
}

static int make_data_code(void)
{
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return is_mapped(at) ?: result_of(mprotect(at, 4096, PROT_READ | PROT_EXEC));
}

#if defined(__x86_64__)
/* The numbers of i386 are others. Where the kernel does without (ia32_emulation=off), SIGSEGV. */
static int call_as_i386(void)
{
	enum { GETPID = 20 };
	long pid = GETPID;

	__asm__ volatile("int $0x80" : "+a"(pid) : : "memory", "r8", "r9", "r10", "r11");
	return pid > 0 ? 0 : (int)pid;
}
#endif

/* --- bounds -------------------------------------------------------------------------------- */

static int take_memory(void)
{
	return is_mapped(mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
}

/* Free, it ends by itself. */
static int take_time(void)
{
	struct timespec used = {};

	while (used.tv_sec < 2 * CPU_S)
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return 0;
}

static int answer_at_length(void)
{
	return result_of(lseek(left.answer_fd, ANSWER_BYTES, SEEK_SET))
		       ?: result_of(write(left.answer_fd, "!", 1));
}

/* --- the list ------------------------------------------------------------------------------  */

#define DIED(signal) (-(256 + (signal)))

#define ATTEMPT(name)                      \
	{                                  \
#name, name, -EPERM, false \
	}
/* Not every kernel, or file system, can do it. */
#define ATTEMPT_RARE(name)                \
	{                                 \
#name, name, -EPERM, true \
	}
#define ATTEMPT_ENDS(name, result)         \
	{                                  \
#name, name, result, false \
	}

static const struct attempt {
	const char *name;
	int (*run)(void);
	int confined; /* what it comes to: -errno, DIED() */
	bool may_lack;
} attempts[] = {
	ATTEMPT(open_by_path),
	ATTEMPT(open_below_a_descriptor),
	ATTEMPT(open_by_openat2),
	ATTEMPT_RARE(open_by_handle),
	ATTEMPT(open_own_memory),
	ATTEMPT(open_process_1),
	ATTEMPT(create_a_file),
	ATTEMPT(remove_a_file),
	ATTEMPT(look_at_a_path),
	ATTEMPT_ENDS(look_at_a_path_as_if_it_were_none, -EBADF),
	ATTEMPT(change_what_it_reads),
	ATTEMPT(lock_what_it_reads),
	ATTEMPT(lease_what_it_reads),
	ATTEMPT(make_a_descriptor),
	ATTEMPT(make_a_file_in_memory),
	ATTEMPT(control_a_descriptor),
	ATTEMPT(socket_inet),
	ATTEMPT(socket_unix),
	ATTEMPT(socket_netlink),
	ATTEMPT(socket_pair),
	ATTEMPT_RARE(shared_memory),
	ATTEMPT(fork_a_process),
	ATTEMPT(clone_a_process),
	ATTEMPT(exec_by_path),
	ATTEMPT(exec_by_descriptor),
	ATTEMPT(signal_the_parent),
	ATTEMPT(signal_a_thread),
	ATTEMPT(signal_by_descriptor),
	ATTEMPT(signal_by_ownership),
	ATTEMPT(trace_the_parent),
	ATTEMPT_RARE(read_the_parent),
	ATTEMPT(take_a_descriptor),
	ATTEMPT(bound_the_parent),
	ATTEMPT(mount_something),
	ATTEMPT(unshare_mounts),
	ATTEMPT_RARE(unshare_users),
	ATTEMPT_RARE(enter_a_namespace),
	ATTEMPT(change_root),
	ATTEMPT_RARE(use_io_uring),
	ATTEMPT(use_bpf),
	ATTEMPT_RARE(use_keys),
	ATTEMPT_RARE(use_userfaultfd),
	ATTEMPT_RARE(use_perf_events),
	ATTEMPT(become_root),
	ATTEMPT(take_capabilities),
	ATTEMPT(become_dumpable),
	ATTEMPT(outlive_the_parent),
	ATTEMPT(change_personality),
	ATTEMPT(raise_bounds),
	ATTEMPT(change_scheduling),
	ATTEMPT(map_code),
	ATTEMPT(map_code_of_a_file),
	ATTEMPT(map_what_it_reads),
	ATTEMPT(make_data_code),
#if defined(__x86_64__)
	ATTEMPT_RARE(call_as_i386),
#endif
	ATTEMPT_ENDS(take_memory, -ENOMEM),
	ATTEMPT_ENDS(take_time, DIED(SIGKILL)),
	ATTEMPT_ENDS(answer_at_length, DIED(SIGXFSZ)),
};
