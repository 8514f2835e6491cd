/* SPDX-License-Identifier: BSD-2-Clause */
#include "sense/cgroup_mount.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "base/util.h"
#include "sense/mountinfo.h"

static void mounts_donep(struct cgroup_mounts *mounts)
{
	cgroup_mounts_done(mounts);
}

static int add_mount(struct cgroup_mounts *mounts, const struct mountinfo *entry)
{
	struct cgroup_mount *grown, mount = {0};

	if (strcmp(entry->type, "cgroup2") == 0)
		mount.version = 2;
	else if (strcmp(entry->type, "cgroup") == 0)
		mount.version = text_has_word(entry->options, ",", "memory") ? 1 : 0;
	else
		return 0;

	grown = reallocarray(mounts->mounts, mounts->n + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	mounts->mounts = grown;
	mount.point = strdup(entry->point);
	mount.root = strdup(entry->root);
	mounts->mounts[mounts->n++] = mount;
	return mount.point && mount.root ? 0 : -ENOMEM;
}

int cgroup_mounts_read(int root_fd, struct cgroup_mounts *ret)
{
	_cleanup_(mounts_donep) struct cgroup_mounts mounts = {0};
	_cleanup_fclose_ FILE *in = NULL;
	_cleanup_free_ char *line = NULL;
	bool v1 = false, v2 = false;
	size_t room = 0;
	int fd;

	/* Line by line: on hosts with thousands of mounts this file has megabytes. */
	fd = openat(root_fd, "proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	in = fdopen(fd, "r");
	if (!in) {
		close_fd(fd);
		return -ENOMEM;
	}
	while (getline(&line, &room, in) >= 0) {
		struct mountinfo entry;
		int r;

		if (mountinfo_parse(line, &entry) < 0)
			continue;
		r = add_mount(&mounts, &entry);
		if (r < 0)
			return r;
	}
	if (ferror(in))
		return -EIO;

	for (size_t i = 0; i < mounts.n; i++) {
		v1 |= mounts.mounts[i].version != 2;
		v2 |= mounts.mounts[i].version == 2;
	}
	mounts.hybrid = v1 && v2;
	*ret = mounts;
	mounts = (struct cgroup_mounts){0};
	return 0;
}

void cgroup_mounts_done(struct cgroup_mounts *mounts)
{
	for (size_t i = 0; i < mounts->n; i++) {
		free(mounts->mounts[i].point);
		free(mounts->mounts[i].root);
	}
	free(mounts->mounts);
	*mounts = (struct cgroup_mounts){0};
}

static int open_mount(int root_fd, const char *point, int version, int *ret_fd)
{
	_cleanup_free_ char *controllers = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	point += strspn(point, "/");
	fd = openat(root_fd, *point ? point : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* Something else may be mounted on top. */
	if (faccessat(fd, "cgroup.procs", F_OK, 0) != 0)
		return -errno;
	if (version == 2) {
		r = file_read(fd, "cgroup.controllers", &controllers, NULL);
		if (r < 0)
			return r;
		if (!text_has_word(controllers, " \n", "memory"))
			return -ENODEV;
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Whether a is the one to use rather than b, which comes earlier in the list. */
static bool is_better(const struct cgroup_mount *a, const struct cgroup_mount *b)
{
	int up_a = cgroup_mount_levels_up(a), up_b = cgroup_mount_levels_up(b);

	if (a->version != b->version)
		return a->version < b->version;
	/* On the same point, the later one hides the earlier one. */
	if (strcmp(a->point, b->point) == 0)
		return true;
	return up_a > up_b;
}

int cgroup_mounts_open_memory(const struct cgroup_mounts *mounts, int root_fd,
			      const struct cgroup_mount **ret, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	const struct cgroup_mount *best = NULL;

	for (size_t i = 0; i < mounts->n; i++) {
		const struct cgroup_mount *mount = &mounts->mounts[i];
		int opened = -1;

		if (mount->version == 0 || (best && !is_better(mount, best)))
			continue;
		if (open_mount(root_fd, mount->point, mount->version, &opened) < 0)
			continue;
		close_fd(fd);
		fd = opened;
		best = mount;
	}
	if (!best)
		return -ENODEV;
	*ret = best;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

const struct cgroup_mount *cgroup_mounts_of_path(const struct cgroup_mounts *mounts,
						 const char *path,
						 const struct cgroup_mount *preferred)
{
	const struct cgroup_mount *found = NULL;
	size_t longest = 0;

	for (size_t i = 0; i < mounts->n; i++) {
		const struct cgroup_mount *mount = &mounts->mounts[i];
		size_t length = strlen(mount->point);

		if (!cgroup_mount_path_below(path, mount->point))
			continue;
		if (!found || length > longest || (length == longest && mount == preferred)) {
			found = mount;
			longest = length;
		}
	}
	return found;
}

int cgroup_mount_levels_up(const struct cgroup_mount *mount)
{
	const char *root = mount->root;
	int levels = 0;

	while (*(root += strspn(root, "/"))) {
		if (strncmp(root, "..", 2) != 0 || (root[2] != '/' && root[2] != '\0'))
			return -1;
		root += 2;
		levels++;
	}
	return levels;
}

const char *cgroup_mount_path_below(const char *path, const char *prefix)
{
	size_t length = strlen(prefix);

	if (strcmp(prefix, "/") == 0)
		return strcmp(path, "/") == 0 ? "" : path;
	if (strncmp(path, prefix, length) != 0)
		return NULL;
	return path[length] == '\0' || path[length] == '/' ? path + length : NULL;
}
