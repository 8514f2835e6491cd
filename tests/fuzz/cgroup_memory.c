/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The files of a memory cgroup. The first byte is the version, 1 or 2; the parts: usage, limit, usage
 * and limit of swap, memory.stat, memory.events or memory.oom_control, memory.failcnt or memory.high,
 * memory.use_hierarchy, cgroup.procs.
 */
#include "sense/cgroup_memory.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "fuzz/fuzz.h"

static const struct version {
	const char *mountinfo;
	const char *files[8];
} versions[] = {
	{"1 1 0:1 / /cg rw - cgroup cgroup rw,memory\n",
	 {"memory.usage_in_bytes", "memory.limit_in_bytes", "memory.memsw.usage_in_bytes",
	  "memory.memsw.limit_in_bytes", "memory.stat", "memory.oom_control", "memory.failcnt",
	  "memory.use_hierarchy"}},
	{"1 1 0:1 / /cg rw - cgroup2 cgroup2 rw\n",
	 {"memory.current", "memory.max", "memory.swap.current", "memory.swap.max", "memory.stat",
	  "memory.events", "memory.high", "memory.use_hierarchy"}},
};

/* One for each version, each in a directory of its own. */
static struct cgroup_tree *tree_of(int version)
{
	static struct cgroup_tree *trees[2];
	const char *mountinfo = versions[version].mountinfo;
	_cleanup_close_ int root = -1;
	char path[64];

	if (trees[version])
		return trees[version];
	snprintf(path, sizeof(path), "%d/proc/self/mountinfo", version);
	fuzz_file(path, mountinfo, strlen(mountinfo));
	snprintf(path, sizeof(path), "%d/cg/cgroup.controllers", version);
	fuzz_file(path, "memory\n", 7);
	snprintf(path, sizeof(path), "%d/cg/cgroup.procs", version);
	fuzz_file(path, "", 0);
	snprintf(path, sizeof(path), "%d", version);
	root = openat(fuzz_dir(), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	FUZZ_CHECK(cgroup_tree_new(&trees[version], root) == 0);
	return trees[version];
}

static void check_limit(const struct cgroup_tree *tree)
{
	_cleanup_cgroup_limit_ struct cgroup_limit limit = {.limit_bytes = 0};

	if (cgroup_limit_binding(tree, "/a", &limit))
		return;
	FUZZ_CHECK(!limit.cgroup == (limit.limit_bytes == UINT64_MAX));
	FUZZ_CHECK(limit.cgroup || limit.headroom_bytes == INT64_MAX);
}

static void check_procs(int dirfd)
{
	_cleanup_free_ pid_t *pids = NULL;
	size_t count;

	if (cgroup_procs(dirfd, &pids, &count))
		return;
	for (size_t i = 1; i < count; i++)
		FUZZ_CHECK(pids[i - 1] < pids[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int version = size && data[0] == '2';
	struct fuzz_input input = {data + !!size, size - !!size};
	const struct cgroup_tree *tree = tree_of(version);
	_cleanup_close_ int dirfd = -1;
	struct cgroup_memory memory;
	struct cgroup_events events;
	struct cgroup_limits limits;
	uint64_t usage;
	char path[64];

	for (size_t i = 0; i < ARRAY_SIZE(versions[version].files); i++) {
		snprintf(path, sizeof(path), "%d/cg/a/%s", version, versions[version].files[i]);
		fuzz_part_file(&input, path);
	}
	snprintf(path, sizeof(path), "%d/cg/a/cgroup.procs", version);
	fuzz_file(path, input.at, input.left);
	FUZZ_CHECK(cgroup_open(tree, "/a", &dirfd) == 0);
	(void)cgroup_memory_read(tree, dirfd, &memory);
	(void)cgroup_events_read(tree, dirfd, &events);
	(void)cgroup_limits_read(tree, dirfd, &limits);
	(void)cgroup_usage_read(tree, dirfd, &usage);
	(void)cgroup_memsw_usage_read(tree, dirfd, &usage);
	(void)cgroup_charges_children(tree, dirfd);
	check_limit(tree);
	check_procs(dirfd);
	return 0;
}
