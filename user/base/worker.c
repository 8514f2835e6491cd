// SPDX-License-Identifier: BSD-2-Clause
#include "base/worker.h"

#include "base/util.h"
#include "base/wake.h"

int worker_open(struct worker *worker, const char *name)
{
	*worker = WORKER_NONE;
	worker->name = name;
	worker->wake_fd = wake_open();
	return MIN(worker->wake_fd, 0);
}

int worker_start(struct worker *worker, size_t stack_bytes, void *(*fn)(void *userdata),
		 void *userdata)
{
	pthread_attr_t attr;
	int r;

	__atomic_store_n(&worker->is_stopping, false, __ATOMIC_RELEASE);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, stack_bytes);
	r = pthread_create(&worker->thread, &attr, fn, userdata);
	pthread_attr_destroy(&attr);
	if (r)
		return -r;
	worker->is_started = true;
	pthread_setname_np(worker->thread, worker->name);
	return 0;
}

void worker_stop(struct worker *worker)
{
	if (!worker->is_started)
		return;
	__atomic_store_n(&worker->is_stopping, true, __ATOMIC_RELEASE);
	worker_ping(worker);
	pthread_join(worker->thread, NULL);
	worker->is_started = false;
}

void worker_close(struct worker *worker)
{
	worker_stop(worker);
	worker->wake_fd = close_fd(worker->wake_fd);
}

bool worker_goes_on(const struct worker *worker)
{
	return !__atomic_load_n(&worker->is_stopping, __ATOMIC_ACQUIRE);
}

void worker_turned(struct worker *worker)
{
	__atomic_add_fetch(&worker->turns, 1, __ATOMIC_RELEASE);
}

void worker_ping(const struct worker *worker)
{
	wake(worker->wake_fd);
}

uint64_t worker_turns(const struct worker *worker)
{
	return __atomic_load_n(&worker->turns, __ATOMIC_ACQUIRE);
}
