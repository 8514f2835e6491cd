// SPDX-License-Identifier: BSD-2-Clause
#include "engine/explain.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"
#include "engine/declarations.h"
#include "engine/manager.h"
#include "base/runtime_dir.h"
#include "rescue/journal.h"
#include "rescue/leader.h"
#include "rescue/pool.h"
#include "sense/cgroup_memory.h"
#include "sense/pidref.h"
#include "sense/proc.h"
#include "core/unit.h"

struct explain {
	const struct policy *policy;
	struct pool_view view;
	const struct cgroup_tree *tree;
	int proc_fd;
	pid_t grower;
	/* What owners have declared, of these two. */
	pid_t unit_pid, container_pid;
	struct apo_declared of_unit, of_container;
};

struct described {
	const struct explain *explain;
	pid_t pid;
};

static enum apo_disposition disposition_of(int signal, void *userdata)
{
	const struct described *described = userdata;

	return proc_disposition(described->explain->proc_fd, described->pid, signal);
}

static int look(pid_t pid, struct pool_look *ret, void *userdata)
{
	const struct explain *explain = userdata;

	return pool_look_at(explain->proc_fd, pid, ret);
}

static size_t children(pid_t pid, pid_t *ret, size_t max, void *userdata)
{
	const struct explain *explain = userdata;

	return proc_children(explain->proc_fd, pid, ret, max);
}

/* As much of the command line as the responder sees. NULL: none. */
static char *arguments_of(int proc_fd, const struct pidref *process)
{
	_cleanup_close_ int dirfd = pidref_open_dir(process, proc_fd);
	char *arguments = NULL;

	if (dirfd >= 0 && !proc_cmdline_read(dirfd, &arguments) && arguments &&
	    strlen(arguments) > APO_ARGS_LEN)
		arguments[APO_ARGS_LEN] = '\0';
	return arguments;
}

static struct apo_declared declared_of(const struct explain *explain, pid_t pid)
{
	if (pid == explain->unit_pid)
		return explain->of_unit;
	if (pid == explain->container_pid)
		return explain->of_container;
	return (struct apo_declared){.by = APO_DECLARED_NOTHING};
}

/* Of others than the one that grows, the responder does not know the command line. */
static void describe(const struct explain *explain, const struct pidref *process,
		     struct explained_process *ret)
{
	_cleanup_free_ char *arguments =
		process->pid == explain->grower ? arguments_of(explain->proc_fd, process) : NULL;
	struct described described = {.explain = explain, .pid = process->pid};
	struct pool_look self;
	struct stop_wish wish;

	*ret = (struct explained_process){.pid = process->pid};
	if (!look(process->pid, &self, (void *)explain))
		ret->comm = strdup(self.comm);
	ret->profile = pool_profile(&explain->view, process->pid, arguments, &ret->other_profile);
	wish = (struct stop_wish){
		.signal = explain->policy->signal,
		.is_given = explain->policy->signal_given,
		.declared = declared_of(explain, process->pid),
		.profile = ret->profile,
	};
	ret->stop = stop_signal_choose(&wish, disposition_of, &described);
	ret->target = stop_target(&wish);
}

static void describe_pid(const struct explain *explain, pid_t pid, uint64_t start_boottime_ns,
			 struct explained_process *ret)
{
	struct pidref process = PIDREF_NONE;

	if (pidref_open(explain->proc_fd, pid, start_boottime_ns, &process))
		return;
	describe(explain, &process, ret);
	pidref_close(&process);
}

/* Who is told in its place: only a member of the cgroup whose limit binds. */
static void explain_other(const struct explain *explain, struct explanation *ret)
{
	_cleanup_close_ int dirfd = -1;
	uint64_t limit_cgroup;
	pid_t other = ret->process.target != PROFILE_SELF
			      ? pool_other(&explain->view, explain->grower, ret->process.profile)
			      : 0;

	if (other && ret->limit_cgroup && !cgroup_open(explain->tree, ret->limit_cgroup, &dirfd) &&
	    !cgroup_id(dirfd, &limit_cgroup) &&
	    cgroup_has_process(explain->tree, explain->proc_fd, limit_cgroup, other))
		describe_pid(explain, other, 0, &ret->other);
}

/* Whether the record of a loan could be kept, and the limit written. 0 or -errno. */
static int may_lend(const struct cgroup_tree *tree, const struct cgroup_limit *limit)
{
	_cleanup_close_ int journal = -1, dirfd = -1;
	int r = runtime_dir_open(false, &journal);

	if (r && r != -ENOENT) /* it would be made */
		return r;
	r = cgroup_open(tree, limit->cgroup, &dirfd);
	if (!r && !cgroup_limit_writable(tree, dirfd))
		r = errno == EROFS ? -EROFS : -EACCES;
	return r;
}

static int explain_limit(const struct explain *explain, struct explanation *ret)
{
	const struct cgroup_tree *tree = explain->tree;
	const struct policy *policy = explain->policy;
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

static void explain_leader(const struct explain *explain, const struct pidref *process,
			   struct explanation *ret)
{
	struct apo_task task = {
		.tgid = (uint32_t)process->pid,
		.ns_tgid = (uint32_t)process->pid,
		.start_boottime_ns = process->start_boottime_ns,
	};
	_cleanup_close_ int dirfd = -1;
	uint64_t start_boottime_ns, id;
	pid_t pid;

	if (cgroup_open(explain->tree, ret->cgroup, &dirfd) || cgroup_id(dirfd, &id))
		return;
	task.cgroup_id = id;
	if (!leader_find(explain->tree, explain->proc_fd, process->pid, &task, &pid,
			 &start_boottime_ns))
		describe_pid(explain, pid, start_boottime_ns, &ret->leader);
}

/* What its owner has declared, and what becomes of the service when the shutdown has worked. */
static void explain_unit(struct explain *explain, struct explanation *ret)
{
	const char *systemctl = manager_systemctl();
	_cleanup_free_ char *unit = NULL;

	if (systemctl && !unit_from_cgroup(ret->cgroup, &unit) && unit_is_service(unit) &&
	    !manager_ask_now(systemctl, unit, &ret->unit_state)) {
		ret->unit = TAKE_PTR(unit);
		explain->unit_pid = ret->unit_state.main_pid;
		explain->of_unit = unit_declares(&ret->unit_state,
						 unit_restarts_after_success(&ret->unit_state));
	}
	explain->of_container = declarations_of_container(explain->tree, explain->proc_fd,
							  ret->cgroup, &explain->container_pid);
}

int explain(pid_t pid, const struct policy *policy, const struct profiles *profiles,
	    struct explanation *ret)
{
	_cleanup_close_ int root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = NULL;
	struct explain explain = {
		.policy = policy,
		.view = {.profiles = profiles,
			 .look = look,
			 .children = children,
			 .userdata = &explain},
		.proc_fd = proc_fd,
		.grower = pid,
	};
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
	explain.tree = tree;
	if (!r) {
		explain_unit(&explain, ret);
		describe(&explain, &process, &ret->process);
		explain_leader(&explain, &process, ret);
		r = explain_limit(&explain, ret);
		explain_other(&explain, ret);
	}
	if (!r && pidref_exited(&process))
		r = -ESRCH;
	explanation_choose_target(ret, policy->target);
	pidref_close(&process);
	return r;
}
