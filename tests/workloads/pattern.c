/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pattern ANON FILE SHMEM DIR (sizes in KiB): touches exactly so much private anonymous, mapped
 * file and shared memory, says "ready" on standard output and stays until standard input ends.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void touch(volatile char *start, size_t size, int write_too)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (size_t i = 0; i < size; i += page) {
		if (write_too)
			start[i] = 1;
		else
			(void)start[i];
	}
}

static void map_and_touch(size_t size, int flags, int fd)
{
	int prot = fd < 0 ? PROT_READ | PROT_WRITE : PROT_READ;
	char *map;

	if (!size)
		return;
	map = mmap(NULL, size, prot, flags, fd, 0);
	if (map == MAP_FAILED)
		fail("mmap");
	if (fd < 0)
		madvise(map, size, MADV_NOHUGEPAGE);
	touch(map, size, fd < 0);
}

static int file_of(const char *dir, size_t size)
{
	char path[512], *content = calloc(1, size ? size : 1);
	int fd;

	snprintf(path, sizeof(path), "%s/pattern-%d", dir, (int)getpid());
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || !content)
		fail(path);
	unlink(path);
	if (write(fd, content, size) != (ssize_t)size)
		fail(path);
	free(content);
	return fd;
}

int main(int argc, char **argv)
{
	char byte;
	int fd;

	if (argc != 5) {
		fputs("usage: pattern ANON FILE SHMEM DIR (KiB)\n", stderr);
		return 2;
	}
	fd = file_of(argv[4], strtoul(argv[2], NULL, 10) * 1024);
	map_and_touch(strtoul(argv[1], NULL, 10) * 1024, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	map_and_touch(strtoul(argv[2], NULL, 10) * 1024, MAP_SHARED, fd);
	map_and_touch(strtoul(argv[3], NULL, 10) * 1024, MAP_SHARED | MAP_ANONYMOUS, -1);
	if (write(STDOUT_FILENO, "ready\n", 6) != 6)
		return 1;
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
