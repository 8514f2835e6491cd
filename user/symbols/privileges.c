// SPDX-License-Identifier: BSD-2-Clause
#include "symbols/privileges.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <signal.h>
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

/* A sanitizer needs 20 TiB of address space, and system calls of its own. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

#if defined(__x86_64__) || defined(__aarch64__)

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

struct rule {
	uint32_t action;
	int call;
	unsigned int count; /* of arguments that are looked at */
	struct scmp_arg_cmp arguments[2];
};

#define ALLOW(name)                                \
	{                                          \
		SCMP_ACT_ALLOW, SCMP_SYS(name), 0, \
		{                                  \
			{                          \
			}                          \
		}                                  \
	}
#define NO_CODE SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)

static const struct rule rules[] = {
	ALLOW(read),
	ALLOW(readv),
	ALLOW(pread64),
	ALLOW(write),
	ALLOW(writev),
	ALLOW(lseek),
	ALLOW(close),
	ALLOW(fstat),
	{SCMP_ACT_TRAP, SCMP_SYS(newfstatat), 0, {{}}},
	/* Others of its commands signal processes, lock files, make descriptors. */
	{SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, {SCMP_A1(SCMP_CMP_EQ, F_GETFL)}},
	/*
	 * No file either: what is mapped of a file with holes in a tmpfs, and read, becomes memory of that file, charged
	 * to us, which outlives us and in which its owner may write. libelf reads what it cannot map.
	 */
	{SCMP_ACT_ALLOW,
	 SCMP_SYS(mmap),
	 2,
	 {NO_CODE, SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS)}},
	{SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, {NO_CODE}},
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
};

/*
 * Other system calls fail with EPERM, an error that callers must handle anyway, instead of ending the
 * process; those of another architecture, x32 among them, too.
 */
static bool confine(void)
{
	const struct sigaction action = {.sa_sigaction = on_stat, .sa_flags = SA_SIGINFO};
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = filter ? seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM))
		       : -ENOMEM;

	for (size_t i = 0; i < ARRAY_SIZE(rules) && !r; i++)
		r = seccomp_rule_add_array(filter, rules[i].action, rules[i].call, rules[i].count,
					   rules[i].arguments);
	r = r ?: sigaction(SIGSYS, &action, NULL) ?: seccomp_load(filter);
	seccomp_release(filter);
	return !r;
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
