/* SPDX-License-Identifier: BSD-2-Clause */
#include "sense/cgroup.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/file.h"
#include "base/parse.h"
#include "base/text.h"
#include "base/util.h"
#include "sense/cgroup_mount.h"

#define HANDLE_TYPE_KERNFS 0xfe /* FILEID_KERNFS, include/linux/exportfs.h, since 5.5 */

struct cgroup_tree {
	struct cgroup_mounts mounts;
	const struct cgroup_mount *memory; /* the one of mounts that is used */
	char *ns_root;			   /* rel of our cgroup namespace's root; NULL: not known */
	int root_fd;
	int fd; /* of the mount */
};

/*
 * Appends the components of `more` to the clean path in buf ("" is the root). ".." goes up where
 * allowed, but never above the root: -EXDEV.
 */
static int path_append(char *buf, size_t size, const char *more, bool allow_up)
{
	size_t used = strlen(buf);

	for (size_t n; *(more += strspn(more, "/")); more += n) {
		n = strcspn(more, "/");
		if (n == 1 && more[0] == '.')
			continue;
		if (n == 2 && more[0] == '.' && more[1] == '.') {
			char *last = strrchr(buf, '/');

			if (!allow_up)
				return -EINVAL;
			if (!last)
				return -EXDEV;
			*last = '\0';
			used = (size_t)(last - buf);
			continue;
		}
		if (used + 1 + n >= size)
			return -ENAMETOOLONG;
		buf[used] = '/';
		memcpy(buf + used + 1, more, n);
		used += 1 + n;
		buf[used] = '\0';
	}
	return 0;
}

static int copy_path(const char *path, char **ret)
{
	char *copy = strdup(*path ? path : "/");

	if (!copy)
		return -ENOMEM;
	*ret = copy;
	return 0;
}

/* Makes a rel of a path in /proc/PID/cgroup, which is relative to our cgroup namespace. */
static int rel_of_kernel_path(const struct cgroup_tree *tree, const char *path, char **ret_rel)
{
	char buf[PATH_MAX] = "";
	const char *below = cgroup_mount_path_below(path, tree->memory->root);
	int r;

	/* -EINVAL: the path leaves what the mount shows, as "/../x" does below "/". */
	if (below) {
		r = path_append(buf, sizeof(buf), below, false);
		if (r != -EINVAL)
			return r < 0 ? r : copy_path(buf, ret_rel);
		buf[0] = '\0';
	}
	if (!tree->ns_root)
		return -EXDEV;
	r = path_append(buf, sizeof(buf), tree->ns_root, false);
	if (r == 0)
		r = path_append(buf, sizeof(buf), path, true);
	return r < 0 ? r : copy_path(buf, ret_rel);
}

/*
 * The path of the memory cgroup in the text of /proc/PID/cgroup: lines of "id:controllers:path",
 * where the unified hierarchy is "0::path". Ends the line in place.
 */
static char *memory_path(char *text, int version)
{
	char *line;

	while ((line = strsep(&text, "\n"))) {
		char *id = strsep(&line, ":");
		char *controllers = strsep(&line, ":");

		if (!line)
			continue;
		if (version == 2 ? strcmp(id, "0") == 0 && *controllers == '\0'
				 : text_has_word(controllers, ",", "memory"))
			return line;
	}
	return NULL;
}

struct self_search {
	pid_t self;
	char *path;
};

static int visit_for_self(int dirfd, const char *path, void *userdata)
{
	struct self_search *search = userdata;
	_cleanup_free_ pid_t *pids = NULL;
	size_t n = 0;

	if (cgroup_procs(dirfd, &pids, &n) < 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (pids[i] == search->self) {
			search->path = strdup(path);
			return search->path ? 1 : -ENOMEM;
		}
	}
	return 0;
}

/*
 * Finds where our cgroup namespace begins in the mount. Above it the kernel gives no names, only
 * "..", so the mount is searched for the cgroup of this process: its path there, less its path in
 * the namespace, is where it begins.
 */
static int find_namespace_root(struct cgroup_tree *tree)
{
	_cleanup_free_ char *text = NULL, *found = NULL;
	char self[16] = "";
	struct self_search search = {0};
	const char *own;
	size_t total, tail;
	int r;

	if (readlinkat(tree->root_fd, "proc/self", self, sizeof(self) - 1) <= 0)
		return -ENOENT;
	search.self = (pid_t)strtol(self, NULL, 10);
	r = file_read(tree->root_fd, "proc/self/cgroup", &text, NULL);
	if (r < 0)
		return r;
	own = memory_path(text, tree->memory->version);
	if (!own || text_starts_with(own, "/.."))
		return -ENOENT;
	r = cgroup_walk(tree->fd, visit_for_self, &search);
	if (r != 1)
		return r < 0 ? r : -ENOENT;
	found = search.path;
	tail = strcmp(own, "/") == 0 ? 0 : strlen(own);
	total = strcmp(found, "/") == 0 ? 0 : strlen(found);
	if (tail > total || strncmp(found + total - tail, own, tail) != 0)
		return -ENOENT;
	found[total - tail] = '\0';
	return copy_path(found, &tree->ns_root);
}

int cgroup_tree_new(struct cgroup_tree **ret, int root_fd)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = calloc(1, sizeof(*tree));
	int r;

	if (!tree)
		return -ENOMEM;
	tree->fd = -1;
	tree->root_fd = fcntl(root_fd, F_DUPFD_CLOEXEC, 3);
	if (tree->root_fd < 0)
		return -errno;

	r = cgroup_mounts_read(root_fd, &tree->mounts);
	if (r < 0)
		return r;
	r = cgroup_mounts_open_memory(&tree->mounts, root_fd, &tree->memory, &tree->fd);
	if (r < 0)
		return r;
	/* If it is not found, paths that begin with the mount's root work, others are -EXDEV. */
	if (cgroup_mount_levels_up(tree->memory) > 0 && find_namespace_root(tree) == -ENOMEM)
		return -ENOMEM;

	*ret = TAKE_PTR(tree);
	return 0;
}

struct cgroup_tree *cgroup_tree_free(struct cgroup_tree *tree)
{
	if (!tree)
		return NULL;
	cgroup_mounts_done(&tree->mounts);
	free(tree->ns_root);
	close_fd(tree->fd);
	close_fd(tree->root_fd);
	free(tree);
	return NULL;
}

uint64_t cgroup_tree_root_id(const struct cgroup_tree *tree)
{
	uint64_t id;

	return cgroup_id(tree->fd, &id) ? 0 : id;
}

int cgroup_tree_version(const struct cgroup_tree *tree)
{
	return tree->memory->version;
}

const char *cgroup_tree_mount(const struct cgroup_tree *tree)
{
	return tree->memory->point;
}

bool cgroup_tree_hybrid(const struct cgroup_tree *tree)
{
	return tree->mounts.hybrid;
}

/* v1: the third of four columns of /proc/cgroups. v2: what its root counts. */
uint64_t cgroup_tree_count(const struct cgroup_tree *tree)
{
	bool is_v1 = tree->memory->version == 1;
	_cleanup_free_ char *text = NULL;
	const char *at;
	uint64_t count;

	if (file_read(is_v1 ? tree->root_fd : tree->fd, is_v1 ? "proc/cgroups" : "cgroup.stat",
		      &text, NULL))
		return 0;
	if (!is_v1)
		return parse_field_u64(text, "nr_descendants", &count) ? 0 : count;
	at = parse_field(text, "memory");
	at = at ? parse_number(at, 10, '\t', &count) : NULL;
	return at && parse_number(at, 10, '\t', &count) ? count : 0;
}

/* v1 hierarchies are mounted side by side: what lies next to ours is one of them, or a link. */
static bool is_beside_mount(const struct cgroup_tree *tree, const char *path)
{
	const char *point = tree->memory->point, *last = strrchr(point, '/');
	size_t length = (size_t)(last - point);

	return tree->memory->version == 1 && length > 0 && strncmp(path, point, length) == 0 &&
	       (path[length] == '/' || path[length] == '\0');
}

int cgroup_path_normalize(const struct cgroup_tree *tree, const char *user_path, char **ret_rel)
{
	char path[PATH_MAX] = "", kernel_path[PATH_MAX] = "";
	const struct cgroup_mount *mount;
	const char *below;
	int r;

	if (*user_path == '\0')
		return -EINVAL;
	r = path_append(path, sizeof(path), user_path, false);
	if (r < 0)
		return r;
	mount = *user_path == '/' ? cgroup_mounts_of_path(&tree->mounts, path, tree->memory) : NULL;
	if (!mount)
		return *user_path == '/' && is_beside_mount(tree, path) ? -EINVAL
									: copy_path(path, ret_rel);

	below = cgroup_mount_path_below(path, mount->point);
	if (mount == tree->memory)
		return copy_path(below, ret_rel);
	if (mount->version != tree->memory->version)
		return -EINVAL;
	/* Another mount of the same hierarchy: converted by way of the kernel's path. */
	if (snprintf(kernel_path, sizeof(kernel_path), "%s%s",
		     strcmp(mount->root, "/") == 0 && *below ? "" : mount->root,
		     below) >= (int)sizeof(kernel_path))
		return -ENAMETOOLONG;
	r = rel_of_kernel_path(tree, kernel_path, ret_rel);
	return r == -EXDEV ? -EINVAL : r;
}

static const char *below_mount(const char *rel)
{
	rel += strspn(rel, "/");
	return *rel ? rel : ".";
}

int cgroup_open(const struct cgroup_tree *tree, const char *rel, int *ret_dirfd)
{
	int fd =
		openat(tree->fd, below_mount(rel), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return errno == ENOTDIR || errno == ELOOP ? -ENOENT : -errno;
	*ret_dirfd = fd;
	return 0;
}

/* Whether the directory of rel is there, and is the cgroup of this id. */
static bool has_id(const struct cgroup_tree *tree, const char *rel, uint64_t id)
{
	_cleanup_close_ int fd = -1;
	uint64_t found = 0;

	return cgroup_open(tree, rel, &fd) == 0 && cgroup_id(fd, &found) == 0 && found == id;
}

/* Asks the kernel for the directory of an id, then for that directory's name. */
static int path_of_handle(const struct cgroup_tree *tree, uint64_t id, char **ret_rel)
{
	union {
		struct file_handle handle;
		unsigned char room[sizeof(struct file_handle) + sizeof(id)];
	} request = {.handle = {.handle_bytes = sizeof(id), .handle_type = HANDLE_TYPE_KERNFS}};
	_cleanup_close_ int fd = -1;
	char name[64], path[PATH_MAX];
	const char *below;
	ssize_t n;

	memcpy(request.handle.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(tree->fd, &request.handle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(name, sizeof(name), "proc/self/fd/%d", fd);
	n = readlinkat(tree->root_fd, name, path, sizeof(path) - 1);
	if (n < 0)
		return -errno;
	path[n] = '\0';

	/* A cgroup outside of a partial mount has a path that only looks like one of it. */
	below = cgroup_mount_path_below(path, tree->memory->point);
	if (!below || !has_id(tree, below, id))
		return -ESTALE;
	return copy_path(below, ret_rel);
}

static bool is_cgroup_filesystem(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 &&
	       (fs.f_type == CGROUP_SUPER_MAGIC || fs.f_type == CGROUP2_SUPER_MAGIC);
}

struct id_search {
	uint64_t id;
	char *path;
};

static int visit_for_id(int dirfd, const char *path, void *userdata)
{
	struct id_search *search = userdata;
	uint64_t id = 0;

	if (cgroup_id(dirfd, &id) < 0 || id != search->id)
		return 0;
	search->path = strdup(path);
	return search->path ? 1 : -ENOMEM;
}

int cgroup_path_of_id(const struct cgroup_tree *tree, uint64_t id, char **ret_rel)
{
	struct id_search search = {.id = id};
	int r;

	/* Other file systems take the handle for something else. */
	if (is_cgroup_filesystem(tree->fd)) {
		r = path_of_handle(tree, id, ret_rel);
		if (r == 0 || r == -ESTALE)
			return r;
	}
	r = cgroup_walk(tree->fd, visit_for_id, &search);
	if (r < 0)
		return r;
	if (r == 0)
		return -ESTALE;
	*ret_rel = search.path;
	return 0;
}

int cgroup_path_of_pid(const struct cgroup_tree *tree, int proc_fd, pid_t pid, char **ret_rel)
{
	_cleanup_free_ char *text = NULL, *rel = NULL;
	_cleanup_close_ int fd = -1;
	const char *kernel_path;
	char name[32];
	int r;

	if (pid <= 0)
		return -ESRCH;
	snprintf(name, sizeof(name), "%d/cgroup", pid);
	r = file_read(proc_fd, name, &text, NULL);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	kernel_path = memory_path(text, tree->memory->version);
	if (!kernel_path || *kernel_path != '/')
		return -ESRCH;
	r = rel_of_kernel_path(tree, kernel_path, &rel);
	if (r < 0)
		return r;
	/* The kernel's mark for a removed cgroup, unless there is one of that name. */
	if (text_ends_with(rel, " (deleted)") && cgroup_open(tree, rel, &fd) == -ENOENT)
		return -ESTALE;
	*ret_rel = TAKE_PTR(rel);
	return 0;
}

bool cgroup_has_process(const struct cgroup_tree *tree, int proc_fd, uint64_t id, pid_t pid)
{
	_cleanup_free_ char *above = NULL, *rel = NULL;

	return !cgroup_path_of_id(tree, id, &above) &&
	       !cgroup_path_of_pid(tree, proc_fd, pid, &rel) && cgroup_mount_path_below(rel, above);
}

/* Enables the memory controller for the children of fd, where it is not yet. */
static int enable_memory(int fd)
{
	_cleanup_free_ char *enabled = NULL;
	int r = file_read(fd, "cgroup.subtree_control", &enabled, NULL);

	if (r < 0)
		return r;
	if (text_has_word(enabled, " \n", "memory"))
		return 0;
	return file_write(fd, "cgroup.subtree_control", "+memory");
}

/* Enables the memory controller in every cgroup above rel, from the top. */
static int enable_memory_above(const struct cgroup_tree *tree, const char *rel)
{
	_cleanup_free_ char *path = strdup(rel);

	if (!path)
		return -ENOMEM;
	for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		_cleanup_close_ int fd = -1;
		int r;

		*slash = '\0';
		r = cgroup_open(tree, path, &fd);
		*slash = '/';
		if (r == 0)
			r = enable_memory(fd);
		if (r < 0)
			return r;
	}
	return 0;
}

int cgroup_create(const struct cgroup_tree *tree, const char *rel)
{
	const char *path = below_mount(rel);
	int r = 0;

	if (mkdirat(tree->fd, path, 0755) != 0)
		return -errno;
	if (tree->memory->version == 2)
		r = enable_memory_above(tree, rel);
	if (r < 0)
		unlinkat(tree->fd, path, AT_REMOVEDIR);
	return r;
}

int cgroup_remove(const struct cgroup_tree *tree, const char *rel)
{
	return unlinkat(tree->fd, below_mount(rel), AT_REMOVEDIR) == 0 ? 0 : -errno;
}
