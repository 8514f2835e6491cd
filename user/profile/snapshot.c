// SPDX-License-Identifier: BSD-2-Clause
#include "profile/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/util.h"

/* Device numbers are not compared: btrfs and overlayfs show others in maps than in stat. */
static bool is_file_of(int fd, const struct mapping *mapping)
{
	struct stat info;

	return fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_ino == mapping->inode;
}

/* A path in the process's own root, whatever links are on the way: never out of it. */
static int open_in_root(int root_fd, const char *path)
{
	const struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	return root_fd < 0 ? -1 : (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
}

/* The very file that is mapped, be it replaced or deleted; else the one at its path. */
static int open_file(int pid_dirfd, int root_fd, const struct mapping *mapping)
{
	char link[64];
	int fd;

	snprintf(link, sizeof(link), "map_files/%lx-%lx", (unsigned long)mapping->start,
		 (unsigned long)mapping->end);
	fd = openat(pid_dirfd, link, O_PATH | O_CLOEXEC);
	if (fd < 0)
		fd = open_in_root(root_fd, mapping->path);
	if (fd >= 0 && !is_file_of(fd, mapping))
		fd = close_fd(fd);
	return fd;
}

static bool is_same_file(const struct mapping *a, const struct mapping *b)
{
	return a->inode == b->inode && a->major == b->major && a->minor == b->minor;
}

/* NULL: not among them, open or not. */
static const struct snapshot_file *find_file(const struct snapshot *snapshot,
					     const struct mapping *mapping)
{
	for (size_t i = 0; i < snapshot->file_count; i++)
		if (is_same_file(&snapshot->mappings.list[snapshot->files[i].mapping], mapping))
			return &snapshot->files[i];
	return NULL;
}

int snapshot_take(int pid_dirfd, struct snapshot *ret)
{
	struct stat info;
	int r;

	*ret = (struct snapshot){.root_fd = -1};
	if (fstat(pid_dirfd, &info))
		return -errno;
	r = mappings_read(pid_dirfd, &ret->mappings);
	if (r)
		return r;
	ret->uid = info.st_uid;
	ret->root_fd = openat(pid_dirfd, "root", O_PATH | O_CLOEXEC);
	for (size_t i = 0; i < ret->mappings.count && ret->file_count < SNAPSHOT_FILES_MAX; i++) {
		const struct mapping *mapping = &ret->mappings.list[i];

		if (!mapping->inode || find_file(ret, mapping))
			continue;
		ret->files[ret->file_count++] = (struct snapshot_file){
			.mapping = i,
			.fd = open_file(pid_dirfd, ret->root_fd, mapping),
		};
	}
	return 0;
}

void snapshot_clear(struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->file_count; i++)
		close_fd(snapshot->files[i].fd);
	mappings_clear(&snapshot->mappings);
	close_fd(snapshot->root_fd);
	*snapshot = (struct snapshot){.root_fd = -1};
}

int snapshot_file(const struct snapshot *snapshot, const struct mapping *mapping)
{
	const struct snapshot_file *file = find_file(snapshot, mapping);

	return file && file->fd >= 0 ? fcntl(file->fd, F_DUPFD_CLOEXEC, 0) : -1;
}

int snapshot_perf_map(const struct snapshot *snapshot, pid_t ns_pid)
{
	struct stat info;
	char path[40];
	int fd;

	snprintf(path, sizeof(path), "/tmp/perf-%d.map", ns_pid);
	fd = open_in_root(snapshot->root_fd, path);
	if (fd >= 0 && (fstat(fd, &info) || !S_ISREG(info.st_mode) ||
			(info.st_uid != snapshot->uid && info.st_uid != 0)))
		fd = close_fd(fd);
	return fd;
}
