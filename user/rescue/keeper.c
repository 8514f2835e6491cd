// SPDX-License-Identifier: BSD-2-Clause
#include "rescue/keeper.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/outbox.h"
#include "base/util.h"
#include "base/wake.h"
#include "base/worker.h"
#include "sense/cgroup_memory.h"
#include "sense/machine.h"

#define KEEPER_STACK (256UL * 1024) /* bytes */

struct keeper {
	struct keeper_config config;
	struct worker worker;
	struct outbox outbox;

	pthread_mutex_t mutex; /* of the graces */
	struct grace graces[KEEPER_GRACES_MAX];
	size_t count;
};

/* --- graces -------------------------------------------------------------------------------- */

int keeper_grant(struct keeper *keeper, const struct grace *grace)
{
	bool is_known = false;
	int r = 0;

	pthread_mutex_lock(&keeper->mutex);
	for (size_t i = 0; i < keeper->count; i++)
		is_known |= keeper->graces[i].trip_id == grace->trip_id;
	if (is_known)
		r = -EEXIST;
	else if (keeper->count == KEEPER_GRACES_MAX)
		r = -ENOBUFS;
	else
		keeper->graces[keeper->count++] = *grace;
	pthread_mutex_unlock(&keeper->mutex);
	if (!r)
		worker_ping(&keeper->worker);
	return r;
}

/* With the mutex. */
static struct grace take(struct keeper *keeper, size_t index)
{
	struct grace taken = keeper->graces[index];

	keeper->graces[index] = keeper->graces[--keeper->count];
	return taken;
}

void keeper_forget(struct keeper *keeper, uint64_t trip_id)
{
	struct grace forgotten = {.process = PIDREF_NONE};

	pthread_mutex_lock(&keeper->mutex);
	for (size_t i = 0; i < keeper->count; i++)
		if (keeper->graces[i].trip_id == trip_id) {
			forgotten = take(keeper, i);
			break;
		}
	pthread_mutex_unlock(&keeper->mutex);
	pidref_close(&forgotten.process);
}

/* One whose time has come; else when the next one's does: UINT64_MAX, there is none. */
static bool take_due(struct keeper *keeper, uint64_t now_ns, struct grace *ret,
		     uint64_t *ret_next_ns)
{
	bool is_due = false;

	*ret_next_ns = UINT64_MAX;
	pthread_mutex_lock(&keeper->mutex);
	for (size_t i = 0; i < keeper->count && !is_due; i++) {
		is_due = keeper->graces[i].deadline_ns <= now_ns;
		if (is_due)
			*ret = take(keeper, i);
		else
			*ret_next_ns = MIN(*ret_next_ns, keeper->graces[i].deadline_ns);
	}
	pthread_mutex_unlock(&keeper->mutex);
	return is_due;
}

/* Of the machine: what is available and swap; of a limit: as it was. INT64_MIN: cannot be told. */
static int64_t headroom_of(const struct keeper *keeper, const struct grace *grace)
{
	const struct keeper_config *config = &keeper->config;
	uint64_t before_bytes = airbag_limit_before(config->airbag, grace->limit_cgroup);
	uint64_t total_bytes, available_bytes;
	_cleanup_close_ int dirfd = -1;
	_cleanup_free_ char *rel = NULL;
	struct cgroup_memory memory;

	if (grace->is_host)
		return machine_memory_read(config->proc_fd, &total_bytes, &available_bytes)
			       ? INT64_MIN
			       : sat_diff(sat_add(available_bytes, grace->swap_bytes), 0);
	if (cgroup_path_of_id(config->tree, grace->limit_cgroup, &rel) ||
	    cgroup_open(config->tree, rel, &dirfd) ||
	    cgroup_memory_read(config->tree, dirfd, &memory))
		return INT64_MIN;
	return sat_diff(sat_add(MIN(memory.limit_bytes, before_bytes), grace->swap_bytes),
			sat_sub(memory.usage_bytes, memory.file_bytes));
}

/* Whether it may live: its limit has room again, or is no limit of its any more. */
static bool is_ample(const struct keeper *keeper, const struct grace *grace)
{
	const struct keeper_config *config = &keeper->config;

	if (!cgroup_has_process(config->tree, config->proc_fd, grace->limit_cgroup,
				grace->process.pid))
		return true;
	return headroom_of(keeper, grace) >= (int64_t)grace->ample_bytes;
}

static struct flow_grace_answer end_grace(const struct keeper *keeper, const struct grace *grace)
{
	struct flow_grace_answer answer = {.end = FLOW_GRACE_GONE};

	if (pidref_exited(&grace->process))
		return answer;
	if (is_ample(keeper, grace)) {
		answer.end = FLOW_GRACE_SPARED;
		return answer;
	}
	answer.error = pidref_signal(&grace->process, SIGKILL);
	if (!answer.error) {
		answer.end = FLOW_GRACE_KILLED;
	} else if (answer.error != -ESRCH) {
		answer.end = FLOW_GRACE_FAILED;
		log_warn("cannot kill %d after the grace: %s, ignoring", grace->process.pid,
			 strerror(-answer.error));
	}
	return answer;
}

/* Returns when it is wanted again, CLOCK_MONOTONIC. */
static uint64_t end_graces(struct keeper *keeper)
{
	struct grace grace;
	uint64_t next_ns;

	while (take_due(keeper, clock_ns(CLOCK_MONOTONIC), &grace, &next_ns)) {
		const struct keeper_event event = {
			.trip_id = grace.trip_id,
			.answer = end_grace(keeper, &grace),
		};

		outbox_put(&keeper->outbox, &event);
		pidref_close(&grace.process);
	}
	return next_ns;
}

/* --- loans --------------------------------------------------------------------------------- */

static void on_loan_over(uint64_t cgroup_id, const struct loan_facts *loan, void *userdata)
{
	struct keeper *keeper = userdata;
	const struct keeper_event event = {
		.is_payback = true,
		.cgroup_id = cgroup_id,
		.loan = *loan,
	};

	outbox_put(&keeper->outbox, &event);
}

/* --- the thread ---------------------------------------------------------------------------- */

static int wait_ms(uint64_t until_ns, uint64_t now_ns)
{
	uint64_t ms = (sat_sub(until_ns, now_ns) + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;

	return until_ns == UINT64_MAX ? -1 : (int)MIN(ms, (uint64_t)INT32_MAX);
}

static void *keeper_main(void *userdata)
{
	struct keeper *keeper = userdata;
	struct airbag *airbag = keeper->config.airbag;
	struct pollfd fds[] = {
		{.fd = keeper->worker.wake_fd, .events = POLLIN},
		{.fd = airbag_wake_fd(airbag), .events = POLLIN, .revents = POLLIN},
	};
	uint64_t check_ns = UINT64_MAX, next_ns, now_ns;

	/* It never preempts whom the responder has just signalled; refused: it may. */
	(void)sched_setscheduler(0, SCHED_BATCH, &(const struct sched_param){});
	log_never_wait();
	while (worker_goes_on(&keeper->worker)) {
		next_ns = end_graces(keeper);
		now_ns = clock_ns(CLOCK_MONOTONIC);
		if (fds[1].revents & POLLIN || now_ns >= check_ns) {
			unsigned int again_ms = airbag_check(airbag);

			now_ns = clock_ns(CLOCK_MONOTONIC);
			check_ns = again_ms ? now_ns + again_ms * NSEC_PER_MSEC : UINT64_MAX;
		}
		worker_turned(&keeper->worker);
		if (poll(fds, ARRAY_SIZE(fds), wait_ms(MIN(next_ns, check_ns), now_ns)) < 0)
			fds[0].revents = fds[1].revents = 0; /* interrupted */
		if (fds[0].revents & POLLIN)
			wake_clear(keeper->worker.wake_fd);
	}
	return NULL;
}

int keeper_new(struct keeper **ret, const struct keeper_config *config)
{
	struct keeper *keeper = calloc(1, sizeof(*keeper));
	pthread_mutexattr_t attr;
	int r;

	if (!keeper)
		return -ENOMEM;
	keeper->config = *config;
	/* The responder waits for it, which then runs at its priority. */
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&keeper->mutex, &attr);
	pthread_mutexattr_destroy(&attr);
	keeper->worker = WORKER_NONE;
	r = outbox_open(&keeper->outbox, sizeof(struct keeper_event));
	if (!r)
		r = worker_open(&keeper->worker, "keeper");
	if (!r) {
		airbag_on_over(config->airbag, on_loan_over, keeper);
		r = worker_start(&keeper->worker, KEEPER_STACK, keeper_main, keeper);
	}
	if (r) {
		log_error("cannot start the thread that pays back: %s", strerror(-r));
		keeper_free(keeper);
		return r;
	}
	*ret = keeper;
	return 0;
}

struct keeper *keeper_free(struct keeper *keeper)
{
	if (!keeper)
		return NULL;
	worker_close(&keeper->worker);
	airbag_on_over(keeper->config.airbag, NULL, NULL);
	while (keeper->count)
		pidref_close(&keeper->graces[--keeper->count].process);
	pthread_mutex_destroy(&keeper->mutex);
	outbox_close(&keeper->outbox);
	free(keeper);
	return NULL;
}

void keeper_settle(struct keeper *keeper)
{
	worker_stop(&keeper->worker);
	airbag_settle(keeper->config.airbag);
}

/* --- for the slow path --------------------------------------------------------------------- */

int keeper_events_fd(const struct keeper *keeper)
{
	return outbox_fd(&keeper->outbox);
}

bool keeper_next_event(struct keeper *keeper, struct keeper_event *ret)
{
	return outbox_take(&keeper->outbox, ret);
}

uint64_t keeper_lost(const struct keeper *keeper)
{
	return outbox_lost(&keeper->outbox);
}

struct worker *keeper_worker(struct keeper *keeper)
{
	return &keeper->worker;
}
