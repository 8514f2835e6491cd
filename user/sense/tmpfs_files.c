// SPDX-License-Identifier: BSD-2-Clause
#include "sense/tmpfs_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "base/util.h"
#include "sense/mountinfo.h"
#include "sense/page_owners.h"

#define CANDIDATES_MAX 64UL /* the largest, of which it is asked whose they are */
#define ENTRIES_MAX 50000U  /* of directories and of open files; some 50 ms */
#define DEPTH_MAX 24
#define PATH_ROOM 4096UL

/* A file that may be one of them. */
struct candidate {
	char *path;
	int fd;
	dev_t device;
	ino_t inode;
	uint64_t bytes, changed_ns;
	bool is_unlinked;
};

struct hunt {
	struct candidate list[CANDIDATES_MAX];
	size_t count;
	unsigned int left; /* entries that may still be looked at */
	bool cut;
	char path[PATH_ROOM]; /* of the directory that is read */
};

static void candidate_clear(struct candidate *candidate)
{
	free(candidate->path);
	close_fd(candidate->fd);
}

static bool is_known(const struct hunt *hunt, const struct stat *info)
{
	for (size_t i = 0; i < hunt->count; i++)
		if (hunt->list[i].device == info->st_dev && hunt->list[i].inode == info->st_ino)
			return true;
	return false;
}

/* A place for a file of that size: a new one, or that of the smallest. NULL: it is too small. */
static struct candidate *place_for(struct hunt *hunt, uint64_t bytes)
{
	struct candidate *least = hunt->list;

	if (hunt->count < CANDIDATES_MAX)
		return &hunt->list[hunt->count++];
	hunt->cut = true;
	for (size_t i = 1; i < hunt->count; i++)
		if (hunt->list[i].bytes < least->bytes)
			least = &hunt->list[i];
	if (least->bytes >= bytes)
		return NULL;
	candidate_clear(least);
	return least;
}

/* Takes the descriptor, which is a path's. */
static void consider(struct hunt *hunt, int fd, const char *path, const struct stat *info)
{
	uint64_t bytes = (uint64_t)info->st_blocks * 512;
	struct candidate *place;

	if (!S_ISREG(info->st_mode) || !bytes || is_known(hunt, info) ||
	    !(place = place_for(hunt, bytes))) {
		close_fd(fd);
		return;
	}
	*place = (struct candidate){
		.path = strdup(path),
		.fd = fd,
		.device = info->st_dev,
		.inode = info->st_ino,
		.bytes = bytes,
		.changed_ns =
			MAX(clock_of_timespec(&info->st_mtim), clock_of_timespec(&info->st_ctim)),
		.is_unlinked = info->st_nlink == 0,
	};
}

/* --- below its root ------------------------------------------------------------------------ */

static void read_directory(struct hunt *hunt, int fd, dev_t device, unsigned int depth);

static void visit(struct hunt *hunt, int dirfd, const char *name, dev_t device, unsigned int depth)
{
	size_t length = strlen(hunt->path);
	int fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat info;

	if (fd < 0 || fstat(fd, &info) || info.st_dev != device || /* mounted over it */
	    length + 1 + strlen(name) >= PATH_ROOM) {
		close_fd(fd);
		return;
	}
	snprintf(hunt->path + length, PATH_ROOM - length, "/%s", name);
	if (S_ISDIR(info.st_mode)) {
		read_directory(hunt, openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), device,
			       depth);
		close_fd(fd);
	} else {
		consider(hunt, fd, hunt->path, &info);
	}
	hunt->path[length] = '\0';
}

/* Takes the descriptor. */
static void read_directory(struct hunt *hunt, int fd, dev_t device, unsigned int depth)
{
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!directory) {
		close_fd(fd);
		return;
	}
	while (depth && hunt->left && (entry = readdir(directory))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		hunt->left--;
		visit(hunt, fd, entry->d_name, device, depth - 1);
	}
	hunt->cut |= !depth || !hunt->left;
	closedir(directory);
}

static bool is_tmpfs(int fd)
{
	struct statfs info;

	return fd >= 0 && !fstatfs(fd, &info) && info.f_type == TMPFS_MAGIC;
}

/* What is mounted there now, which may be something else. */
static void search_mount(struct hunt *hunt, int root_fd, const char *point)
{
	const struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, root_fd, point, &how, sizeof(how));
	struct stat info;

	if (!is_tmpfs(fd) || fstat(fd, &info)) {
		close_fd(fd);
		return;
	}
	snprintf(hunt->path, PATH_ROOM, "%s", strcmp(point, "/") == 0 ? "" : point);
	read_directory(hunt, fd, info.st_dev, DEPTH_MAX);
}

static int search_mounts(struct hunt *hunt, int pid_dirfd)
{
	_cleanup_close_ int root_fd = openat(pid_dirfd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	int r = root_fd < 0 ? -errno : file_read(pid_dirfd, "mountinfo", &text, NULL);
	char *rest = text;

	while (!r && rest && *rest) {
		char *line = strsep(&rest, "\n");
		struct mountinfo mount;

		if (!mountinfo_parse(line, &mount) && strcmp(mount.type, "tmpfs") == 0)
			search_mount(hunt, root_fd, mount.point);
	}
	return r;
}

/* --- without a path ------------------------------------------------------------------------ */

#define DELETED " (deleted)"

/* "/memfd:name (deleted)", as the kernel shows a descriptor. */
static void visit_descriptor(struct hunt *hunt, int dirfd, const char *name)
{
	char path[PATH_ROOM];
	ssize_t length = readlinkat(dirfd, name, path, sizeof(path) - 1);
	struct stat info;
	int fd;

	path[MAX(length, 0)] = '\0';
	if (!text_ends_with(path, DELETED))
		return;
	path[strlen(path) - strlen(DELETED)] = '\0';
	fd = openat(dirfd, name, O_PATH | O_CLOEXEC);
	if (is_tmpfs(fd) && !fstat(fd, &info))
		consider(hunt, fd, path, &info);
	else
		close_fd(fd);
}

static void search_descriptors(struct hunt *hunt, int pid_dirfd)
{
	int fd = openat(pid_dirfd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!directory) {
		close_fd(fd);
		return;
	}
	while (hunt->left && (entry = readdir(directory))) {
		hunt->left--;
		visit_descriptor(hunt, fd, entry->d_name);
	}
	closedir(directory);
}

/* --- whose they are ------------------------------------------------------------------------ */

/* Leaves of each file what is the cgroup's. Without an answer all of it stays. */
static bool ask_owners(struct hunt *hunt, const struct tmpfs_search *search)
{
	struct page_owners *owners;

	if (search->cgroup_dirfd < 0 ||
	    page_owners_new(&owners, search->proc_fd, search->cgroup_dirfd))
		return false;
	for (size_t i = 0; i < hunt->count; i++) {
		struct candidate *candidate = &hunt->list[i];

		candidate->bytes = (uint64_t)(page_owners_share(owners, candidate->fd) *
					      (double)candidate->bytes);
	}
	page_owners_free(owners);
	return true;
}

static int by_bytes(const void *a, const void *b)
{
	const struct candidate *one = a, *other = b;

	return one->bytes > other->bytes ? -1 : one->bytes < other->bytes;
}

static void tell(const struct hunt *hunt, struct tmpfs_files *ret)
{
	for (size_t i = 0; i < hunt->count && ret->count < TMPFS_FILES_MAX; i++) {
		const struct candidate *candidate = &hunt->list[i];
		struct tmpfs_file *file = &ret->list[ret->count];
		size_t length = strlen(candidate->path ?: "");

		if (!candidate->bytes || !length)
			continue;
		file->bytes = candidate->bytes;
		file->changed_ns = candidate->changed_ns;
		file->is_unlinked = candidate->is_unlinked;
		snprintf(file->path, TMPFS_PATH_MAX, "%s",
			 candidate->path + sat_sub(length, TMPFS_PATH_MAX - 1));
		ret->count++;
	}
}

int tmpfs_files_find(const struct tmpfs_search *search, struct tmpfs_files *ret)
{
	_cleanup_free_ struct hunt *hunt = calloc(1, sizeof(*hunt));
	int r = hunt ? 0 : -ENOMEM;

	*ret = (struct tmpfs_files){};
	if (!r) {
		hunt->left = ENTRIES_MAX;
		r = search_mounts(hunt, search->pid_dirfd);
	}
	if (r)
		return r;
	search_descriptors(hunt, search->pid_dirfd);
	ret->is_owned = ask_owners(hunt, search);
	ret->is_cut = hunt->cut;
	qsort(hunt->list, hunt->count, sizeof(*hunt->list), by_bytes);
	tell(hunt, ret);
	for (size_t i = 0; i < hunt->count; i++)
		candidate_clear(&hunt->list[i]);
	return 0;
}
