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

int leader_find(const struct cgroup_tree *tree, int proc_fd, pid_t pid, pid_t *ret)
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
