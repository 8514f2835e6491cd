// SPDX-License-Identifier: BSD-2-Clause
/*
 * paths BASE_PAGES THREADS PATHS PATH_PAGES: touches BASE_PAGES, then grows in THREADS threads, each on a
 * CPU of its own (as far as there are), through PATHS paths each, by PATH_PAGES in each path; then
 * without end. One thread at a time: whatever is touched was touched on the path at hand. SIGTERM
 * ends it at once with status 0.
 *
 * Path N is a chain of nine calls of left() and right(), by the bits of N from the lowest on.
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define LEVELS 9

struct walk {
	volatile char *at;
	unsigned int path, level;
};

static size_t page_bytes, path_pages;
static unsigned int paths;
static cpu_set_t cpus;
static sem_t grown;

static void on_term(int signal_number)
{
	(void)signal_number;
	_exit(0);
}

__attribute__((noreturn)) static void die(const char *what)
{
	perror(what);
	exit(1);
}

static volatile char *map(size_t pages)
{
	char *start = mmap(NULL, pages * page_bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (start == MAP_FAILED)
		die("mmap");
	madvise(start, pages * page_bytes, MADV_NOHUGEPAGE);
	return start;
}

static void touch(volatile char *at, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		at[i * page_bytes] = 1;
}

static void left(struct walk *walk);
static void right(struct walk *walk);

static inline __attribute__((always_inline)) void next(struct walk *walk)
{
	if (walk->level++ == LEVELS)
		touch(walk->at, path_pages);
	else if (walk->path >> (walk->level - 1) & 1)
		right(walk);
	else
		left(walk);
}

/* What comes after the call keeps it from being a jump, and the two from being made one. */
__attribute__((noinline)) static void left(struct walk *walk)
{
	next(walk);
	__asm__ volatile("# left" ::: "memory");
}

__attribute__((noinline)) static void right(struct walk *walk)
{
	next(walk);
	__asm__ volatile("# right" ::: "memory");
}

static void pin(unsigned int thread)
{
	unsigned int nth = thread % (unsigned int)CPU_COUNT(&cpus);
	cpu_set_t one;

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &cpus) || nth--)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(0, sizeof(one), &one) < 0)
			die("sched_setaffinity");
		return;
	}
}

static void *thread_main(void *arg)
{
	unsigned int thread = (unsigned int)(uintptr_t)arg;
	volatile char *memory = map(paths * path_pages);

	pin(thread);
	for (unsigned int i = 0; i < paths; i++) {
		struct walk walk = {.at = memory + i * path_pages * page_bytes,
				    .path = thread * paths + i};

		next(&walk);
	}
	sem_post(&grown);
	while (pause() < 0) /* alive with its stack, till all of it ends */
		;
	return NULL;
}

int main(int argc, char **argv)
{
	size_t base_pages, rest_pages;
	unsigned int threads;
	pthread_t thread;

	if (argc != 5) {
		fputs("usage: paths BASE_PAGES THREADS PATHS PATH_PAGES\n", stderr);
		return 2;
	}
	base_pages = strtoul(argv[1], NULL, 10);
	threads = (unsigned int)strtoul(argv[2], NULL, 10);
	paths = (unsigned int)strtoul(argv[3], NULL, 10);
	path_pages = strtoul(argv[4], NULL, 10);
	page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	if (threads * paths > 1U << LEVELS) {
		fprintf(stderr, "paths: there are %u paths\n", 1U << LEVELS);
		return 2;
	}
	signal(SIGTERM, on_term);
	if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0 || sem_init(&grown, 0, 0) < 0)
		die("paths");
	touch(map(base_pages), base_pages);
	for (unsigned int i = 0; i < threads; i++) {
		if (pthread_create(&thread, NULL, thread_main, (void *)(uintptr_t)i))
			die("pthread_create");
		sem_wait(&grown);
	}
	rest_pages = (4UL << 30) / page_bytes; /* nothing here may eat the machine by mistake */
	touch(map(rest_pages), rest_pages);
	fputs("paths: nobody told me to stop\n", stderr);
	return 1;
}
