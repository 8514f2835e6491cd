// SPDX-License-Identifier: BSD-2-Clause
#include "engine/explain.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"
#include "rescue/journal.h"
#include "rescue/leader.h"
#include "sense/cgroup_memory.h"
#include "sense/pidref.h"
#include "sense/proc.h"

static void describe(int proc_fd, const struct pidref *process, const struct policy *policy,
		     struct explained_process *ret)
{
	_cleanup_proc_info_ struct proc_info *info = NULL;

	ret->pid = process->pid;
	if (!proc_info_read(proc_fd, process->pid, &info))
		ret->comm = TAKE_PTR(info->comm);
	ret->disposition = proc_disposition(proc_fd, process->pid, policy->signal);
	ret->stop = stop_signal_choose(policy->signal, policy->signal_given, ret->disposition,
				       proc_disposition(proc_fd, process->pid, SIGINT));
}

/* Whether the record of a loan could be kept, and the limit written. 0 or -errno. */
static int may_lend(const struct cgroup_tree *tree, const struct cgroup_limit *limit)
{
	_cleanup_close_ int journal = -1, dirfd = -1;
	int r = journal_open(false, &journal);

	if (r && r != -ENOENT) /* it would be made */
		return r;
	r = cgroup_open(tree, limit->cgroup, &dirfd);
	if (!r && !cgroup_limit_writable(tree, dirfd))
		r = errno == EROFS ? -EROFS : -EACCES;
	return r;
}

static int explain_limit(const struct cgroup_tree *tree, const struct policy *policy,
			 struct explanation *ret)
{
	_cleanup_cgroup_limit_ struct cgroup_limit limit = {};
	int r = cgroup_limit_binding(tree, ret->cgroup, &limit);

	if (r || !limit.cgroup)
		return r;
	ret->limit_bytes = limit.limit_bytes;
	ret->file_bytes = limit.file_bytes;
	ret->need_bytes = sat_sub(limit.usage_bytes, limit.file_bytes);
	ret->reserve_bytes =
		policy_reserve_bytes(policy, limit.limit_bytes, (uint64_t)sysconf(_SC_PAGESIZE));
	if (policy_lends(policy)) {
		ret->lends_error = may_lend(tree, &limit);
		ret->lends = !ret->lends_error;
		ret->lends_bytes = policy_lends_bytes(policy, limit.limit_bytes);
	}
	ret->limit_cgroup = TAKE_PTR(limit.cgroup);
	return 0;
}

static void explain_leader(const struct cgroup_tree *tree, int proc_fd,
			   const struct pidref *process, const struct policy *policy,
			   struct explanation *ret)
{
	struct apo_task task = {
		.tgid = (uint32_t)process->pid,
		.ns_tgid = (uint32_t)process->pid,
		.start_boottime_ns = process->start_boottime_ns,
	};
	struct pidref leader = PIDREF_NONE;
	_cleanup_close_ int dirfd = -1;
	uint64_t start_boottime_ns, id;
	pid_t pid;

	if (cgroup_open(tree, ret->cgroup, &dirfd) || cgroup_id(dirfd, &id))
		return;
	task.cgroup_id = id;
	if (leader_find(tree, proc_fd, process->pid, &task, &pid, &start_boottime_ns) ||
	    pidref_open(proc_fd, pid, start_boottime_ns, &leader))
		return;
	describe(proc_fd, &leader, policy, &ret->leader);
	pidref_close(&leader);
}

int explain(pid_t pid, const struct policy *policy, struct explanation *ret)
{
	_cleanup_close_ int root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = NULL;
	struct pidref process = PIDREF_NONE;
	int r = root_fd < 0 || proc_fd < 0 ? -errno : 0;

	*ret = (struct explanation){.realtime_ns = clock_ns(CLOCK_REALTIME),
				    .limit_bytes = APO_UNLIMITED};
	if (!r)
		r = pidref_open(proc_fd, pid, 0, &process);
	if (!r)
		r = cgroup_tree_new(&tree, root_fd);
	if (!r)
		r = cgroup_path_of_pid(tree, proc_fd, pid, &ret->cgroup);
	if (!r) {
		describe(proc_fd, &process, policy, &ret->process);
		explain_leader(tree, proc_fd, &process, policy, ret);
		r = explain_limit(tree, policy, ret);
	}
	if (!r && pidref_exited(&process))
		r = -ESRCH;
	explanation_choose_target(ret, policy->target);
	pidref_close(&process);
	return r;
}
