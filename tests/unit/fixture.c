/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit/fixture.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root_path[64];
static int root_fd = -1;

void fixture_make(void)
{
	snprintf(root_path, sizeof(root_path), "/tmp/apoptosis-unit-XXXXXX");
	cr_assert_not_null(mkdtemp(root_path));
	root_fd = open(root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(root_fd, 0);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void fixture_remove(void)
{
	close(root_fd);
	root_fd = -1;
	nftw(root_path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

int fixture_root(void)
{
	return root_fd;
}

const char *fixture_path(void)
{
	return root_path;
}

/* Makes the directories in path up to its last slash. */
static void make_parents(const char *path)
{
	char parent[PATH_MAX];

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
		if (*parent && mkdirat(root_fd, parent, 0755) != 0)
			cr_assert_eq(errno, EEXIST, "mkdir %s: %m", parent);
	}
}

void fixture_directory(const char *path)
{
	char with_slash[PATH_MAX];

	snprintf(with_slash, sizeof(with_slash), "%s/", path);
	make_parents(with_slash);
}

void fixture_bytes(const char *path, const void *bytes, size_t size)
{
	int fd;

	make_parents(path);
	fd = openat(root_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	cr_assert_geq(fd, 0, "%s: %m", path);
	cr_assert_eq(write(fd, bytes, size), (ssize_t)size);
	close(fd);
}

void fixture_file(const char *path, const char *text)
{
	fixture_bytes(path, text, strlen(text));
}

struct cgroup_tree *fixture_cgroup_tree(const char *mountinfo)
{
	struct cgroup_tree *tree = NULL;

	fixture_file("proc/self/mountinfo", mountinfo);
	cr_assert_eq(cgroup_tree_new(&tree, root_fd), 0);
	return tree;
}

size_t fixture_open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t count = 0;

	cr_assert_not_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}
