// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/own_cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "sense/cgroup_dir.h"
#include "sense/cgroup_memory.h"

#define NAMES_MAX 100	 /* tries for a name that is not taken */
#define REMOVE_TRIES 100 /* 1 s in all */
#define REMOVE_PAUSE_NS (10 * NSEC_PER_MSEC)
#define PIDS_SHOWN 8
#define ASIDE "apoptosis-main"

/* --- making it ----------------------------------------------------------------------------- */

/* A name may be taken by an earlier run of the same pid that was killed. */
static int make_cgroup_below(const struct cgroup_tree *tree, const char *parent, char **ret)
{
	const char *prefix = strcmp(parent, "/") ? parent : "";
	int r = -EEXIST;

	for (int i = 1; r == -EEXIST && i <= NAMES_MAX; i++) {
		_cleanup_free_ char *rel = NULL;
		char suffix[16] = "";

		if (i > 1)
			snprintf(suffix, sizeof(suffix), "-%d", i);
		if (asprintf(&rel, "%s/apoptosis-run-%d%s", prefix, getpid(), suffix) < 0) {
			rel = NULL;
			return -ENOMEM;
		}
		r = cgroup_create(tree, rel);
		if (!r)
			*ret = TAKE_PTR(rel);
	}
	return r;
}

/* By systemd: `user.delegate` since 251, or `trusted.delegate`. The root of a cgroup namespace is its owner's. */
static bool is_delegated(const char *rel, int dirfd)
{
	char value;

	return !strcmp(rel, "/") ||
	       (fgetxattr(dirfd, "user.delegate", &value, 1) == 1 && value == '1') ||
	       (fgetxattr(dirfd, "trusted.delegate", &value, 1) == 1 && value == '1');
}

static bool is_alone(int dirfd)
{
	_cleanup_free_ pid_t *pids = NULL;
	size_t n = 0;

	return !cgroup_procs(dirfd, &pids, &n) && n == 1 && pids[0] == getpid();
}

static void step_back(struct own_cgroup *own)
{
	struct stat st;

	/* Somebody else may have made cgroups there. */
	if (own->left_dirfd < 0 || fstat(own->left_dirfd, &st) || st.st_nlink != 3)
		return;
	file_write(own->left_dirfd, "cgroup.subtree_control", "-memory");
	cgroup_attach(own->left_dirfd, 0);
	unlinkat(own->left_dirfd, ASIDE, AT_REMOVEDIR);
	own->left_dirfd = close_fd(own->left_dirfd);
}

/* Out of a cgroup that is to have children with a limit. */
static int step_aside(struct own_cgroup *own, const char *rel)
{
	_cleanup_close_ int dirfd = -1, aside_fd = -1;
	int r = cgroup_open(own->tree, rel, &dirfd);

	if (r || !is_delegated(rel, dirfd) || !is_alone(dirfd))
		return -EBUSY;
	if (mkdirat(dirfd, ASIDE, 0755) && errno != EEXIST)
		return -errno;
	aside_fd = openat(dirfd, ASIDE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = aside_fd < 0 ? -errno : cgroup_attach(aside_fd, 0);
	if (r)
		unlinkat(dirfd, ASIDE, AT_REMOVEDIR);
	else
		own->left_dirfd = TAKE_FD(dirfd);
	return r;
}

static bool needs_room(int r)
{
	return r == -EBUSY || r == -EOPNOTSUPP;
}

static int make_above(struct own_cgroup *own, const char *rel)
{
	_cleanup_free_ char *parent = strdup(rel);
	int r = parent ? -EBUSY : -ENOMEM;

	while (needs_room(r) && strcmp(parent, "/") != 0) {
		char *slash = strrchr(parent, '/');

		slash[slash == parent] = '\0';
		r = make_cgroup_below(own->tree, parent, &own->rel);
	}
	if (!r)
		log_warn("the command leaves cgroup %s and its limits for %s: on cgroup v2 a "
			 "cgroup with processes cannot have limited children, and this one is not "
			 "ours alone (Delegate=)",
			 rel, own->rel);
	return r;
}

static int make_cgroup(struct own_cgroup *own)
{
	_cleanup_close_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *rel = NULL;
	int r = cgroup_path_of_pid(own->tree, proc_fd, getpid(), &rel);

	if (r == -EXDEV) { /* a container does not show it; use the top */
		r = make_cgroup_below(own->tree, "/", &own->rel);
		return r ?: cgroup_open(own->tree, own->rel, &own->dirfd);
	}
	if (r)
		return r;
	r = make_cgroup_below(own->tree, rel, &own->rel);
	if (needs_room(r) && cgroup_tree_version(own->tree) == 2) {
		r = step_aside(own, rel) ?: make_cgroup_below(own->tree, rel, &own->rel);
		if (r)
			step_back(own);
		if (needs_room(r))
			r = make_above(own, rel);
	}
	return r ?: cgroup_open(own->tree, own->rel, &own->dirfd);
}

int own_cgroup_make(struct own_cgroup *ret, const struct cgroup_tree *tree, uint64_t limit_bytes)
{
	int r;

	*ret = OWN_CGROUP_NONE;
	ret->tree = tree;
	r = make_cgroup(ret);
	if (r == -EBUSY) {
		log_error("cannot make a cgroup below %s: it has processes itself, and on cgroup "
			  "v2 such a cgroup cannot have limited children (without --limit, the "
			  "limit of the present cgroup is guarded)",
			  cgroup_tree_mount(tree));
		return EXIT_CANNOT;
	}
	if (r) {
		log_error("cannot make a cgroup below %s: %s (--limit needs write access; without "
			  "it, the limit of the present cgroup is guarded)",
			  cgroup_tree_mount(tree), strerror(-r));
		return EXIT_CANNOT;
	}
	r = cgroup_write_limit(tree, ret->dirfd, limit_bytes);
	if (!r)
		return 0;
	log_error("cannot set the limit of %s: %s", ret->rel, strerror(-r));
	return EXIT_CANNOT;
}

/* --- removing it --------------------------------------------------------------------------- */

/* What is left of the cgroup. */
struct remains {
	const struct own_cgroup *own;
	char **paths; /* rel, parents first */
	size_t path_count;
	pid_t pids[PIDS_SHOWN];
	size_t pid_count; /* may be more than are in pids */
};

static int note_remains(int dirfd, const char *path, void *userdata)
{
	struct remains *remains = userdata;
	_cleanup_free_ pid_t *pids = NULL;
	size_t n = 0;
	char **grown = reallocarray(remains->paths, remains->path_count + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	remains->paths = grown;
	if (asprintf(&grown[remains->path_count], "%s%s", remains->own->rel,
		     strcmp(path, "/") ? path : "") < 0)
		return -ENOMEM;
	remains->path_count++;
	if (cgroup_procs(dirfd, &pids, &n) < 0)
		n = 0;
	for (size_t i = 0; i < n; i++, remains->pid_count++)
		if (remains->pid_count < PIDS_SHOWN)
			remains->pids[remains->pid_count] = pids[i];
	return 0;
}

static void remains_clear(struct remains *remains)
{
	for (size_t i = 0; i < remains->path_count; i++)
		free(remains->paths[i]);
	free(remains->paths);
	*remains = (struct remains){.own = remains->own};
}

/* Depth first. 0, or -errno of the cgroup itself. */
static int remove_tree(const struct own_cgroup *own)
{
	_cleanup_(remains_clear) struct remains remains = {.own = own};
	int r = cgroup_walk(own->dirfd, note_remains, &remains);

	for (size_t i = remains.path_count; i > 0; i--)
		r = cgroup_remove(own->tree, remains.paths[i - 1]);
	return r == -ENOENT ? 0 : r;
}

/* "processes 12, 13 run in it; rmdir ..." */
static char *describe_remains(const struct own_cgroup *own)
{
	_cleanup_(remains_clear) struct remains remains = {.own = own};
	const char *mount = cgroup_tree_mount(own->tree);
	char *text = NULL;
	size_t size, shown;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	cgroup_walk(own->dirfd, note_remains, &remains);
	shown = MIN(remains.pid_count, (size_t)PIDS_SHOWN);
	if (shown)
		fputs(shown > 1 ? "processes " : "process ", out);
	for (size_t i = 0; i < shown; i++)
		fprintf(out, "%s%d", i ? ", " : "", remains.pids[i]);
	if (shown)
		fprintf(out, "%s, left by the command, still in it; when gone: ",
			remains.pid_count > shown ? ", ..." : "");
	fputs("rmdir", out);
	for (size_t i = remains.path_count; i > 0; i--)
		fprintf(out, " '%s%s'", mount, remains.paths[i - 1]);
	return fclose(out) ? NULL : text;
}

static bool remove_cgroup(const struct own_cgroup *own)
{
	const struct timespec pause = {.tv_nsec = REMOVE_PAUSE_NS};
	int r = remove_tree(own);

	/*
	 * The last processes may still be exiting, and the kernel takes down a removed child only
	 * after rmdir(2) has returned. No event tells when, so this tries again.
	 */
	for (int i = 1; r == -EBUSY && i < REMOVE_TRIES; i++) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		nanosleep(&pause, NULL);
		r = remove_tree(own);
	}
	if (r) {
		_cleanup_free_ char *remains = describe_remains(own);

		log_error("cannot remove cgroup %s, which stays, unguarded: %s (%s)", own->rel,
			  strerror(-r), remains ?: "out of memory");
	}
	return !r;
}

void own_cgroup_remove(struct own_cgroup *own)
{
	/* What stays behind keeps its limit, and we end where we are. */
	if (!own->rel || remove_cgroup(own))
		step_back(own);
	close_fd(own->left_dirfd);
	close_fd(own->dirfd);
	free(own->rel);
	*own = OWN_CGROUP_NONE;
}
