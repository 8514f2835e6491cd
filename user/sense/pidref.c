// SPDX-License-Identifier: BSD-2-Clause
#include "sense/pidref.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/util.h"
#include "sense/proc.h"

pid_t pidref_local_pid(bool initial_pid_ns, const struct apo_task *task)
{
	return initial_pid_ns ? task->tgid : task->ns_tgid;
}

/* glibc wraps these from 2.36 on; musl and older glibc do not. */
static int pidfd_open_process(pid_t pid)
{
	int fd = syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

/* /proc rounds start times down to a clock tick, in its own way; a tick either way is the same. */
static bool same_start(uint64_t exact_ns, uint64_t ticks_ns)
{
	uint64_t tick_ns = NSEC_PER_SEC / sysconf(_SC_CLK_TCK);
	uint64_t apart = exact_ns > ticks_ns ? exact_ns - ticks_ns : ticks_ns - exact_ns;

	return apart <= tick_ns;
}

/* Where /proc does not say which PID namespace it is of, it is the initial one. */
static bool is_machines_init(int proc_fd, pid_t pid)
{
	struct stat ns;

	return pid == 1 &&
	       (fstatat(proc_fd, "self/ns/pid", &ns, 0) || ns.st_ino == PID_NS_INITIAL_INO);
}

int pidref_open(int proc_fd, pid_t pid, uint64_t start_boottime_ns, struct pidref *ret)
{
	uint64_t tick_ns = NSEC_PER_SEC / sysconf(_SC_CLK_TCK), ticks;
	_cleanup_close_ int pidfd = -1;
	int r;

	if (pid < 1 || is_machines_init(proc_fd, pid) || pid == getpid())
		return -EPERM;
	pidfd = pidfd_open_process(pid);
	if (pidfd < 0)
		return pidfd == -EINVAL ? -ESRCH : pidfd;
	/*
	 * Read after the pidfd is held: if the start time fits, the pidfd is that process. Only
	 * stat, which takes no lock of a process that is just then faulting at its limit.
	 */
	r = proc_start_ticks(proc_fd, pid, &ticks);
	if (r)
		return r;
	if (start_boottime_ns && !same_start(start_boottime_ns, ticks * tick_ns))
		return -ESRCH;
	if (proc_is_kernel_thread(proc_fd, pid))
		return -EPERM;
	*ret = (struct pidref){
		.pid = pid,
		.pidfd = TAKE_FD(pidfd),
		.start_boottime_ns = start_boottime_ns ?: ticks * tick_ns,
	};
	return 0;
}

int pidref_of_task(int proc_fd, bool initial_pid_ns, const struct apo_task *task,
		   struct pidref *ret)
{
	struct pidref pidref;
	int r = pidref_open(proc_fd, pidref_local_pid(initial_pid_ns, task),
			    task->start_boottime_ns, &pidref);

	if (r)
		return r;
	pidref.cgroup_id = task->cgroup_id;
	*ret = pidref;
	return 0;
}

bool pidref_started(const struct pidref *pidref, uint64_t start_boottime_ns)
{
	return same_start(pidref->start_boottime_ns, start_boottime_ns);
}

bool pidref_is(const struct pidref *pidref, pid_t pid, uint64_t start_boottime_ns)
{
	return pidref->pidfd >= 0 && pidref->pid == pid &&
	       pidref_started(pidref, start_boottime_ns);
}

int pidref_open_dir(const struct pidref *pidref, int proc_fd)
{
	_cleanup_close_ int fd = -1;
	char name[16];

	if (pidref->pidfd < 0)
		return -ESRCH;
	snprintf(name, sizeof(name), "%d", pidref->pid);
	fd = openat(proc_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	/* Asked after the directory is open: as long as it lives, the pid is no other's. */
	return pidref_exited(pidref) ? -ESRCH : TAKE_FD(fd);
}

void pidref_close(struct pidref *pidref)
{
	pidref->pidfd = close_fd(pidref->pidfd);
}

int pidref_copy(const struct pidref *pidref, struct pidref *ret)
{
	int fd = fcntl(pidref->pidfd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	*ret = *pidref;
	ret->pidfd = fd;
	return 0;
}

int pidref_signal(const struct pidref *pidref, int signal)
{
	if (pidref->pidfd < 0)
		return -ESRCH;
	return syscall(SYS_pidfd_send_signal, pidref->pidfd, signal, NULL, 0) ? -errno : 0;
}

bool pidref_exited(const struct pidref *pidref)
{
	struct pollfd poll_fd = {.fd = pidref->pidfd, .events = POLLIN};

	return pidref->pidfd < 0 || poll(&poll_fd, 1, 0) > 0;
}
