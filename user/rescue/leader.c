// SPDX-License-Identifier: BSD-2-Clause
#include "rescue/leader.h"

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"
#include "sense/proc.h"

static bool among(pid_t pid, const pid_t *pids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

#define LEVEL_UNKNOWN UINT32_MAX

/*
 * Rank of a candidate for leader, smaller is better; UINT64_MAX: none. Where the level of the PID
 * namespace is not known, any init will do.
 */
static uint64_t leader_rank(const struct proc_info *info, uint32_t ns_level, const pid_t *pids,
			    size_t n)
{
	bool is_init = info->ns_level > 0 && info->ns_pid == 1;

	if (info->zombie || info->kernel_thread)
		return UINT64_MAX;
	if (ns_level == LEVEL_UNKNOWN && is_init)
		return 0;
	if (ns_level != LEVEL_UNKNOWN && ns_level > 0)
		return is_init && info->ns_level == ns_level ? 0 : UINT64_MAX;
	return among(info->ppid, pids, n) ? UINT64_MAX : info->start_ticks;
}

/* How far below ours its PID namespace is. */
static uint32_t level_of(int proc_fd, pid_t pid, const struct apo_task *task)
{
	_cleanup_proc_info_ struct proc_info *info = NULL;
	struct pidref process = PIDREF_NONE;
	uint32_t level = LEVEL_UNKNOWN;

	if (!pidref_open(proc_fd, pid, task->start_boottime_ns, &process) &&
	    !proc_info_read(proc_fd, pid, &info) &&
	    pidref_is(&process, info->pid, info->start_boottime_ns))
		level = info->ns_level;
	pidref_close(&process);
	return level;
}

int leader_find(const struct cgroup_tree *tree, int proc_fd, pid_t pid, const struct apo_task *task,
		pid_t *ret, uint64_t *ret_start_boottime_ns)
{
	uint32_t level = level_of(proc_fd, pid, task);
	_cleanup_free_ pid_t *pids = NULL;
	_cleanup_free_ char *rel = NULL;
	_cleanup_close_ int dirfd = -1;
	uint64_t best = UINT64_MAX;
	size_t n;
	int r = cgroup_path_of_id(tree, task->cgroup_id, &rel);

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
		rank = leader_rank(candidate, level, pids, n);
		if (rank < best) {
			best = rank;
			*ret = pids[i];
			*ret_start_boottime_ns = candidate->start_boottime_ns;
		}
	}
	return best == UINT64_MAX ? -ESRCH : 0;
}
