// SPDX-License-Identifier: BSD-2-Clause
#include "symbols/privileges.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/util.h"

#define NOBODY 65534

/* --- what it has ---------------------------------------------------------------------------- */

static void limit(int resource, rlim_t most)
{
	setrlimit(resource, &(struct rlimit){.rlim_cur = most, .rlim_max = most});
}

/* The OOM killer takes this process first. The daemon may be exempt, which is inherited. */
static void be_first_to_go(void)
{
	static const char most[] = "1000";
	_cleanup_close_ int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, most, sizeof(most) - 1) < 0)
		return; /* it stays as inherited */
}

static bool is_among(int fd, const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (fds[i] == fd)
			return true;
	return false;
}

/* Not by close_range(2), which older filters of containers and services refuse. */
bool privileges_close_others(const int *kept, size_t count)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *item;

	if (!dir)
		return false;
	while ((item = readdir(dir))) {
		int fd = *item->d_name == '.' ? -1 : (int)strtol(item->d_name, NULL, 10);

		if (fd >= 0 && fd != dirfd(dir) && !is_among(fd, kept, count))
			close(fd);
	}
	closedir(dir);
	return true;
}

/* False: not permitted. */
static bool change_user(void)
{
	return setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
	       setresuid(NOBODY, NOBODY, NOBODY) == 0;
}

/* A user other than root can have capabilities too, from a service manager. */
static bool drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};

	return syscall(SYS_capset, &header, none) == 0;
}

/* --- what it may call ---------------------------------------------------------------------- */

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#endif

/* A sanitizer needs 20 TiB of address space, and system calls of its own. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

#ifdef THIS_ARCH

/*
 * C libraries make fstat(3) of newfstatat(2) with an empty path, and a filter cannot see whether a path
 * is empty: the call is answered here instead, by descriptor.
 */
static void on_stat(int signal, siginfo_t *info, void *context)
{
	mcontext_t *machine = &((ucontext_t *)context)->uc_mcontext;
	int saved = errno, fd, flags;
	struct stat *ret;
	long result;

	(void)signal, (void)info;
#if defined(__x86_64__)
	fd = (int)machine->gregs[REG_RDI];
	ret = (struct stat *)machine->gregs[REG_RDX]; // NOLINT(performance-no-int-to-ptr)
	flags = (int)machine->gregs[REG_R10];
#else
	fd = (int)machine->regs[0];
	ret = (struct stat *)machine->regs[2]; // NOLINT(performance-no-int-to-ptr)
	flags = (int)machine->regs[3];
#endif
	if (flags != AT_EMPTY_PATH)
		result = -EPERM;
	else
		result = syscall(SYS_fstat, fd, ret) ? -errno : 0;
#if defined(__x86_64__)
	machine->gregs[REG_RAX] = result;
#else
	machine->regs[0] = (unsigned long long)result;
#endif
	errno = saved;
}

/* Low halves: the kernel takes no more of these arguments, and both architectures are little-endian. */
#define ARGUMENT(n) (offsetof(struct seccomp_data, args) + (n) * sizeof(__u64))
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, action)
#define REFUSED (SECCOMP_RET_ERRNO | EPERM)
#define IS_CALL(name, skipped) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, skipped)

#define ANSWER(name, action) IS_CALL(name, 1), RETURN(action)
#define ALLOW(name) ANSWER(name, SECCOMP_RET_ALLOW)
/* If the n-th argument is the value; if it has none of the bits. */
#define ALLOW_IF(name, n, value)                                                               \
	IS_CALL(name, 4), LOAD(ARGUMENT(n)), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1), \
		RETURN(SECCOMP_RET_ALLOW), RETURN(REFUSED)
#define ALLOW_WITHOUT(name, n, bits)                                                           \
	IS_CALL(name, 4), LOAD(ARGUMENT(n)), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 1, 0), \
		RETURN(SECCOMP_RET_ALLOW), RETURN(REFUSED)

/*
 * No code, and no file: what is mapped of a file with holes in a tmpfs, and read, becomes memory of that
 * file, charged to us, which outlives us and in which its owner may write. libelf reads what it cannot map.
 */
#define ALLOW_PLAIN_MEMORY(name)                                                          \
	IS_CALL(name, 6), LOAD(ARGUMENT(2)),                                              \
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 3, 0), LOAD(ARGUMENT(3)), \
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MAP_ANONYMOUS, 0, 1),                \
		RETURN(SECCOMP_RET_ALLOW), RETURN(REFUSED)

/*
 * Other system calls fail with EPERM, an error that callers must handle anyway, instead of ending the
 * process; those of another architecture end it. x32 has numbers of its own, which are none of these.
 */
static bool confine(void)
{
	struct sock_filter filter[] = {
		LOAD(offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCH, 1, 0),
		RETURN(SECCOMP_RET_KILL_PROCESS),
		LOAD(offsetof(struct seccomp_data, nr)),
		ALLOW(read),
		ALLOW(readv),
		ALLOW(pread64),
		ALLOW(write),
		ALLOW(writev),
		ALLOW(lseek),
		ALLOW(close),
		ALLOW(fstat),
		ANSWER(newfstatat, SECCOMP_RET_TRAP),
		/* Others of its commands signal processes, lock files, make descriptors. */
		ALLOW_IF(fcntl, 1, F_GETFL),
		ALLOW_PLAIN_MEMORY(mmap),
		ALLOW_WITHOUT(mprotect, 2, PROT_EXEC),
		ALLOW(munmap),
		ALLOW(mremap),
		ALLOW(madvise),
		ALLOW(brk),
		ALLOW(futex),
		ALLOW(getrandom),
		ALLOW(sysinfo),
		ALLOW(clock_gettime),
		ALLOW(restart_syscall),
		ALLOW(rt_sigreturn),
		ALLOW(exit),
		ALLOW(exit_group),
		RETURN(REFUSED),
	};
	const struct sock_fprog program = {.len = ARRAY_SIZE(filter), .filter = filter};
	const struct sigaction action = {.sa_sigaction = on_stat, .sa_flags = SA_SIGINFO};

	return sigaction(SIGSYS, &action, NULL) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

#else

static bool confine(void)
{
	return false;
}

#endif

bool privileges_drop(const struct privileges_bounds *bounds)
{
	be_first_to_go();
	if (!SANITIZED)
		limit(RLIMIT_AS, bounds->memory_bytes);
	limit(RLIMIT_CPU, bounds->cpu_s);
	limit(RLIMIT_FSIZE, bounds->answer_bytes);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_NPROC, 0);
	limit(RLIMIT_NOFILE, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return false;
	/* Without CAP_SETUID, as in most services, root cannot change user: what it may call decides. */
	if (geteuid() == 0)
		change_user();
	if (!drop_capabilities() || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return false;
	/* Nobody would end it then. Forgotten when the user is changed, so after that. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return false;
	return SANITIZED ? geteuid() != 0 : confine();
}
