/* SPDX-License-Identifier: BSD-2-Clause */
/* The ways in which the victim's memory grows, one unit at a time. */
#pragma once

#include "victim.h"

static uint64_t page_unit(void)
{
	return page_size;
}

/* Also where a huge page is larger (32 MiB with pages of 16 KiB): one fault may then take more. */
static uint64_t huge_unit(void)
{
	return 2 * MIB;
}

static uint64_t huge_page(void)
{
	uint64_t size = huge_unit();
	FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "re");

	if (file) {
		if (fscanf(file, "%" SCNu64, &size) != 1)
			size = huge_unit();
		fclose(file);
	}
	return size;
}

static uint64_t chunk_unit(void)
{
	return opt.chunk;
}

static uint64_t pipe_unit(void)
{
	return 16 * page_size; /* what a pipe holds by default */
}

static int map_region(int flags, uint64_t align)
{
	char *map;

	region_size = opt.max + align;
	map = mmap(NULL, region_size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS | MAP_NORESERVE,
		   -1, 0);
	if (map == MAP_FAILED)
		return -errno;
	region = map + (align - (uintptr_t)map % align) % align;
	return 0;
}

static int prepare_anon(void)
{
	int r = map_region(MAP_PRIVATE, page_size);

	/* With "always" in force a plain mapping would be a THP one. */
	if (r == 0)
		madvise(region, opt.max, MADV_NOHUGEPAGE);
	return r;
}

static int prepare_shmem(void)
{
	return map_region(MAP_SHARED, page_size);
}

static int prepare_thp(void)
{
	int r = map_region(MAP_PRIVATE, huge_page());

	return r < 0 ? r : madvise(region, opt.max, MADV_HUGEPAGE) < 0 ? -errno : 0;
}

static int touch(uint64_t unit, unsigned int thread)
{
	volatile char *start = region + unit * unit_size;

	(void)thread;
	for (uint64_t i = 0; i < unit_size; i += page_size)
		start[i] = 1;
	return 0;
}

static int populate(uint64_t unit, unsigned int thread)
{
	void *map = mmap(NULL, unit_size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	(void)unit;
	(void)thread;
	return map == MAP_FAILED ? -errno : 0;
}

/* A file without a name: nothing is left behind, however the program ends. */
static int open_nameless(unsigned int number)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/victim-%d-%u", opt.dir, (int)getpid(), number);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	unlink(path);
	return fd;
}

static int prepare_scratch(void)
{
	scratch = malloc(unit_size);
	if (!scratch)
		return -ENOMEM;
	memset(scratch, 'x', unit_size);
	return 0;
}

static int prepare_files(void)
{
	for (unsigned int i = 0; i < opt.threads; i++) {
		files[i] = open_nameless(i);
		if (files[i] < 0)
			return files[i];
	}
	return prepare_scratch();
}

static int write_chunk(int fd)
{
	uint64_t done = 0;

	while (done < unit_size) {
		ssize_t n = write(fd, scratch + done, unit_size - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (uint64_t)n : 0;
	}
	return 0;
}

static int append(uint64_t unit, unsigned int thread)
{
	(void)unit;
	return write_chunk(files[thread]);
}

/* One file of --file-size, really on the disk: a sparse one would never fill the page cache. */
static int prepare_file(void)
{
	int r;

	files[0] = open_nameless(0);
	if (files[0] < 0)
		return files[0];
	r = prepare_scratch();
	for (uint64_t i = 0; r == 0 && i < opt.file_size / unit_size; i++)
		r = write_chunk(files[0]);
	return r < 0 ? r : fsync(files[0]) < 0 ? -errno : 0;
}

static int read_chunk(uint64_t unit, unsigned int thread)
{
	static _Thread_local char *buffer;
	uint64_t chunks = opt.file_size / unit_size;
	ssize_t n;

	(void)thread;
	if (!buffer)
		buffer = malloc(unit_size);
	if (!buffer)
		return -ENOMEM;
	n = pread(files[0], buffer, unit_size, (off_t)((unit % chunks) * unit_size));
	return n < 0 ? -errno : n != (ssize_t)unit_size ? -EIO : 0;
}

static int prepare_file_map(void)
{
	int r = prepare_file();

	if (r < 0)
		return r;
	region = mmap(NULL, opt.file_size, PROT_READ, MAP_SHARED, files[0], 0);
	return region == MAP_FAILED ? -errno : 0;
}

#define HOT_STRIDE 7919 /* pages: a prime, beyond what is read ahead */

/* As a program's own code and data files are read: a page here, a page there. */
static int touch_mapped(uint64_t unit, unsigned int thread)
{
	uint64_t pages = opt.file_size / page_size;

	(void)thread;
	(void)*(const volatile char *)(region + unit * HOT_STRIDE % pages * page_size);
	return 0;
}

/* Reads mapped pages; at the end of the file all of them are pushed out, as reclaim would. */
static int read_mapped(uint64_t unit, unsigned int thread)
{
	uint64_t chunks = opt.file_size / unit_size;
	const volatile char *start = region + (unit % chunks) * unit_size;

	(void)thread;
	for (uint64_t i = 0; i < unit_size; i += page_size)
		(void)start[i];
	if (unit % chunks == chunks - 1 && madvise(region, opt.file_size, MADV_PAGEOUT) < 0)
		return -errno;
	return 0;
}

static size_t shared_size;

/* What somebody else has made, and is charged for. */
static int prepare_shared(void)
{
	char path[256];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/shared", opt.dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	shared_size = (size_t)st.st_size;
	region = mmap(NULL, shared_size, PROT_READ, MAP_SHARED, fd, 0);
	return region == MAP_FAILED ? -errno : 0;
}

/* At the end all is unmapped, as by a process that ends, and read again, as by the next. */
static int read_page(uint64_t unit, unsigned int thread)
{
	uint64_t page = unit % (shared_size / page_size);

	(void)thread;
	(void)((const volatile char *)region)[page * page_size];
	if (page == shared_size / page_size - 1 && madvise(region, shared_size, MADV_DONTNEED) < 0)
		return -errno;
	return 0;
}

static int prepare_pipes(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	return prepare_scratch();
}

static int fill_pipe(uint64_t unit, unsigned int thread)
{
	int fds[2];

	(void)unit;
	(void)thread;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	return write_chunk(fds[1]);
}

static int prepare_spliced(void)
{
	int r = prepare_pipes();

	return r ?: prepare_file();
}

/* The pages stay in the page cache, and the pipe holds them there. */
static int fill_pipe_from_file(uint64_t unit, unsigned int thread)
{
	uint64_t chunks = opt.file_size / unit_size;
	loff_t offset = (loff_t)((unit % chunks) * unit_size);
	int fds[2];

	(void)thread;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	return splice(files[0], &offset, fds[1], NULL, unit_size, 0) < 0 ? -errno : 0;
}

/* Another process writes into this one's memory. */
static int write_remotely(uint64_t unit, unsigned int thread)
{
	static char byte = 1;
	struct iovec local = {&byte, 1}, remote = {region + unit * unit_size, 1};

	(void)thread;
	return process_vm_writev(getppid(), &local, 1, &remote, 1, 0) == 1 ? 0 : -errno;
}

/* A page of negative dentries: 192 bytes each, which nothing keeps and the kernel can drop. */
static int look_up_names(uint64_t unit, unsigned int thread)
{
	char path[256];
	struct stat st;

	for (unsigned int i = 0; i < page_size / 192; i++) {
		snprintf(path, sizeof(path), "%s/victim-%d-%u-%u-%" PRIu64, opt.dir, (int)getpid(),
			 thread, i, unit);
		if (stat(path, &st) == 0 || errno != ENOENT)
			return -EEXIST;
	}
	return 0;
}

static const struct kind kinds[] = {
	{"anon", "private anonymous pages", false, page_unit, prepare_anon, touch},
	{"shmem", "MAP_SHARED anonymous pages", false, page_unit, prepare_shmem, touch},
	{"thp", "transparent huge pages (madvise)", false, huge_unit, prepare_thp, touch},
	{"populate", "MAP_POPULATE in chunks", false, chunk_unit, NULL, populate},
	{"tmpfs", "write(2) to files in --dir, a tmpfs", true, chunk_unit, prepare_files, append},
	{"file-write", "write(2) to files in --dir", true, chunk_unit, prepare_files, append},
	{"file-read", "read --file-size, over and over", true, chunk_unit, prepare_file,
	 read_chunk},
	{"file-hot", "map --file-size and touch it here and there, over and over", true, page_unit,
	 prepare_file_map, touch_mapped},
	{"file-map", "map --file-size and touch it; MADV_PAGEOUT after each round", true,
	 chunk_unit, prepare_file_map, read_mapped},
	{"shared", "map DIR/shared, which is there, and touch it, over and over", true, page_unit,
	 prepare_shared, read_page},
	{"pipe", "pipes filled with data (kernel memory)", false, pipe_unit, prepare_pipes,
	 fill_pipe},
	{"spliced", "a file of --file-size spliced into pipes, which hold its page cache", true,
	 pipe_unit, prepare_spliced, fill_pipe_from_file},
	{"dentries", "names looked up in --dir that do not exist (slab that can be shrunk)", true,
	 page_unit, NULL, look_up_names},
	{"remote", "a forked writer grows this process with process_vm_writev", false, page_unit,
	 prepare_anon, write_remotely},
};
