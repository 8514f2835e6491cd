// SPDX-License-Identifier: BSD-2-Clause
#include "rescue/responder.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "rescue/target.h"
#include "sense/pidref.h"

#define RESPONDER_PRIORITY 50 /* SCHED_FIFO, middle of 1..99: above everything but the kernel's */

#define LATER_MAX 64
#define RESPONDER_STACK (256UL * 1024) /* bytes */

struct responder {
	struct responder_config config;
	pthread_t thread;
	bool started;
	int stop_fd;	/* eventfd */
	int results[2]; /* pipe: read end, write end */
	struct {
		uint64_t cgroup;
		uint32_t type; /* APO_REC_REFRESH, APO_REC_PREPARE */
	} later[LATER_MAX];    /* what takes its time: signals first */
	size_t later_count;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

/* A record is smaller than PIPE_BUF: written whole or, when the slow path is far behind, not. */
static void tell(struct responder *responder, const struct responder_result *result)
{
	ssize_t n = write(responder->results[1], result, sizeof(*result));

	(void)n;
}

/* NULL: of policies that are no longer in force. */
static const struct policy *policy_of(const struct responder *responder, uint32_t id,
				      const struct apo_record *record)
{
	return policy_set_of_record(responder->config.policies, id, record->generation);
}

/* Whether the process was signalled for another trip a short while ago. */
static bool in_cooldown(const struct responder *responder, const struct apo_request *request,
			pid_t pid)
{
	struct apo_signalled entry;

	const struct policy *policy = policy_of(responder, request->process_policy, &request->rec);

	return policy && responder->config.initial_pid_ns &&
	       !source_followed(responder->config.source, pid, &entry) &&
	       entry.trip_id != request->trip_id &&
	       sat_sub(now_ns(), entry.time_ns) < policy->cooldown_ns;
}

/*
 * Signals one process, after letting the kernel side know whom to follow. A warning has no end
 * that anybody waits for.
 */
static void signal_one(struct responder *responder, const struct apo_request *request, pid_t pid,
		       uint64_t start_boottime_ns, int signal, struct responder_result *result)
{
	struct apo_signalled entry = {
		.trip_id = request->trip_id,
		.limit_cgroup = request->limit_cgroup,
		.time_ns = now_ns(),
		.signal = signal,
		.generate_result = -1,
		.policy = request->rec.policy,
		.process_policy = request->process_policy,
		.generation = request->rec.generation,
	};
	struct pidref target = {.pidfd = -1};
	int r;

	result->pid = pid;
	result->signal = signal;
	r = pidref_open(responder->config.proc_fd, pid, start_boottime_ns, &target);
	if (!r) {
		entry.start_boottime_ns = result->start_boottime_ns = target.start_boottime_ns;
		/* In another PID namespace our pids mean nothing to the kernel side. */
		if (responder->config.initial_pid_ns && request->rule != APO_RULE_WARN)
			source_follow(responder->config.source, pid, &entry);
		r = pidref_signal(&target, signal);
	}
	pidref_close(&target);
	result->error = r;
	result->time_ns = now_ns();
	result->action = !r	       ? APO_ACT_SENT_RESPONDER
			 : r == -ESRCH ? APO_ACT_DISAPPEARED
				       : APO_ACT_FAILED;
}

/* Signals a process if one of the signals makes sense for it. Returns whether it did. */
static bool try_one(struct responder *responder, const struct apo_request *request, pid_t pid,
		    uint64_t start_boottime_ns, struct responder_result *result)
{
	enum apo_disposition disposition;
	int signal = target_signal_choose(responder->config.proc_fd, pid, request->signal,
					  request->rule == APO_RULE_WARN, &disposition);

	result->disposition = disposition;
	if (!signal || in_cooldown(responder, request, pid)) {
		result->action = APO_ACT_NONE;
		return false;
	}
	signal_one(responder, request, pid, start_boottime_ns, signal, result);
	return result->action == APO_ACT_SENT_RESPONDER;
}

static void act_on_leader(struct responder *responder, const struct apo_request *request,
			  struct responder_result *result)
{
	pid_t leader;

	if (target_leader(responder->config.tree, responder->config.proc_fd,
			  pidref_local_pid(responder->config.initial_pid_ns, &request->grower),
			  &leader)) {
		result->action = APO_ACT_NONE;
		result->error = -ESRCH;
		return;
	}
	try_one(responder, request, leader, 0, result);
}

struct all_walk {
	struct responder *responder;
	const struct apo_request *request;
	size_t found;
};

static int signal_cgroup(int dirfd, const char *path, void *userdata)
{
	struct all_walk *walk = userdata;
	_cleanup_free_ pid_t *pids = NULL;
	size_t n;

	(void)path;
	if (cgroup_procs(dirfd, &pids, &n))
		return 0;
	for (size_t i = 0; i < n; i++) {
		struct responder_result result = {.trip_id = walk->request->trip_id};

		try_one(walk->responder, walk->request, pids[i], 0, &result);
		if (result.pid) {
			walk->found++;
			tell(walk->responder, &result);
		}
	}
	return 0;
}

/* Every process below the cgroup whose limit binds. */
static void act_on_all(struct responder *responder, const struct apo_request *request,
		       struct responder_result *result)
{
	struct all_walk walk = {.responder = responder, .request = request};
	_cleanup_free_ char *rel = NULL;
	_cleanup_close_ int dirfd = -1;
	int r;

	r = cgroup_path_of_id(responder->config.tree, request->limit_cgroup, &rel);
	if (!r)
		r = cgroup_open(responder->config.tree, rel, &dirfd);
	if (!r)
		r = cgroup_walk(dirfd, signal_cgroup, &walk);
	result->action = APO_ACT_NONE;
	result->error = walk.found ? 0 : r;
	result->last = 1;
	tell(responder, result);
}

/* Reading memory.stat has the kernel bring its statistics up to date; what it says is not used. */
static void refresh(struct responder *responder, uint64_t cgroup)
{
	_cleanup_free_ char *rel = NULL, *text = NULL;
	_cleanup_close_ int dirfd = -1;

	if (!cgroup_path_of_id(responder->config.tree, cgroup, &rel) &&
	    !cgroup_open(responder->config.tree, rel, &dirfd))
		file_read(dirfd, "memory.stat", &text, NULL);
}

static void inflate(struct responder *responder, const struct apo_request *request)
{
	struct responder_result result = {
		.trip_id = request->trip_id,
		.is_airbag = true,
		.last = 1,
		.limit_cgroup = request->limit_cgroup,
	};
	uint64_t rate_bytes_s = request->rate_pages_s * responder->config.page_bytes;
	const struct policy *policy = policy_of(responder, request->rec.policy, &request->rec);
	const struct policy *own = policy_of(responder, request->process_policy, &request->rec);

	if (!request->trip_id) {
		airbag_inflate_again(responder->config.airbag, request->limit_cgroup, rate_bytes_s);
		return;
	}
	if (policy)
		airbag_inflate(responder->config.airbag, request->limit_cgroup, policy,
			       own ? own->grace_ns : 0, rate_bytes_s, &result.airbag);
	result.time_ns = now_ns();
	tell(responder, &result);
}

static int on_urgent(const struct apo_record *record, void *userdata)
{
	const struct apo_request *request = (const struct apo_request *)record;
	struct responder *responder = userdata;
	struct responder_result result = {.trip_id = request->trip_id};
	const struct policy *policy = policy_of(responder, request->process_policy, record);
	enum apo_target target = policy ? policy->target : APO_TARGET_GROWER;

	if (record->type == APO_REC_BRAKE) {
		airbag_brake(responder->config.airbag, request->limit_cgroup);
		return 0;
	}
	if (record->type != APO_REC_REQUEST) {
		if (responder->later_count < LATER_MAX) {
			responder->later[responder->later_count].cgroup = request->limit_cgroup;
			responder->later[responder->later_count++].type = record->type;
		}
		return 0;
	}
	if (request->flags & APO_REQUEST_AIRBAG)
		inflate(responder, request);
	if (!(request->flags & APO_REQUEST_SIGNAL))
		return 0;
	if (target == APO_TARGET_ALL) {
		act_on_all(responder, request, &result);
		return 0;
	}
	if (target == APO_TARGET_LEADER ||
	    (!try_one(responder, request,
		      pidref_local_pid(responder->config.initial_pid_ns, &request->grower),
		      request->grower.start_boottime_ns, &result) &&
	     result.action == APO_ACT_NONE && request->rule != APO_RULE_WARN))
		act_on_leader(responder, request, &result);
	result.last = 1;
	tell(responder, &result);
	return 0;
}

static void *responder_main(void *userdata)
{
	struct responder *responder = userdata;
	struct pollfd fds[] = {
		{.fd = source_urgent_fd(responder->config.source), .events = POLLIN},
		{.fd = responder->stop_fd, .events = POLLIN},
	};

	pthread_setname_np(pthread_self(), "responder");
	while (!(fds[1].revents & POLLIN)) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			break;
		if (fds[0].revents & POLLIN)
			source_consume_urgent(responder->config.source);
		for (size_t i = 0; i < responder->later_count; i++) {
			uint64_t cgroup = responder->later[i].cgroup;

			if (responder->later[i].type == APO_REC_REFRESH)
				refresh(responder, cgroup);
			else
				airbag_prepare_id(responder->config.airbag, cgroup);
		}
		responder->later_count = 0;
	}
	return NULL;
}

/*
 * On fault: locks what is used, not every mapping of every library. Below a limit on locked
 * memory every later mapping could fail, so then nothing is locked.
 */
static void lock_memory(bool privileged)
{
	struct rlimit limit;
	int r = 0;

	if (!privileged && (getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur != RLIM_INFINITY))
		r = EPERM;
	else if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))
		r = errno;
	if (r)
		log_warn("cannot lock memory: %s (needs CAP_IPC_LOCK), ignoring", strerror(r));
}

static int thread_start(struct responder *responder)
{
	struct sched_param param = {.sched_priority = RESPONDER_PRIORITY};
	pthread_attr_t attr;
	int r;

	lock_memory(responder->config.may_lock_memory);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, RESPONDER_STACK);
	r = pthread_create(&responder->thread, &attr, responder_main, responder);
	pthread_attr_destroy(&attr);
	if (r)
		return -r;
	responder->started = true;
	r = pthread_setschedparam(responder->thread, SCHED_FIFO, &param);
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
	responder->results[0] = responder->results[1] = -1;
	responder->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (responder->stop_fd < 0 || pipe2(responder->results, O_CLOEXEC | O_NONBLOCK))
		r = -errno;
	else
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
	uint64_t one = 1;

	if (!responder)
		return NULL;
	if (responder->started && write(responder->stop_fd, &one, sizeof(one)) == sizeof(one))
		pthread_join(responder->thread, NULL);
	close_fd(responder->stop_fd);
	close_fd(responder->results[0]);
	close_fd(responder->results[1]);
	free(responder);
	return NULL;
}

int responder_results_fd(const struct responder *responder)
{
	return responder->results[0];
}
