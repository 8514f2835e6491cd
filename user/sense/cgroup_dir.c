/* SPDX-License-Identifier: BSD-2-Clause */
#include "sense/cgroup_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/util.h"

int cgroup_id(int dirfd, uint64_t *ret_id)
{
	struct stat st;

	if (fstat(dirfd, &st) != 0)
		return -errno;
	*ret_id = st.st_ino;
	return 0;
}

int cgroup_attach(int dirfd, pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	return file_write(dirfd, "cgroup.procs", text);
}

static int compare_pids(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

int cgroup_procs(int dirfd, pid_t **ret, size_t *ret_n)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ pid_t *pids = NULL;
	size_t size = 0, n = 0, kept = 0;
	int r;

	r = file_read(dirfd, "cgroup.procs", &text, &size);
	if (r < 0)
		return r;
	/* A pid and its line break take two bytes at least; one more so that it is never empty. */
	pids = calloc(size / 2 + 1, sizeof(*pids));
	if (!pids)
		return -ENOMEM;

	for (char *at = text; *at;) {
		char *end;
		long pid = strtol(at, &end, 10);

		if (end == at)
			return -EBADMSG;
		/* 0: a process that our PID namespace does not show. */
		if (pid > 0)
			pids[n++] = (pid_t)pid;
		at = end + strspn(end, "\n");
	}

	/* v1 promises neither order nor uniqueness, v2 may repeat what moves meanwhile. */
	qsort(pids, n, sizeof(*pids), compare_pids);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || pids[kept - 1] != pids[i])
			pids[kept++] = pids[i];
	*ret = TAKE_PTR(pids);
	*ret_n = kept;
	return 0;
}

struct walk {
	int (*visit)(int dirfd, const char *path, void *userdata);
	void *userdata;
	unsigned int left; /* cgroups that may still be visited */
	bool cut;	   /* something was left out */
};

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static int open_directory(int dirfd, DIR **ret)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret = fdopendir(fd);
	if (!*ret) {
		close_fd(fd);
		return -ENOMEM;
	}
	return 0;
}

static bool is_missing(int error)
{
	return error == -ENOENT || error == -ENODEV || error == -ENOTDIR || error == -ELOOP ||
	       error == -EACCES;
}

static bool may_be_child(const struct dirent *entry)
{
	return (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) &&
	       strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int walk_from(struct walk *walk, int dirfd, const char *path, int depth)
{
	_cleanup_(closedirp) DIR *dir = NULL;
	struct dirent *entry;
	int r;

	if (walk->left == 0 || depth > CGROUP_DEPTH_MAX) {
		walk->cut = true;
		return 0;
	}
	walk->left--;
	r = walk->visit(dirfd, *path ? path : "/", walk->userdata);
	if (r != 0)
		return r;

	r = open_directory(dirfd, &dir);
	if (r < 0)
		return is_missing(r) ? 0 : r;
	while ((entry = readdir(dir))) {
		_cleanup_free_ char *child_path = NULL;
		_cleanup_close_ int child = -1;

		if (!may_be_child(entry))
			continue;
		child = openat(dirfd, entry->d_name,
			       O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (child < 0) {
			if (!is_missing(-errno))
				return -errno;
			continue;
		}
		if (asprintf(&child_path, "%s/%s", path, entry->d_name) < 0) {
			child_path = NULL;
			return -ENOMEM;
		}
		r = walk_from(walk, child, child_path, depth + 1);
		if (r != 0)
			return r;
	}
	return 0;
}

int cgroup_walk(int dirfd, int (*visit)(int dirfd, const char *path, void *userdata),
		void *userdata)
{
	struct walk walk = {.visit = visit, .userdata = userdata, .left = CGROUP_WALK_MAX};
	int r = walk_from(&walk, dirfd, "", 0);

	return r == 0 && walk.cut ? -E2BIG : r;
}
