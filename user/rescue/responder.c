// SPDX-License-Identifier: BSD-2-Clause
#include "rescue/responder.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/outbox.h"
#include "base/util.h"
#include "base/wake.h"
#include "base/worker.h"
#include "rescue/leader.h"
#include "sense/pidref.h"
#include "sense/proc.h"

#define RESPONDER_PRIORITY 50 /* SCHED_FIFO, middle of 1..99: above everything but the kernel's */
#define RESPONDER_STACK (256UL * 1024) /* bytes */
#define DESCRIPTORS 16384	       /* a few for each limit: 8 bytes of the kernel's each */

struct responder {
	struct responder_config config;
	struct respond respond;
	struct worker worker;
	bool is_locked, is_realtime;
	struct outbox results;
	struct outbox asked; /* struct apo_request, of the slow path */
};

/* --- what is done for a record ------------------------------------------------------------- */

static uint64_t now_ns(void *userdata)
{
	(void)userdata;
	return clock_ns(CLOCK_MONOTONIC);
}

static void tell(const struct responder_result *result, void *userdata)
{
	struct responder *responder = userdata;

	outbox_put(&responder->results, result);
}

static int grant(const struct grace *grace, void *userdata)
{
	const struct responder *responder = userdata;

	return keeper_grant(responder->config.keeper, grace);
}

static void raise_limit(const struct airbag_growth *growth, const struct policy *policy,
			uint64_t grace_ns, struct airbag_result *ret, void *userdata)
{
	const struct responder *responder = userdata;

	airbag_raise(responder->config.airbag, growth, policy, grace_ns, ret);
}

static void lend(const struct airbag_growth *growth, const struct policy *policy, void *userdata)
{
	const struct responder *responder = userdata;

	airbag_lend(responder->config.airbag, growth, policy);
}

static void brake(uint64_t limit_cgroup, void *userdata)
{
	const struct responder *responder = userdata;

	airbag_brake(responder->config.airbag, limit_cgroup);
}

static void prepare(uint64_t limit_cgroup, void *userdata)
{
	const struct responder *responder = userdata;

	airbag_prepare_id(responder->config.airbag, limit_cgroup);
}

static int open_cgroup(const struct responder *responder, uint64_t cgroup_id, int *ret_dirfd)
{
	_cleanup_free_ char *rel = NULL;
	int r = cgroup_path_of_id(responder->config.tree, cgroup_id, &rel);

	return r ?: cgroup_open(responder->config.tree, rel, ret_dirfd);
}

/* Reading memory.stat has the kernel bring its statistics up to date; what it says is not used. */
static void refresh(uint64_t limit_cgroup, void *userdata)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int dirfd = -1;

	if (!open_cgroup(userdata, limit_cgroup, &dirfd))
		file_read(dirfd, "memory.stat", &text, NULL);
}

static int look(pid_t pid, struct pool_look *ret, void *userdata)
{
	const struct responder *responder = userdata;

	return pool_look_at(responder->config.proc_fd, pid, ret);
}

static size_t children(pid_t pid, pid_t *ret, size_t max, void *userdata)
{
	const struct responder *responder = userdata;

	return proc_children(responder->config.proc_fd, pid, ret, max);
}

static int leader(pid_t pid, const struct apo_task *task, pid_t *ret,
		  uint64_t *ret_start_boottime_ns, void *userdata)
{
	const struct responder *responder = userdata;

	return leader_find(responder->config.tree, responder->config.proc_fd, pid, task, ret,
			   ret_start_boottime_ns);
}

struct process_walk {
	void (*visit)(pid_t pid, void *walk);
	void *walk;
};

static int visit_cgroup(int dirfd, const char *path, void *userdata)
{
	const struct process_walk *walk = userdata;
	_cleanup_free_ pid_t *pids = NULL;
	size_t n;

	(void)path;
	if (cgroup_procs(dirfd, &pids, &n))
		return 0;
	for (size_t i = 0; i < n; i++)
		walk->visit(pids[i], walk->walk);
	return 0;
}

static int each_process(uint64_t cgroup_id, void (*visit)(pid_t pid, void *walk), void *walk,
			void *userdata)
{
	struct process_walk processes = {.visit = visit, .walk = walk};
	_cleanup_close_ int dirfd = -1;
	int r = open_cgroup(userdata, cgroup_id, &dirfd);

	return r ?: cgroup_walk(dirfd, visit_cgroup, &processes);
}

static enum apo_disposition disposition(const struct pidref *process, int signal, void *userdata)
{
	const struct responder *responder = userdata;

	return proc_disposition(responder->config.proc_fd, process->pid, signal);
}

static int hold(pid_t pid, uint64_t start_boottime_ns, struct pidref *ret, void *userdata)
{
	const struct responder *responder = userdata;

	return pidref_open(responder->config.proc_fd, pid, start_boottime_ns, ret);
}

static int send_signal(const struct pidref *process, int signal, void *userdata)
{
	const struct responder *responder = userdata;
	int r = pidref_signal(process, signal);

	if (!r)
		source_on_sent(responder->config.source, process->pid);
	return r;
}

static bool is_member(const struct pidref *process, uint64_t cgroup_id, void *userdata)
{
	const struct responder *responder = userdata;

	return cgroup_has_process(responder->config.tree, responder->config.proc_fd, cgroup_id,
				  process->pid);
}

static int follow(pid_t pid, const struct apo_signalled *entry, void *userdata)
{
	const struct responder *responder = userdata;

	return source_follow(responder->config.source, pid, entry);
}

static int followed(pid_t pid, struct apo_signalled *ret, void *userdata)
{
	const struct responder *responder = userdata;

	return source_followed(responder->config.source, pid, ret);
}

static int declared(pid_t pid, struct apo_declared *ret, void *userdata)
{
	const struct responder *responder = userdata;

	return source_declared(responder->config.source, pid, ret);
}

static const struct respond_ops ops = {
	.now_ns = now_ns,
	.tell = tell,
	.grant = grant,
	.raise = raise_limit,
	.lend = lend,
	.brake = brake,
	.prepare = prepare,
	.refresh = refresh,
	.look = look,
	.children = children,
	.leader = leader,
	.each_process = each_process,
	.disposition = disposition,
	.hold = hold,
	.send = send_signal,
	.is_member = is_member,
	.follow = follow,
	.followed = followed,
	.declared = declared,
};

/* --- the thread ---------------------------------------------------------------------------- */

static int on_urgent(const struct apo_record *record, void *userdata)
{
	struct responder *responder = userdata;

	respond_to(&responder->respond, record);
	return 0;
}

static void *responder_main(void *userdata)
{
	struct responder *responder = userdata;
	struct pollfd fds[] = {
		{.fd = source_urgent_fd(responder->config.source), .events = POLLIN},
		{.fd = responder->worker.wake_fd, .events = POLLIN},
		{.fd = outbox_fd(&responder->asked), .events = POLLIN},
	};
	struct apo_request request;

	log_never_wait();
	while (worker_goes_on(&responder->worker)) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			break;
		if (fds[0].revents & POLLIN)
			source_consume_urgent(responder->config.source);
		while (outbox_take(&responder->asked, &request))
			respond_to(&responder->respond, &request.rec);
		respond_to_rest(&responder->respond);
		if (fds[1].revents & POLLIN)
			wake_clear(responder->worker.wake_fd);
		worker_turned(&responder->worker);
	}
	return NULL;
}

/*
 * On fault: locks what is used, not every mapping of every library. Below a limit on locked
 * memory every later mapping could fail, so then nothing is locked.
 */
static bool lock_memory(bool privileged)
{
	struct rlimit limit;
	int r = 0;

	if (!privileged && (getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur != RLIM_INFINITY))
		r = EPERM;
	else if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))
		r = errno;
	if (r)
		log_warn("cannot lock memory: %s (needs CAP_IPC_LOCK), ignoring", strerror(r));
	return !r;
}

/*
 * Has the kernel make room for many descriptors while there is one thread. Later whoever opens the 65th,
 * the 129th and so on waits until all CPUs have passed by: up to 177 ms, as measured on two busy ones.
 */
static void reserve_descriptors(int fd)
{
	struct rlimit files;
	int last;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return;
	last = fcntl(fd, F_DUPFD_CLOEXEC, (int)MIN(files.rlim_cur, (rlim_t)DESCRIPTORS) - 1);
	if (last >= 0)
		close(last);
}

static int thread_start(struct responder *responder)
{
	struct sched_param param = {.sched_priority = RESPONDER_PRIORITY};
	int r;

	responder->is_locked = lock_memory(responder->config.may_lock_memory);
	reserve_descriptors(responder->worker.wake_fd);
	r = worker_start(&responder->worker, RESPONDER_STACK, responder_main, responder);
	if (r)
		return r;
	r = pthread_setschedparam(responder->worker.thread, SCHED_FIFO, &param);
	responder->is_realtime = !r;
	if (r)
		log_warn("cannot schedule the responder in real time: %s (needs CAP_SYS_NICE), "
			 "ignoring",
			 strerror(r));
	return 0;
}

int responder_new(struct responder **ret, const struct responder_config *config)
{
	struct responder *responder = calloc(1, sizeof(*responder));
	int r;

	if (!responder)
		return -ENOMEM;
	responder->config = *config;
	responder->respond = (struct respond){
		.ops = &ops,
		.userdata = responder,
		.policies = config->policies,
		.profiles = config->profiles,
		.page_bytes = config->page_bytes,
		.initial_pid_ns = config->initial_pid_ns,
	};
	responder->worker = WORKER_NONE;
	responder->asked = OUTBOX_NONE;
	r = outbox_open(&responder->results, sizeof(struct responder_result))
		    ?: outbox_open(&responder->asked, sizeof(struct apo_request));
	if (!r)
		r = worker_open(&responder->worker, "responder");
	if (!r)
		r = source_on_urgent(config->source, on_urgent, responder);
	if (!r)
		r = thread_start(responder);
	if (r) {
		log_error("cannot start the responder: %s", strerror(-r));
		responder_free(responder);
		return r;
	}
	*ret = responder;
	return 0;
}

struct responder *responder_free(struct responder *responder)
{
	if (!responder)
		return NULL;
	worker_close(&responder->worker);
	outbox_close(&responder->results);
	outbox_close(&responder->asked);
	free(responder);
	return NULL;
}

void responder_ask(struct responder *responder, const struct apo_request *request)
{
	outbox_put(&responder->asked, request);
}

bool responder_is_locked(const struct responder *responder)
{
	return responder->is_locked;
}

bool responder_is_realtime(const struct responder *responder)
{
	return responder->is_realtime;
}

int responder_results_fd(const struct responder *responder)
{
	return outbox_fd(&responder->results);
}

bool responder_next_result(struct responder *responder, struct responder_result *ret)
{
	return outbox_take(&responder->results, ret);
}

uint64_t responder_lost(const struct responder *responder)
{
	return outbox_lost(&responder->results);
}

struct worker *responder_worker(struct responder *responder)
{
	return &responder->worker;
}
