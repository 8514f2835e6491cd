/* SPDX-License-Identifier: BSD-2-Clause */
#include "sinks/report_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"

#define ID_DIGITS 16

static bool is_report(const char *name)
{
	return strspn(name, "0123456789abcdef") == ID_DIGITS &&
	       strcmp(name + ID_DIGITS, ".json") == 0;
}

static int by_age(const void *a, const void *b)
{
	const struct report_file *one = a, *other = b;

	if (one->written.tv_sec != other->written.tv_sec)
		return one->written.tv_sec < other->written.tv_sec ? -1 : 1;
	if (one->written.tv_nsec != other->written.tv_nsec)
		return one->written.tv_nsec < other->written.tv_nsec ? -1 : 1;
	return strcmp(one->name, other->name);
}

static int append(struct report_file **files, size_t *count, size_t *room, int dirfd,
		  const char *name)
{
	struct stat info;

	if (fstatat(dirfd, name, &info, AT_SYMLINK_NOFOLLOW) || !S_ISREG(info.st_mode))
		return 0; /* just removed, or none of ours */
	if (*count == *room) {
		size_t larger = *room ? *room * 2 : 64;
		struct report_file *grown = reallocarray(*files, larger, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		*files = grown;
		*room = larger;
	}
	(*files)[*count] =
		(struct report_file){.size_bytes = (uint64_t)info.st_size, .written = info.st_mtim};
	memcpy((*files)[(*count)++].name, name, strlen(name) + 1); /* is_report(): it fits */
	return 0;
}

int report_dir_list(int dirfd, struct report_file **ret, size_t *ret_count)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct report_file *files = NULL;
	size_t count = 0, room = 0;
	struct dirent *item;
	int r = dir ? 0 : -errno;

	if (!dir) {
		close_fd(fd);
		return r;
	}
	while (!r && (item = readdir(dir)))
		if (is_report(item->d_name))
			r = append(&files, &count, &room, dirfd, item->d_name);
	closedir(dir);
	if (r) {
		free(files);
		return r;
	}
	if (count)
		qsort(files, count, sizeof(*files), by_age);
	*ret = files;
	*ret_count = count;
	return 0;
}

void report_dir_prune(int dirfd, size_t keep, uint64_t keep_bytes)
{
	_cleanup_free_ struct report_file *files = NULL;
	uint64_t bytes = 0;
	size_t count = 0;

	if (report_dir_list(dirfd, &files, &count))
		return;
	for (size_t i = 0; i < count; i++)
		bytes = sat_add(bytes, files[i].size_bytes);
	for (size_t i = 0; i < count && (count - i > keep || bytes > keep_bytes); i++) {
		unlinkat(dirfd, files[i].name, 0);
		bytes = sat_sub(bytes, files[i].size_bytes);
	}
}
