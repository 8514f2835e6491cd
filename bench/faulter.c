/* SPDX-License-Identifier: BSD-2-Clause */
#include "faulter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/util.h"
#include "numbers.h"

struct shared {
	uint32_t blocks;
	double ns[FAULTER_MAX_BLOCKS];
};

struct faulter {
	struct child *child;
	struct shared *shared;
	int command[2], answer[2];
	unsigned int cpu;
};

static double time_block(volatile char *region, size_t page_size)
{
	uint64_t start = now_ns(), end;

	for (size_t i = 0; i < FAULTER_PAGES; i++)
		region[i * page_size] = 1;
	end = now_ns();
	madvise((void *)region, FAULTER_PAGES * page_size, MADV_DONTNEED);
	return (double)(end - start) / FAULTER_PAGES;
}

static int faulter_main(void *arg)
{
	struct faulter *faulter = arg;
	size_t page_size = (size_t)sysconf(_SC_PAGESIZE), align = 2 * MIB;
	size_t size = FAULTER_PAGES * page_size;
	char *map, byte;

	pin_to(faulter->cpu);
	map = mmap(NULL, size + align, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return 1;
	map += align - (uintptr_t)map % align;
	madvise(map, size, MADV_NOHUGEPAGE);
	close(faulter->command[1]);
	while (read(faulter->command[0], &byte, 1) == 1) {
		time_block(map, page_size);
		for (uint32_t i = 0; i < faulter->shared->blocks; i++)
			faulter->shared->ns[i] = time_block(map, page_size);
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
	free(faulter);
	return NULL;
}

pid_t faulter_pid(const struct faulter *faulter)
{
	return faulter->child->pid;
}

double faulter_measure(struct faulter *faulter, unsigned int blocks)
{
	struct samples samples = {0};
	double median;
	char byte;

	faulter->shared->blocks = MIN(blocks, (unsigned int)FAULTER_MAX_BLOCKS);
	if (write(faulter->command[1], "", 1) != 1 || read(faulter->answer[0], &byte, 1) != 1)
		fail("the faulting process is gone");
	for (uint32_t i = 0; i < faulter->shared->blocks; i++)
		samples_add(&samples, faulter->shared->ns[i]);
	median = samples_median(&samples);
	samples_done(&samples);
	return median;
}
