/* SPDX-License-Identifier: BSD-2-Clause */
#include "sense/cgroup_memory.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "base/parse.h"
#include "base/util.h"

/*
 * v1 has no word for "no limit": it shows PAGE_COUNTER_MAX, LONG_MAX rounded down to pages (on 64
 * bits), of whatever size. No machine has a limit within a MiB of that.
 */
#define V1_UNLIMITED ((uint64_t)INT64_MAX - (1U << 20))

struct file_names {
	const char *usage, *limit, *swap_usage, *swap_limit;
	const char *inactive_file, *active_file; /* keys of memory.stat, of the whole subtree */
};

static const struct file_names names_v1 = {
	.usage = "memory.usage_in_bytes",
	.limit = "memory.limit_in_bytes",
	.swap_usage = "memory.memsw.usage_in_bytes",
	.swap_limit = "memory.memsw.limit_in_bytes",
	.inactive_file = "total_inactive_file",
	.active_file = "total_active_file",
};

static const struct file_names names_v2 = {
	.usage = "memory.current",
	.limit = "memory.max",
	.swap_usage = "memory.swap.current",
	.swap_limit = "memory.swap.max",
	.inactive_file = "inactive_file",
	.active_file = "active_file",
};

#define HIGH_V2 "memory.high"

static const struct file_names *names_of(const struct cgroup_tree *tree)
{
	return cgroup_tree_version(tree) == 1 ? &names_v1 : &names_v2;
}

/*
 * What a missing file means: -ENODATA, the kernel has none here; -ENOENT, the whole cgroup was
 * removed. Other errors are passed on.
 */
static int file_error(int dirfd, int error)
{
	/* The cgroup was removed after the file was opened. */
	if (error == -ENODEV)
		return -ENOENT;
	if (error == -ENOENT && faccessat(dirfd, "cgroup.procs", F_OK, 0) == 0)
		return -ENODATA;
	return error;
}

static int read_number(int dirfd, const char *name, uint64_t *ret)
{
	return file_error(dirfd, file_read_u64(dirfd, name, ret));
}

static int read_text(int dirfd, const char *name, char **ret)
{
	return file_error(dirfd, file_read(dirfd, name, ret, NULL));
}

static int read_limit(int dirfd, const char *name, uint64_t *ret)
{
	uint64_t limit = 0;
	int r = read_number(dirfd, name, &limit);

	if (r == 0)
		*ret = limit > V1_UNLIMITED ? UINT64_MAX : limit;
	return r;
}

/* Where swap is not accounted or not built in, its files are missing and *memory stays as it is. */
static int read_swap(int dirfd, const struct file_names *names, struct cgroup_memory *memory)
{
	uint64_t usage = 0, limit = 0;
	int r = read_number(dirfd, names->swap_usage, &usage);

	if (r == 0)
		r = read_limit(dirfd, names->swap_limit, &limit);
	if (r < 0)
		return r == -ENODATA ? 0 : r;

	memory->swap_accounted = true;
	if (names == &names_v1) {
		memory->memsw_usage_bytes = usage;
		memory->memsw_limit_bytes = limit;
	} else {
		memory->swap_usage_bytes = usage;
		memory->swap_limit_bytes = limit;
	}
	return 0;
}

int cgroup_memory_read(const struct cgroup_tree *tree, int dirfd, struct cgroup_memory *ret)
{
	const struct file_names *names = names_of(tree);
	struct cgroup_memory memory = {.swap_limit_bytes = UINT64_MAX,
				       .memsw_limit_bytes = UINT64_MAX};
	_cleanup_free_ char *stat = NULL;
	uint64_t inactive = 0, active = 0;
	int r;

	r = read_number(dirfd, names->usage, &memory.usage_bytes);
	if (r < 0)
		return r;
	r = read_limit(dirfd, names->limit, &memory.limit_bytes);
	if (r < 0)
		return r;
	r = read_swap(dirfd, names, &memory);
	if (r < 0)
		return r;
	r = read_text(dirfd, "memory.stat", &stat);
	if (r < 0)
		return r;
	if (parse_field_u64(stat, names->inactive_file, &inactive) < 0 ||
	    parse_field_u64(stat, names->active_file, &active) < 0)
		return -EBADMSG;
	memory.file_bytes = sat_add(inactive, active);
	if (names == &names_v1)
		/* Missing without swap accounting. */
		(void)parse_field_u64(stat, "total_swap", &memory.swap_usage_bytes);

	*ret = memory;
	return 0;
}

/* Makes the limit the binding one, if it has less headroom than the one so far. */
static void consider(struct cgroup_limit *best, const struct cgroup_memory *memory, bool memsw)
{
	uint64_t limit = memsw ? memory->memsw_limit_bytes : memory->limit_bytes;
	uint64_t usage = memsw ? memory->memsw_usage_bytes : memory->usage_bytes;
	int64_t headroom = sat_diff(limit, sat_sub(usage, memory->file_bytes));

	if (limit == UINT64_MAX || headroom >= best->headroom_bytes)
		return;
	best->limit_bytes = limit;
	best->usage_bytes = usage;
	best->file_bytes = memory->file_bytes;
	best->headroom_bytes = headroom;
	best->memsw_binds = memsw;
}

/* Weighs the limits of one cgroup. 1: they bind; 0: they do not. */
static int consider_cgroup(const struct cgroup_tree *tree, int dirfd, struct cgroup_limit *best)
{
	struct cgroup_memory memory;
	int64_t before = best->headroom_bytes;
	int r = cgroup_memory_read(tree, dirfd, &memory);

	/* The v2 root, or a cgroup that the memory controller is not enabled for. */
	if (r == -ENODATA)
		return 0;
	if (r < 0)
		return r;
	consider(best, &memory, false);
	consider(best, &memory, true);
	return best->headroom_bytes < before;
}

int cgroup_charged(const struct cgroup_tree *tree, const char *rel, char **ret_rel)
{
	_cleanup_free_ char *path = strdup(rel);

	while (path) {
		_cleanup_close_ int fd = -1;
		struct cgroup_memory memory;
		char *slash;
		int r = cgroup_open(tree, path, &fd);

		if (r == 0)
			r = cgroup_memory_read(tree, fd, &memory);
		if (r == 0 || (r == -ENODATA && strcmp(path, "/") == 0)) {
			*ret_rel = TAKE_PTR(path);
			return 0;
		}
		if (r != -ENODATA)
			return r;
		slash = strrchr(path, '/');
		slash[slash == path] = '\0';
	}
	return -ENOMEM;
}

bool cgroup_charges_children(const struct cgroup_tree *tree, int dirfd)
{
	uint64_t value = 1;

	return cgroup_tree_version(tree) == 2 ||
	       file_read_u64(dirfd, "memory.use_hierarchy", &value) < 0 || value != 0;
}

int cgroup_limit_binding(const struct cgroup_tree *tree, const char *rel, struct cgroup_limit *ret)
{
	_cleanup_cgroup_limit_ struct cgroup_limit best = {.limit_bytes = UINT64_MAX,
							   .headroom_bytes = INT64_MAX};
	_cleanup_free_ char *path = strdup(rel);
	bool first = true;

	if (!path)
		return -ENOMEM;
	for (;;) {
		_cleanup_close_ int fd = -1;
		char *slash;
		int r;

		r = cgroup_open(tree, path, &fd);
		if (r < 0)
			return r;
		if (!first && !cgroup_charges_children(tree, fd))
			break;
		r = consider_cgroup(tree, fd, &best);
		if (r < 0)
			return r;
		if (r > 0) {
			free(best.cgroup);
			best.cgroup = strdup(*path ? path : "/");
			if (!best.cgroup)
				return -ENOMEM;
			r = cgroup_id(fd, &best.cgroup_id);
			if (r < 0)
				return r;
		}
		slash = strrchr(path, '/');
		if (!slash || strcmp(path, "/") == 0)
			break;
		*slash = '\0';
		first = false;
	}

	*ret = best;
	best.cgroup = NULL;
	return 0;
}

void cgroup_limit_done(struct cgroup_limit *limit)
{
	free(limit->cgroup);
	*limit = (struct cgroup_limit){.limit_bytes = UINT64_MAX, .headroom_bytes = INT64_MAX};
}

/* Where the OOM killer is enabled, under_oom is 1 as well: for as long as a kill takes. */
static bool says_hangs(const char *oom_control)
{
	uint64_t disabled, under_oom;

	return !parse_field_u64(oom_control, "oom_kill_disable", &disabled) &&
	       !parse_field_u64(oom_control, "under_oom", &under_oom) && disabled && under_oom;
}

/* Adds the OOM kills in one v1 cgroup. A descendant that cannot be read was removed meanwhile. */
static int visit_oom_control(int dirfd, const char *path, void *userdata)
{
	_cleanup_free_ char *text = NULL;
	struct cgroup_events *events = userdata;
	bool is_itself = strcmp(path, "/") == 0;
	uint64_t kills = 0;
	int r = read_text(dirfd, "memory.oom_control", &text);

	if (r == 0 && parse_field_u64(text, "oom_kill", &kills) < 0)
		r = -ENODATA;
	if (r < 0)
		return is_itself ? r : 0;
	if (is_itself)
		events->hangs = says_hangs(text);
	events->oom_kills = sat_add(events->oom_kills, kills);
	return 0;
}

static int read_events_v1(int dirfd, struct cgroup_events *events)
{
	int r = read_number(dirfd, "memory.failcnt", &events->at_limit);

	if (r == 0)
		r = cgroup_walk(dirfd, visit_oom_control, events);
	return r;
}

static int read_events_v2(int dirfd, struct cgroup_events *events)
{
	_cleanup_free_ char *text = NULL;
	int r = read_text(dirfd, "memory.events", &text);

	if (r < 0)
		return r;
	if (parse_field_u64(text, "oom_kill", &events->oom_kills) < 0 ||
	    parse_field_u64(text, "max", &events->at_limit) < 0 ||
	    parse_field_u64(text, "high", &events->at_high) < 0)
		return -EBADMSG;
	return 0;
}

int cgroup_events_read(const struct cgroup_tree *tree, int dirfd, struct cgroup_events *ret)
{
	struct cgroup_events events = {0};
	int r = cgroup_tree_version(tree) == 1 ? read_events_v1(dirfd, &events)
					       : read_events_v2(dirfd, &events);

	if (r == 0)
		*ret = events;
	return r;
}

static int write_limit(const struct cgroup_tree *tree, int dirfd, const char *name, uint64_t bytes,
		       int (*write_file)(int dirfd, const char *path, const char *text))
{
	char text[24];

	if (bytes == UINT64_MAX)
		snprintf(text, sizeof(text), "%s", cgroup_tree_version(tree) == 1 ? "-1" : "max");
	else
		snprintf(text, sizeof(text), "%" PRIu64, bytes);
	return write_file(dirfd, name, text);
}

int cgroup_write_limit(const struct cgroup_tree *tree, int dirfd, uint64_t bytes)
{
	return write_limit(tree, dirfd, names_of(tree)->limit, bytes, file_write);
}

int cgroup_usage_read(const struct cgroup_tree *tree, int dirfd, uint64_t *ret)
{
	return read_number(dirfd, names_of(tree)->usage, ret);
}

int cgroup_stat_read(const struct cgroup_tree *tree, int dirfd, char **ret_stat,
		     uint64_t *ret_kernel_bytes, uint64_t *ret_usage_bytes)
{
	_cleanup_free_ char *stat = NULL;
	uint64_t usage = 0, kernel = 0;
	int r = read_text(dirfd, "memory.stat", &stat);

	if (!r && cgroup_tree_version(tree) == 1 &&
	    read_number(dirfd, "memory.kmem.usage_in_bytes", &kernel))
		kernel = 0; /* built without, or booted with cgroup.memory=nokmem */
	if (!r)
		r = cgroup_usage_read(tree, dirfd, &usage);
	if (r)
		return r;
	*ret_stat = TAKE_PTR(stat);
	*ret_kernel_bytes = kernel;
	*ret_usage_bytes = usage;
	return 0;
}

int cgroup_memsw_usage_read(const struct cgroup_tree *tree, int dirfd, uint64_t *ret)
{
	int r = cgroup_tree_version(tree) == 1 ? read_number(dirfd, names_v1.swap_usage, ret)
					       : -ENODATA;

	if (r == -ENODATA)
		*ret = 0;
	return r == -ENODATA ? 0 : r;
}

int cgroup_limits_read(const struct cgroup_tree *tree, int dirfd, struct cgroup_limits *ret)
{
	struct cgroup_limits limits = {
		.memory_bytes = UINT64_MAX, .memsw_bytes = UINT64_MAX, .high_bytes = UINT64_MAX};
	int r = read_limit(dirfd, names_of(tree)->limit, &limits.memory_bytes);

	if (!r && cgroup_tree_version(tree) == 2)
		r = read_limit(dirfd, HIGH_V2, &limits.high_bytes);
	if (!r && cgroup_tree_version(tree) == 1) {
		r = read_limit(dirfd, names_v1.swap_limit, &limits.memsw_bytes);
		if (r == -ENODATA) /* booted without swap accounting */
			r = 0;
	}
	if (!r)
		*ret = limits;
	return r;
}

static int change_limit(const struct cgroup_tree *tree, int dirfd, const char *name, uint64_t from,
			uint64_t to)
{
	uint64_t now = 0;
	int r = from == to ? 0 : read_limit(dirfd, name, &now);

	if (r || from == to)
		return r;
	return now == from ? write_limit(tree, dirfd, name, to, file_write_nonblock) : -EAGAIN;
}

int cgroup_limits_change(const struct cgroup_tree *tree, int dirfd,
			 const struct cgroup_limits *from, const struct cgroup_limits *to)
{
	bool memsw_first = to->memsw_bytes > from->memsw_bytes;
	int r = 0;

	if (memsw_first)
		r = change_limit(tree, dirfd, names_v1.swap_limit, from->memsw_bytes,
				 to->memsw_bytes);
	if (!r)
		r = change_limit(tree, dirfd, names_of(tree)->limit, from->memory_bytes,
				 to->memory_bytes);
	if (!r && !memsw_first)
		r = change_limit(tree, dirfd, names_v1.swap_limit, from->memsw_bytes,
				 to->memsw_bytes);
	if (!r)
		r = change_limit(tree, dirfd, HIGH_V2, from->high_bytes, to->high_bytes);
	return r;
}

int cgroup_reclaim(const struct cgroup_tree *tree, int dirfd, uint64_t bytes)
{
	if (cgroup_tree_version(tree) == 1)
		return -ENOENT;
	return write_limit(tree, dirfd, "memory.reclaim", bytes, file_write);
}

bool cgroup_limit_writable(const struct cgroup_tree *tree, int dirfd)
{
	return faccessat(dirfd, names_of(tree)->limit, W_OK, AT_EACCESS) == 0;
}
