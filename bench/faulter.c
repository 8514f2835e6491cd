/* SPDX-License-Identifier: BSD-2-Clause */
#include "faulter.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/util.h"
#include "embedded.h"
#include "numbers.h"

#define HUGE_PAGES 4	/* of a block */
#define SWITCHES 512	/* of a block: there and back */
#define ALIGN (2 * MIB) /* a page table full of pages of 4 KiB, and a huge page */

struct shared {
	enum work work;
	uint32_t blocks;
	double ns[FAULTER_MAX_BLOCKS];
};

struct faulter {
	struct child *child;
	struct shared *shared;
	int command[2], answer[2];
	unsigned int cpu;
	bool has_huge;
	struct embedded *python; /* NULL: there is none */
};

/* What the process has for its blocks. */
struct blocks {
	size_t page_size;
	char *pages, *huge, *own[FAULTER_THREADS];
	pthread_barrier_t begin, end;
	int there[2], back[2]; /* to the other process, and from it */
};

struct thread {
	struct blocks *blocks;
	unsigned int number;
};

static void touch(char *region, size_t count, size_t step)
{
	for (size_t i = 0; i < count; i++)
		((volatile char *)region)[i * step] = 1;
}

static char *map_aligned(size_t size, int advice)
{
	char *map = mmap(NULL, size + ALIGN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);

	if (map == MAP_FAILED)
		fail("out of memory");
	map += ALIGN - (uintptr_t)map % ALIGN;
	madvise(map, size, advice);
	return map;
}

static void *thread_main(void *arg)
{
	const struct thread *thread = arg;
	struct blocks *blocks = thread->blocks;
	char *region = blocks->own[thread->number];

	pin_to(thread->number % (unsigned int)sysconf(_SC_NPROCESSORS_ONLN));
	for (;;) {
		pthread_barrier_wait(&blocks->begin);
		touch(region, FAULTER_PAGES, blocks->page_size);
		pthread_barrier_wait(&blocks->end);
	}
	return NULL;
}

static void echo(const struct blocks *blocks)
{
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(blocks->there[0], &byte, 1) == 1 && write(blocks->back[1], &byte, 1) == 1)
		;
	_exit(0);
}

static void blocks_make(struct blocks *blocks)
{
	static struct thread threads[FAULTER_THREADS];
	pthread_t id;

	blocks->page_size = (size_t)sysconf(_SC_PAGESIZE);
	blocks->pages = map_aligned(FAULTER_PAGES * blocks->page_size, MADV_NOHUGEPAGE);
	blocks->huge = map_aligned(HUGE_PAGES * ALIGN, MADV_HUGEPAGE);
	if (pipe2(blocks->there, O_CLOEXEC) < 0 || pipe2(blocks->back, O_CLOEXEC) < 0)
		fail("cannot make a pipe: %s", strerror(errno));
	if (fork() == 0)
		echo(blocks);
	pthread_barrier_init(&blocks->begin, NULL, FAULTER_THREADS + 1);
	pthread_barrier_init(&blocks->end, NULL, FAULTER_THREADS + 1);
	for (unsigned int i = 0; i < FAULTER_THREADS; i++) {
		blocks->own[i] = map_aligned(FAULTER_PAGES * blocks->page_size, MADV_NOHUGEPAGE);
		threads[i] = (struct thread){blocks, i};
		if (pthread_create(&id, NULL, thread_main, &threads[i]))
			fail("cannot start a thread");
	}
}

static void switch_often(const struct blocks *blocks)
{
	char byte = 0;

	for (unsigned int i = 0; i < SWITCHES / 2; i++)
		if (write(blocks->there[1], &byte, 1) != 1 || read(blocks->back[0], &byte, 1) != 1)
			fail("the other process is gone");
}

struct timed {
	struct blocks *blocks;
	enum work work;
	double ns;
};

/* One block; nanoseconds for each fault or switch of it. */
static void time_block(void *arg)
{
	static const size_t counts[WORKS] = {
		[WORK_PAGES] = FAULTER_PAGES, [WORK_PYTHON] = FAULTER_PAGES,
		[WORK_HUGE] = HUGE_PAGES,     [WORK_THREADS] = FAULTER_PAGES,
		[WORK_SWITCHES] = SWITCHES,
	};
	struct timed *timed = arg;
	struct blocks *blocks = timed->blocks;
	enum work work = timed->work;
	size_t size = FAULTER_PAGES * blocks->page_size;
	uint64_t start = now_ns(), end;

	if (work == WORK_PAGES || work == WORK_PYTHON) {
		touch(blocks->pages, FAULTER_PAGES, blocks->page_size);
	} else if (work == WORK_HUGE) {
		touch(blocks->huge, HUGE_PAGES, ALIGN);
	} else if (work == WORK_THREADS) {
		pthread_barrier_wait(&blocks->begin);
		pthread_barrier_wait(&blocks->end);
	} else {
		switch_often(blocks);
	}
	end = now_ns();
	madvise(blocks->pages, size, MADV_DONTNEED);
	madvise(blocks->huge, HUGE_PAGES * ALIGN, MADV_DONTNEED);
	for (unsigned int i = 0; i < FAULTER_THREADS; i++)
		madvise(blocks->own[i], size, MADV_DONTNEED);
	timed->ns = (double)(end - start) / (double)counts[work];
}

static double measure_block(const struct faulter *faulter, struct blocks *blocks)
{
	struct timed timed = {.blocks = blocks, .work = faulter->shared->work};

	if (timed.work == WORK_PYTHON)
		embedded_call(faulter->python, time_block, &timed);
	else
		time_block(&timed);
	return timed.ns;
}

static int faulter_main(void *arg)
{
	static struct blocks blocks;
	struct faulter *faulter = arg;
	struct shared *shared = faulter->shared;
	char byte;

	pin_to(faulter->cpu);
	blocks_make(&blocks);
	close(faulter->command[1]);
	while (read(faulter->command[0], &byte, 1) == 1) {
		measure_block(faulter, &blocks);
		for (uint32_t i = 0; i < shared->blocks; i++)
			shared->ns[i] = measure_block(faulter, &blocks);
		if (write(faulter->answer[1], "", 1) != 1)
			return 1;
	}
	return 0;
}

struct faulter *faulter_new(const struct group *group, unsigned int cpu)
{
	struct faulter *faulter = calloc(1, sizeof(*faulter));

	if (!faulter)
		fail("out of memory");
	faulter->cpu = cpu;
	faulter->python = embedded_open(FAULTER_DEPTH);
	faulter->has_huge = access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) == 0;
	faulter->shared = mmap(NULL, sizeof(*faulter->shared), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (faulter->shared == MAP_FAILED || pipe2(faulter->command, O_CLOEXEC) < 0 ||
	    pipe2(faulter->answer, O_CLOEXEC) < 0)
		fail("cannot start the faulting process: %s", strerror(errno));
	faulter->child = child_fork(group, faulter_main, faulter);
	close(faulter->command[0]);
	close(faulter->answer[1]);
	return faulter;
}

struct faulter *faulter_free(struct faulter *faulter)
{
	if (!faulter)
		return NULL;
	child_free(faulter->child);
	close(faulter->command[1]);
	close(faulter->answer[0]);
	munmap(faulter->shared, sizeof(*faulter->shared));
	embedded_free(faulter->python);
	free(faulter);
	return NULL;
}

pid_t faulter_pid(const struct faulter *faulter)
{
	return faulter->child->pid;
}

uint64_t faulter_block_bytes(enum work work)
{
	uint64_t pages = FAULTER_PAGES * (uint64_t)sysconf(_SC_PAGESIZE);

	switch (work) {
	case WORK_HUGE:
		return HUGE_PAGES * ALIGN;
	case WORK_THREADS:
		return FAULTER_THREADS * pages;
	default:
		return pages;
	}
}

bool faulter_has(const struct faulter *faulter, enum work work)
{
	if (work == WORK_PYTHON)
		return faulter->python;
	return work != WORK_HUGE || faulter->has_huge;
}

double faulter_measure(struct faulter *faulter, enum work work, unsigned int blocks)
{
	struct samples samples = {0};
	double median;
	char byte;

	faulter->shared->work = work;
	faulter->shared->blocks = MIN(blocks, (unsigned int)FAULTER_MAX_BLOCKS);
	if (write(faulter->command[1], "", 1) != 1 || read(faulter->answer[0], &byte, 1) != 1)
		fail("the faulting process is gone");
	for (uint32_t i = 0; i < faulter->shared->blocks; i++)
		samples_add(&samples, faulter->shared->ns[i]);
	median = samples_median(&samples);
	samples_done(&samples);
	return median;
}
