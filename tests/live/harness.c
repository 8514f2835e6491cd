/* SPDX-License-Identifier: BSD-2-Clause */
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "process.h"

#define MAX_THINGS 256
#define MAX_SWEPT 1024

static struct {
	struct cgroup_tree *tree;
	char *dir;
	struct live_cgroup *cgroups[MAX_THINGS];
	size_t cgroup_count;
	char *mounts[MAX_THINGS];
	size_t mount_count;
	char **strings;
	size_t string_count;
	unsigned int serial;
} live;

/* Says it on standard error at once: the report of a failed test comes through Criterion. */
__attribute__((format(printf, 1, 0))) static void complain(const char *format, va_list args)
{
	fputs("live: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

void live_fail_at(const char *file, int line, const char *format, ...)
{
	static bool is_failing;
	char message[4096];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	if (!is_failing) { /* what is told of it may fail as well */
		is_failing = true;
		process_dump_all();
	}
	cr_assert(false, "%s:%d: %s", file, line, message);
	abort();
}

static bool skip_allowed(const char *feature)
{
	const char *list = getenv("APO_LIVE_SKIPS");

	return !list || strstr(live_format(",%s,", list), live_format(",%s,", feature));
}

void live_skip(const char *feature, const char *format, ...)
{
	char message[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	if (!skip_allowed(feature))
		live_fatal("a skip for want of %s is not on the list: %s", feature, message);
	live_teardown(); /* Criterion does not run it after a skip */
	cr_skip_test("%s: %s", feature, message);
	abort();
}

static char *keep(char *string)
{
	char **grown = reallocarray(live.strings, live.string_count + 1, sizeof(*live.strings));

	live_check(string && grown, "out of memory");
	live.strings = grown;
	return live.strings[live.string_count++] = string;
}

char *live_format(const char *format, ...)
{
	char *string = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&string, format, args) < 0)
		string = NULL;
	va_end(args);
	return keep(string);
}

const char *live_read(const char *path)
{
	char *content = NULL;

	if (file_read(AT_FDCWD, path, &content, NULL) < 0)
		return "";
	return keep(content);
}

static unsigned int count_from(const char *variable, long otherwise)
{
	const char *text = getenv(variable);
	long n = text ? strtol(text, NULL, 10) : otherwise;

	return n > 0 ? (unsigned int)n : 1;
}

unsigned int live_repeat(void)
{
	return count_from("APO_REPEAT", 3);
}

unsigned int live_slowness(void)
{
	return count_from("APO_SLOWNESS", 1);
}

unsigned int live_bulk(unsigned int amount)
{
	return live_slowness() > 1 ? (amount + 7) / 8 : amount;
}

char *live_path(const char *name)
{
	return live_format("%s/%u-%s", live.dir, live.serial++, name);
}

static const char *mount_new(const char *type, const char *options)
{
	char *path = live_path(type);

	live_check(mkdir(path, 0700) == 0, "mkdir %s: %m", path);
	live_check(mount(type, path, type, 0, options) == 0, "mount %s at %s: %m", type, path);
	live_check(live.mount_count < MAX_THINGS, "too many mounts");
	live.mounts[live.mount_count++] = path;
	return path;
}

const char *live_tmpfs(unsigned int size_mib)
{
	return mount_new("tmpfs", live_format("size=%um,mode=700", size_mib));
}

const char *live_bpffs(void)
{
	return mount_new("bpf", "");
}

void live_swap(unsigned int size_mib)
{
	static char block[MIB];
	const char *path = live_path("swap");
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	/* The header of mkswap(8): version, last page, and a magic at the end of the first page. */
	const uint32_t header[] = {1, (uint32_t)(size_mib * MIB / page) - 1};
	_cleanup_close_ int fd = -1;

	if (live_dir_is_memory())
		live_skip("swap", "$APO_LIVE_DIR is in memory");
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	live_check(fd >= 0, "%s: %m", path);
	memcpy(block + 1024, header, sizeof(header));
	memcpy(block + page - 10, "SWAPSPACE2", 10);
	for (unsigned int i = 0; i < size_mib; i++) {
		live_check(write(fd, block, sizeof(block)) == sizeof(block), "%s: %m", path);
		memset(block, 0, sizeof(block));
	}
	live_check(fsync(fd) == 0, "%s: %m", path);
	if (swapon(path, 0) < 0)
		live_skip("swap", "cannot swap to a file in $APO_LIVE_DIR: %m");
}

bool live_dir_is_memory(void)
{
	struct statfs fs;

	live_check(statfs(live.dir, &fs) == 0, "statfs %s: %m", live.dir);
	return fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC;
}

const char *live_disk_dir(void)
{
	const char *dir = live_path("files");

	if (live_dir_is_memory())
		live_skip("disk", "$APO_LIVE_DIR is in memory");
	live_check(mkdir(dir, 0700) == 0, "mkdir %s: %m", dir);
	return dir;
}

const char *live_program(const char *name)
{
	const char *path = getenv("PATH");
	/* A version manager's shim would be a shell script, with a memory of its own. */
	const char *first = live_format("/usr/bin/%s", name);

	if (access(first, X_OK) == 0)
		return first;
	while (path && *path) {
		size_t length = strcspn(path, ":");
		char *candidate = live_format("%.*s/%s", (int)length, path, name);

		if (access(candidate, X_OK) == 0)
			return candidate;
		path += length + (path[length] == ':');
	}
	return NULL;
}

const char *live_python(void)
{
	static const char *const paths[] = {"/usr/bin/python3", "/usr/local/bin/python3"};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (!access(paths[i], X_OK))
			return paths[i];
	live_skip("python3", "there is no python3");
}

const char *live_workload(const char *name)
{
	const char *dir = getenv("APOPTOSIS_WORKLOADS") ?: getenv("WORKLOADS");
	const char *path = live_format("%s/%s", dir ?: "build/workloads", name);

	if (access(path, R_OK) < 0)
		path = live_format("tests/workloads/%s", name);
	if (access(path, R_OK) < 0)
		live_skip(name, "the workload was not built");
	return path;
}

const char *live_beside(const char *name)
{
	char runner[4096];
	ssize_t length = readlink("/proc/self/exe", runner, sizeof(runner) - 1);

	live_check(length > 0, "readlink: %m");
	runner[length] = '\0';
	return live_format("%.*s/%s", (int)(strrchr(runner, '/') - runner), runner, name);
}

const struct cgroup_tree *live_tree(void)
{
	return live.tree;
}

/* Makes the directory and holds it. */
static void make_cgroup(struct live_cgroup *cgroup, uint64_t limit)
{
	int r = cgroup_create(live.tree, cgroup->rel);

	live_check(r == 0, "create cgroup %s: %s", cgroup->rel, strerror(-r));
	r = cgroup_open(live.tree, cgroup->rel, &cgroup->fd);
	live_check(r == 0, "open cgroup %s: %s", cgroup->rel, strerror(-r));
	r = cgroup_id(cgroup->fd, &cgroup->id);
	live_check(r == 0, "id of cgroup %s: %s", cgroup->rel, strerror(-r));
	if (limit)
		live_set_limit(cgroup, limit);
}

const char *live_unique(const char *name)
{
	return live_format("%d-%u-%s", (int)getpid(), live.serial++, name);
}

struct live_cgroup *live_cgroup_called(const struct live_cgroup *parent, const char *name,
				       uint64_t limit)
{
	struct live_cgroup *cgroup = calloc(1, sizeof(*cgroup));
	const char *above = parent ? parent->rel : getenv("APO_LIVE_CGROUP");

	live_check(cgroup && live.cgroup_count < MAX_THINGS, "out of memory");
	cgroup->rel = live_format("%s/%s", above, name);
	cgroup->fd = -1;
	cgroup->high = UINT64_MAX;
	live.cgroups[live.cgroup_count++] = cgroup;
	make_cgroup(cgroup, limit);
	return cgroup;
}

void live_remove(struct live_cgroup *cgroup)
{
	int r = cgroup_remove(live.tree, cgroup->rel);

	live_check(r == 0, "remove cgroup %s: %s", cgroup->rel, strerror(-r));
	cgroup->fd = close_fd(cgroup->fd);
}

void live_make_anew(struct live_cgroup *cgroup, uint64_t limit)
{
	uint64_t before = cgroup->id;

	make_cgroup(cgroup, limit);
	live_check(cgroup->id != before, "cgroup %s has the id of the one before", cgroup->rel);
}

void live_set_limit(const struct live_cgroup *cgroup, uint64_t bytes)
{
	int r = cgroup_write_limit(live.tree, cgroup->fd, bytes);

	live_check(r == 0, "limit of cgroup %s: %s", cgroup->rel, strerror(-r));
}

void live_set(const struct live_cgroup *cgroup, const char *file, const char *value)
{
	int r = file_write(cgroup->fd, file, value);

	live_check(r == 0, "write '%s' to %s of %s: %s", value, file, cgroup->rel, strerror(-r));
}

const char *live_get(const struct live_cgroup *cgroup, const char *file)
{
	return live_read(live_format("/proc/self/fd/%d/%s", cgroup->fd, file));
}

struct cgroup_events live_kernel_events(const struct live_cgroup *cgroup)
{
	struct cgroup_events events = {0};
	int r = cgroup_events_read(live.tree, cgroup->fd, &events);

	live_check(r == 0, "events of cgroup %s: %s", cgroup->rel, strerror(-r));
	return events;
}

struct cgroup_memory live_memory(const struct live_cgroup *cgroup)
{
	struct cgroup_memory memory = {0};
	int r = cgroup_memory_read(live.tree, cgroup->fd, &memory);

	live_check(r == 0, "memory of cgroup %s: %s", cgroup->rel, strerror(-r));
	return memory;
}

uint64_t live_limit(const struct live_cgroup *cgroup)
{
	return live_memory(cgroup).limit_bytes;
}

void live_set_high(struct live_cgroup *cgroup, uint64_t bytes)
{
	live_set(cgroup, "memory.high", live_format("%" PRIu64, bytes));
	cgroup->high = bytes;
}

bool live_high_is_back(const struct live_cgroup *cgroup)
{
	struct cgroup_limits limits = {0};
	int r = cgroup_limits_read(live.tree, cgroup->fd, &limits);

	live_check(r == 0, "limits of cgroup %s: %s", cgroup->rel, strerror(-r));
	return limits.high_bytes == cgroup->high;
}

void live_expect_limit_back(const struct live_cgroup *cgroup, uint64_t limit)
{
	uint64_t deadline = live_deadline();

	while (live_limit(cgroup) != limit || !live_high_is_back(cgroup))
		live_pump(deadline, "the limit to be put back");
}

bool live_has_loans(void)
{
	DIR *dir = opendir(getenv("RUNTIME_DIRECTORY"));
	struct dirent *item;
	bool any = false;

	live_check(dir, "$RUNTIME_DIRECTORY: %m");
	while ((item = readdir(dir)))
		any |= strncmp(item->d_name, "limit-", 6) == 0;
	closedir(dir);
	return any;
}

struct sweep {
	char *paths[MAX_SWEPT];
	size_t count;
};

static int kill_and_note(int dirfd, const char *path, void *userdata)
{
	struct sweep *sweep = userdata;
	pid_t *pids = NULL;
	size_t n = 0;

	if (cgroup_procs(dirfd, &pids, &n) == 0)
		for (size_t i = 0; i < n; i++)
			kill(pids[i], SIGKILL);
	free(pids);
	if (sweep->count < MAX_SWEPT)
		sweep->paths[sweep->count++] = strdup(path);
	return 0;
}

/* Kills and removes a cgroup and all below it. 0, or the reason why it is still there. */
static int sweep_cgroup(const struct cgroup_tree *tree, const char *rel)
{
	struct timespec nap = {0, 2000000};
	int r = -EBUSY, fd;

	for (int i = 0; i < 5000 && r == -EBUSY; i++) {
		struct sweep sweep = {.count = 0};

		if (cgroup_open(tree, rel, &fd) < 0)
			return 0;
		cgroup_walk(fd, kill_and_note, &sweep);
		close_fd(fd);
		process_reap_all();
		r = 0;
		while (sweep.count > 0) {
			char *path = sweep.paths[--sweep.count];
			char full[4096];

			snprintf(full, sizeof(full), "%s%s", rel, strcmp(path, "/") ? path : "");
			r = cgroup_remove(tree, full);
			free(path);
		}
		if (r == -ENOENT)
			r = 0;
		if (r < 0)
			nanosleep(&nap, NULL);
	}
	return r;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	umount2(path, MNT_DETACH);
	if (type == FTW_F)
		swapoff(path);
	return remove(path);
}

static void remove_tree(const char *path)
{
	/* Not across mounts: what is mounted is unmounted first, as root of its own walk. */
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static void find_tree(struct cgroup_tree **ret)
{
	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = cgroup_tree_new(ret, root);

	if (r < 0) {
		fprintf(stderr, "live: no memory controller found: %s\n", strerror(-r));
		exit(1);
	}
}

/* What runners that were killed have left. */
static void sweep_stale(void)
{
	DIR *mount = opendir(cgroup_tree_mount(live.tree));
	struct dirent *entry;

	while (mount && (entry = readdir(mount))) {
		char rel[300];
		int pid;

		if (sscanf(entry->d_name, "apo-live-%d", &pid) != 1 || kill(pid, 0) == 0)
			continue;
		snprintf(rel, sizeof(rel), "/%s", entry->d_name);
		sweep_cgroup(live.tree, rel);
	}
	if (mount)
		closedir(mount);
}

void live_runner_begin(void)
{
	const char *base = getenv("APO_LIVE_DIR");
	char rel[64], dir[4096], *absolute;
	int r;

	find_tree(&live.tree);
	sweep_stale();
	/* A slice: what is below it may look like a unit of systemd. */
	snprintf(rel, sizeof(rel), "/apo-live-%d.slice", (int)getpid());
	r = cgroup_create(live.tree, rel);
	if (r < 0) {
		fprintf(stderr, "live: cannot create cgroup %s: %s\n", rel, strerror(-r));
		exit(1);
	}
	if (!base) {
		base = "build/live";
		mkdir("build", 0755);
	}
	mkdir(base, 0700);
	absolute = realpath(base, NULL);
	if (!absolute) {
		fprintf(stderr, "live: %s: %m\n", base);
		exit(1);
	}
	snprintf(dir, sizeof(dir), "%s/%d", absolute, (int)getpid());
	free(absolute);
	mkdir(dir, 0700);
	setenv("APO_LIVE_CGROUP", rel, 1);
	setenv("APO_LIVE_TESTS", dir, 1);
	/* The programs under test are not to be translated, coloured or dated by the environment. */
	setenv("LC_ALL", "C", 1);
}

void live_runner_end(void)
{
	int r = sweep_cgroup(live.tree, getenv("APO_LIVE_CGROUP"));

	if (r < 0)
		fprintf(stderr, "live: cgroup %s stays: %s\n", getenv("APO_LIVE_CGROUP"),
			strerror(-r));
	remove_tree(getenv("APO_LIVE_TESTS"));
	live.tree = cgroup_tree_free(live.tree);
}

void live_setup(void)
{
	const char *runtime;

	find_tree(&live.tree);
	live.dir = live_format("%s/%d", getenv("APO_LIVE_TESTS"), (int)getpid());
	live_check(mkdir(live.dir, 0700) == 0, "mkdir %s: %m", live.dir);
	/* Where the tool keeps on record which limits it has raised. */
	runtime = live_path("runtime");
	live_check(mkdir(runtime, 0700) == 0, "mkdir %s: %m", runtime);
	live_check(setenv("RUNTIME_DIRECTORY", runtime, 1) == 0, "setenv: %m");
}

void live_setup_v2(void)
{
	live_setup();
	if (cgroup_tree_version(live.tree) != 2)
		live_skip("v2", "the memory controller is that of cgroup v1");
}

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(format, args);
	va_end(args);
}

/* A process may be waiting for one that only its cgroup tells of, and not end before that has ended. */
static void kill_in_cgroups(void)
{
	for (size_t i = 0; i < live.cgroup_count; i++) {
		struct sweep sweep = {.count = MAX_SWEPT}; /* nothing is noted */

		cgroup_walk(live.cgroups[i]->fd, kill_and_note, &sweep);
	}
}

void live_teardown(void)
{
	process_end_tools();
	kill_in_cgroups();
	process_kill_all();
	while (live.cgroup_count > 0) {
		struct live_cgroup *cgroup = live.cgroups[--live.cgroup_count];
		int r;

		close_fd(cgroup->fd);
		r = sweep_cgroup(live.tree, cgroup->rel);
		if (r < 0)
			note("cgroup %s stays: %s", cgroup->rel, strerror(-r));
		free(cgroup);
	}
	process_free_all();
	while (live.mount_count > 0)
		umount2(live.mounts[--live.mount_count], MNT_DETACH);
	remove_tree(live.dir);
	live.tree = cgroup_tree_free(live.tree);
	while (live.string_count > 0)
		free(live.strings[--live.string_count]);
	free(live.strings);
	live.strings = NULL;
}
