// SPDX-License-Identifier: BSD-2-Clause
#include "rescue/leader.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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

/*
 * How far below ours its PID namespace is, and the cgroup it is in: on v2 that may be one without a memory
 * controller, below the one it is charged to. Not of another process, nor of one that has moved away.
 */
static int look_at_process(const struct cgroup_tree *tree, int proc_fd, pid_t pid,
			   const struct apo_task *task, uint32_t *ret_level, char **ret_rel)
{
	_cleanup_proc_info_ struct proc_info *info = NULL;
	struct pidref process = PIDREF_NONE;
	int r = pidref_open(proc_fd, pid, task->start_boottime_ns, &process);

	if (!r)
		r = proc_info_read(proc_fd, pid, &info);
	if (!r && pidref_is(&process, info->pid, info->start_boottime_ns))
		*ret_level = info->ns_level;
	if (!r && !cgroup_has_process(tree, proc_fd, task->cgroup_id, pid))
		r = -ESRCH;
	if (!r)
		r = cgroup_path_of_pid(tree, proc_fd, pid, ret_rel);
	if (!r && pidref_exited(&process)) { /* the pid may be another's */
		free(TAKE_PTR(*ret_rel));
		r = -ESRCH;
	}
	pidref_close(&process);
	return r;
}

/* Of the processes of a cgroup. */
static int find_leader(const struct cgroup_tree *tree, int proc_fd, const char *rel,
		       uint32_t ns_level, struct proc_info **ret)
{
	_cleanup_proc_info_ struct proc_info *leader = NULL;
	_cleanup_free_ pid_t *pids = NULL;
	_cleanup_close_ int dirfd = -1;
	uint64_t best = UINT64_MAX;
	size_t n;
	int r = cgroup_open(tree, rel, &dirfd);

	if (!r)
		r = cgroup_procs(dirfd, &pids, &n);
	if (r)
		return r;
	for (size_t i = 0; i < n; i++) {
		_cleanup_proc_info_ struct proc_info *candidate = NULL;
		uint64_t rank;

		if (proc_info_read(proc_fd, pids[i], &candidate))
			continue;
		rank = leader_rank(candidate, ns_level, pids, n);
		if (rank < best) {
			best = rank;
			proc_info_free(leader);
			leader = TAKE_PTR(candidate);
		}
	}
	if (!leader)
		return -ESRCH;
	*ret = TAKE_PTR(leader);
	return 0;
}

int leader_find(const struct cgroup_tree *tree, int proc_fd, pid_t pid, const struct apo_task *task,
		pid_t *ret, uint64_t *ret_start_boottime_ns)
{
	_cleanup_proc_info_ struct proc_info *leader = NULL;
	_cleanup_free_ char *rel = NULL;
	uint32_t level = LEVEL_UNKNOWN;
	int r = look_at_process(tree, proc_fd, pid, task, &level, &rel);

	if (r)
		r = cgroup_path_of_id(tree, task->cgroup_id, &rel);
	if (!r)
		r = find_leader(tree, proc_fd, rel, level, &leader);
	if (r)
		return r;
	*ret = leader->pid;
	*ret_start_boottime_ns = leader->start_boottime_ns;
	return 0;
}

int leader_of_cgroup(const struct cgroup_tree *tree, int proc_fd, const char *rel,
		     struct proc_info **ret)
{
	return strcmp(rel, "/") == 0 ? -ESRCH : find_leader(tree, proc_fd, rel, LEVEL_UNKNOWN, ret);
}
