// SPDX-License-Identifier: BSD-2-Clause
#include "sense/page_owners.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "sense/cgroup_dir.h"

#define SAMPLES 16U /* of each file */
#define PRESENT (1ULL << 63)
#define FRAME_MASK ((1ULL << 55) - 1)
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

struct page_owners {
	int pagemap_fd, kpagecgroup_fd, proc_fd;
	size_t page_bytes;
	uint64_t *cgroups; /* ascending */
	size_t count, room;
};

static int add_cgroup(int dirfd, const char *path, void *userdata)
{
	struct page_owners *owners = userdata;
	uint64_t id;

	(void)path;
	if (cgroup_id(dirfd, &id))
		return 0;
	if (owners->count == owners->room) {
		size_t room = owners->room ? owners->room * 2 : 16;
		uint64_t *grown = reallocarray(owners->cgroups, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		owners->cgroups = grown;
		owners->room = room;
	}
	owners->cgroups[owners->count++] = id;
	return 0;
}

static int compare_ids(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

	return one < other ? -1 : one > other;
}

static bool is_ours(const struct page_owners *owners, uint64_t cgroup)
{
	return bsearch(&cgroup, owners->cgroups, owners->count, sizeof(cgroup), compare_ids);
}

/* Which cgroup the page at an address of ours is charged to. False: it is not there, or may not be known. */
static bool read_owner(const struct page_owners *owners, const void *address, uint64_t *ret)
{
	off_t index = (off_t)((uintptr_t)address / owners->page_bytes);
	uint64_t entry;

	if (pread(owners->pagemap_fd, &entry, sizeof(entry), index * 8) != sizeof(entry) ||
	    !(entry & PRESENT) || !(entry & FRAME_MASK))
		return false;
	return pread(owners->kpagecgroup_fd, ret, sizeof(*ret), (off_t)(entry & FRAME_MASK) * 8) ==
	       sizeof(*ret);
}

/* Whether frames and their owners are shown to us, by a page of our own. */
static int try_own_page(const struct page_owners *owners)
{
	void *page = mmap(NULL, owners->page_bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char resident;
	uint64_t cgroup;
	int r = 0;

	if (page == MAP_FAILED)
		return -ENOMEM;
	*(volatile char *)page = 1;
	if (madvise(page, owners->page_bytes, MADV_POPULATE_READ))
		r = -EINVAL;
	else if (mincore(page, owners->page_bytes, &resident) || !read_owner(owners, page, &cgroup))
		r = -EPERM;
	munmap(page, owners->page_bytes);
	return r;
}

int page_owners_new(struct page_owners **ret, int proc_fd, int cgroup_dirfd)
{
	struct page_owners *owners = calloc(1, sizeof(*owners));
	int r;

	if (!owners)
		return -ENOMEM;
	*owners = (struct page_owners){
		.pagemap_fd = openat(proc_fd, "self/pagemap", O_RDONLY | O_CLOEXEC),
		.kpagecgroup_fd = openat(proc_fd, "kpagecgroup", O_RDONLY | O_CLOEXEC),
		.proc_fd = proc_fd,
		.page_bytes = (size_t)sysconf(_SC_PAGESIZE),
	};
	r = owners->pagemap_fd < 0 || owners->kpagecgroup_fd < 0 ? -errno : try_own_page(owners);
	if (!r)
		r = cgroup_walk(cgroup_dirfd, add_cgroup, owners);
	if (r && r != -E2BIG) {
		page_owners_free(owners);
		return r;
	}
	qsort(owners->cgroups, owners->count, sizeof(*owners->cgroups), compare_ids);
	*ret = owners;
	return 0;
}

struct page_owners *page_owners_free(struct page_owners *owners)
{
	if (!owners)
		return NULL;
	close_fd(owners->pagemap_fd);
	close_fd(owners->kpagecgroup_fd);
	free(owners->cgroups);
	free(owners);
	return NULL;
}

/* 1: it is ours; 0: somebody else's; -1: there is none in memory. Populating tells of a file cut short meanwhile. */
static int ask_page(const struct page_owners *owners, int fd, off_t offset)
{
	void *page = mmap(NULL, owners->page_bytes, PROT_READ, MAP_SHARED, fd, offset);
	unsigned char resident = 0;
	uint64_t cgroup;
	int answer = -1;

	if (page == MAP_FAILED)
		return -1;
	if (!mincore(page, owners->page_bytes, &resident) && (resident & 1) &&
	    !madvise(page, owners->page_bytes, MADV_POPULATE_READ) &&
	    read_owner(owners, page, &cgroup))
		answer = is_ours(owners, cgroup);
	munmap(page, owners->page_bytes);
	return answer;
}

double page_owners_share(const struct page_owners *owners, int path_fd)
{
	_cleanup_close_ int fd = -1;
	unsigned int ours = 0, known = 0;
	char name[32];
	struct stat info;

	snprintf(name, sizeof(name), "self/fd/%d", path_fd);
	fd = openat(owners->proc_fd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &info) || !S_ISREG(info.st_mode))
		return 0;
	for (unsigned int i = 0; i < SAMPLES; i++) {
		off_t page = (off_t)owners->page_bytes;
		off_t wanted = info.st_size / SAMPLES * i / page * page;
		off_t data = lseek(fd, wanted, SEEK_DATA); /* a hole would be allocated */
		int answer = data < 0 ? -1 : ask_page(owners, fd, data / page * page);

		known += answer >= 0;
		ours += answer > 0;
	}
	return known ? (double)ours / known : 0;
}
