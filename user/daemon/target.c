// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/target.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/util.h"
#include "sense/proc.h"

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

int target_open(int proc_fd, pid_t pid, uint64_t start_boottime_ns, struct target *ret)
{
	uint64_t tick_ns = NSEC_PER_SEC / sysconf(_SC_CLK_TCK), ticks;
	_cleanup_close_ int pidfd = -1;
	int r;

	if (pid <= 1 || pid == getpid())
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
	*ret = (struct target){
		.pid = pid,
		.pidfd = TAKE_FD(pidfd),
		.start_boottime_ns = start_boottime_ns ?: ticks * tick_ns,
	};
	return 0;
}

void target_close(struct target *target)
{
	target->pidfd = close_fd(target->pidfd);
}

int target_signal(const struct target *target, int signal)
{
	if (target->pidfd < 0)
		return -ESRCH;
	return syscall(SYS_pidfd_send_signal, target->pidfd, signal, NULL, 0) ? -errno : 0;
}

bool target_exited(const struct target *target)
{
	struct pollfd poll_fd = {.fd = target->pidfd, .events = POLLIN};

	return target->pidfd < 0 || poll(&poll_fd, 1, 0) > 0;
}

int target_signal_choose(int proc_fd, pid_t pid, int wanted, bool warn,
			 enum apo_disposition *ret_disposition)
{
	enum apo_disposition disposition = proc_disposition(proc_fd, pid, wanted);

	*ret_disposition = disposition;
	if (warn)
		return disposition == APO_DISP_HANDLED || disposition == APO_DISP_BLOCKED ? wanted
											  : 0;
	if (disposition != APO_DISP_IGNORED && disposition != APO_DISP_INIT)
		return wanted;
	return proc_disposition(proc_fd, pid, SIGINT) == APO_DISP_HANDLED ? SIGINT : 0;
}

static bool among(pid_t pid, const pid_t *pids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

/* Rank of a candidate for leader, smaller is better; UINT64_MAX: none. */
static uint64_t leader_rank(const struct proc_info *info, uint32_t ns_level, const pid_t *pids,
			    size_t n)
{
	if (info->zombie || info->kernel_thread)
		return UINT64_MAX;
	if (ns_level > 0)
		return info->ns_level == ns_level && info->ns_pid == 1 ? 0 : UINT64_MAX;
	return among(info->ppid, pids, n) ? UINT64_MAX : info->start_ticks;
}

int target_leader(const struct cgroup_tree *tree, int proc_fd, pid_t pid, pid_t *ret)
{
	_cleanup_proc_info_ struct proc_info *info = NULL;
	_cleanup_free_ pid_t *pids = NULL;
	_cleanup_free_ char *rel = NULL;
	_cleanup_close_ int dirfd = -1;
	uint64_t best = UINT64_MAX;
	pid_t leader = 0;
	size_t n;
	int r;

	r = proc_info_read(proc_fd, pid, &info);
	if (!r)
		r = cgroup_path_of_pid(tree, proc_fd, pid, &rel);
	if (!r)
		r = cgroup_open(tree, rel, &dirfd);
	if (!r)
		r = cgroup_procs(dirfd, &pids, &n);
	if (r)
		return r;
	for (size_t i = 0; i < n; i++) {
		_cleanup_proc_info_ struct proc_info *candidate = NULL;
		uint64_t rank;

		if (proc_info_read(proc_fd, pids[i], &candidate))
			continue;
		rank = leader_rank(candidate, info->ns_level, pids, n);
		if (rank < best) {
			best = rank;
			leader = pids[i];
		}
	}
	if (!leader)
		return -ESRCH;
	*ret = leader;
	return 0;
}
