/* SPDX-License-Identifier: BSD-2-Clause */
#include "grower.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"

#define MAX_THREADS 16
#define HUGE_BYTES (2 * MIB)

struct grower {
	struct child *child;
	struct grower_plan plan;
	struct grower_result *result;
	char *region;
	uint64_t page_size, unit_pages;
	unsigned int cpus;
	int usage_fd;
	atomic_int stop;
};

static struct grower *self; /* of the process that grows: its handler has no argument */

static void on_term(int signal)
{
	uint64_t none = 0;

	(void)signal;
	if (!atomic_compare_exchange_strong(&self->result->handler_ns, &none, now_ns()))
		return;
	atomic_store(&self->result->claimed_then, atomic_load(&self->result->claimed));
	atomic_store(&self->result->touched_then, atomic_load(&self->result->touched));
	atomic_store(&self->stop, 1);
}

static void keep_pace(struct grower *grower, uint64_t pages)
{
	const struct grower_plan *plan = &grower->plan;
	double due_ns, elapsed;
	uint64_t from;

	if (pages < plan->from_pages)
		return;
	from = atomic_load(&grower->result->rate_from_ns);
	if (!from) {
		atomic_store(&grower->result->rate_from_ns, now_ns());
		return;
	}
	if (plan->mib_per_s <= 0)
		return;
	due_ns = (double)((pages - plan->from_pages) * grower->page_size) /
		 (plan->mib_per_s * (double)MIB) * 1e9;
	elapsed = (double)(now_ns() - from);
	if (due_ns > elapsed + 100e3) {
		struct timespec ts = {0, (long)(due_ns - elapsed)};

		nanosleep(&ts, NULL);
	}
}

static void watch_file(struct grower *grower, uint64_t pages)
{
	char buffer[32];
	ssize_t n;

	if (!grower->plan.watch_pages || pages < grower->plan.watch_pages ||
	    atomic_load(&grower->result->file_crossed))
		return;
	n = pread(grower->usage_fd, buffer, sizeof(buffer) - 1, 0);
	if (n <= 0)
		return;
	buffer[n] = '\0';
	if (strtoull(buffer, NULL, 10) > grower->plan.watch_line_bytes)
		atomic_store(&grower->result->file_crossed, pages);
}

/* A guard that counts events on each CPU must not be fooled by a process that changes CPU. */
static void change_cpu(const struct grower *grower, uint64_t pages)
{
	uint64_t step = grower->unit_pages, hop = grower->plan.hop_pages;

	if (grower->plan.wanders && pages % (MIB / grower->page_size) < step)
		pin_to((unsigned int)(pages * grower->page_size / MIB) % grower->cpus);
	if (!hop)
		return;
	if (pages == step)
		pin_to(0);
	else if (pages == 4 * step)
		pin_to(1 % grower->cpus);
	else if (pages >= hop && pages < hop + step)
		pin_to(0);
}

static void *grow(void *arg)
{
	struct grower *grower = arg;
	uint64_t step = grower->unit_pages, pages;

	while (!atomic_load(&grower->stop)) {
		uint64_t at = atomic_fetch_add(&grower->result->claimed, step);
		volatile char *start = grower->region + at * grower->page_size;

		if (at + step > grower->plan.until_pages)
			break;
		for (uint64_t i = 0; i < step; i++)
			start[i * grower->page_size] = 1;
		pages = atomic_fetch_add(&grower->result->touched, step) + step;
		watch_file(grower, pages);
		change_cpu(grower, pages);
		keep_pace(grower, pages);
	}
	return NULL;
}

static int map_region(struct grower *grower)
{
	uint64_t size = grower->plan.until_pages * grower->page_size + HUGE_BYTES;
	bool shared = grower->plan.kind == GROW_SHMEM;

	grower->region = mmap(NULL, size, PROT_READ | PROT_WRITE,
			      MAP_ANONYMOUS | MAP_NORESERVE | (shared ? MAP_SHARED : MAP_PRIVATE),
			      -1, 0);
	if (grower->region == MAP_FAILED)
		return -errno;
	grower->region += HUGE_BYTES - (uintptr_t)grower->region % HUGE_BYTES;
	madvise(grower->region, size - HUGE_BYTES,
		grower->plan.kind == GROW_THP ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return 0;
}

static void wait_for_go(struct grower *grower)
{
	atomic_store(&grower->result->prepared, 1);
	while (!atomic_load(&grower->result->go))
		sched_yield();
}

static int grower_main(void *arg)
{
	struct sigaction action = {.sa_handler = on_term};
	pthread_t threads[MAX_THREADS];

	self = arg;
	sigaction(SIGTERM, &action, NULL);
	if (map_region(self) < 0)
		return 1;
	wait_for_go(self);
	for (unsigned int i = 1; i < self->plan.threads; i++)
		if (pthread_create(&threads[i], NULL, grow, self))
			return 1;
	grow(self);
	for (unsigned int i = 1; i < self->plan.threads; i++)
		pthread_join(threads[i], NULL);
	atomic_store(&self->result->rate_until_ns, now_ns());
	return 0;
}

struct grower *grower_new(const struct bench *bench, const struct group *group,
			  const struct grower_plan *plan)
{
	struct grower *grower = calloc(1, sizeof(*grower));
	bool v1 = cgroup_tree_version(bench->tree) == 1;

	if (!grower)
		fail("out of memory");
	grower->plan = *plan;
	grower->page_size = bench->page_size;
	grower->unit_pages = plan->kind == GROW_THP ? HUGE_BYTES / bench->page_size : 1;
	grower->cpus = bench->machine.cpus_online;
	grower->usage_fd = openat(group->fd, v1 ? "memory.usage_in_bytes" : "memory.current",
				  O_RDONLY | O_CLOEXEC);
	grower->result = mmap(NULL, sizeof(*grower->result), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (grower->usage_fd < 0 || grower->result == MAP_FAILED)
		fail("cannot prepare a growing process: %s", strerror(errno));
	grower->child = child_fork(group, grower_main, grower);
	while (!atomic_load(&grower->result->prepared) && !child_wait(grower->child, 1))
		;
	return grower;
}

void grower_go(struct grower *grower)
{
	atomic_store(&grower->result->go, 1);
}

bool grower_wait(struct grower *grower, unsigned int timeout_ms)
{
	return child_wait(grower->child, timeout_ms);
}

const struct grower_result *grower_result(const struct grower *grower)
{
	return grower->result;
}

const struct grower_plan *grower_plan_of(const struct grower *grower)
{
	return &grower->plan;
}

pid_t grower_pid(const struct grower *grower)
{
	return grower->child->pid;
}

struct grower *grower_free(struct grower *grower)
{
	if (!grower)
		return NULL;
	child_free(grower->child);
	close_fd(grower->usage_fd);
	munmap(grower->result, sizeof(*grower->result));
	free(grower);
	return NULL;
}
