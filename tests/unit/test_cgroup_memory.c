/* SPDX-License-Identifier: BSD-2-Clause */
#include "sense/cgroup_memory.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "unit/fixture.h"

TestSuite(cgroup_memory, .init = fixture_make, .fini = fixture_remove);

#define MIB (1024 * 1024ULL)
#define V1_NONE "9223372036854771712\n" /* v1, 4 KiB pages */
#define V1_ROOT "sys/fs/cgroup/memory"
#define V2_ROOT "sys/fs/cgroup"

static void put(const char *cgroup, const char *name, const char *text)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", cgroup, name);
	fixture_file(path, text);
}

static void put_number(const char *cgroup, const char *name, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64 "\n", value);
	put(cgroup, name, text);
}

static struct cgroup_tree *v1_tree(void)
{
	put(V1_ROOT, "cgroup.procs", "");
	put(V1_ROOT, "memory.usage_in_bytes", "1000000000\n");
	put(V1_ROOT, "memory.limit_in_bytes", V1_NONE);
	put(V1_ROOT, "memory.stat", "total_inactive_file 0\ntotal_active_file 0\n");
	return fixture_cgroup_tree(
		"35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
}

/* The root of the v2 hierarchy has memory.stat, but neither usage nor limit. */
static struct cgroup_tree *v2_tree(void)
{
	put(V2_ROOT, "cgroup.procs", "");
	put(V2_ROOT, "cgroup.controllers", "memory\n");
	put(V2_ROOT, "memory.stat", "inactive_file 1\nactive_file 2\n");
	return fixture_cgroup_tree("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
}

static void make_v2(const char *cgroup, uint64_t limit, uint64_t usage, uint64_t file)
{
	char stat[128];

	put(cgroup, "cgroup.procs", "");
	if (limit == UINT64_MAX)
		put(cgroup, "memory.max", "max\n");
	else
		put_number(cgroup, "memory.max", limit);
	put_number(cgroup, "memory.current", usage);
	snprintf(stat, sizeof(stat), "anon 1\nfile 7\ninactive_file %" PRIu64 "\nactive_file 0\n",
		 file);
	put(cgroup, "memory.stat", stat);
}

static void make_v1(const char *cgroup, uint64_t limit, uint64_t usage, uint64_t file)
{
	char stat[128];

	put(cgroup, "cgroup.procs", "");
	put_number(cgroup, "memory.limit_in_bytes", limit);
	put_number(cgroup, "memory.usage_in_bytes", usage);
	snprintf(stat, sizeof(stat),
		 "inactive_file 3\nactive_file 4\ntotal_inactive_file %" PRIu64
		 "\ntotal_active_file 0\n",
		 file);
	put(cgroup, "memory.stat", stat);
}

static int open_rel(const struct cgroup_tree *tree, const char *rel)
{
	int fd = -1;

	cr_assert_eq(cgroup_open(tree, rel, &fd), 0);
	return fd;
}

Test(cgroup_memory, v1_numbers_are_hierarchical)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v1_tree();
	_cleanup_close_ int fd = -1;
	struct cgroup_memory memory;

	put(V1_ROOT "/a", "cgroup.procs", "");
	put(V1_ROOT "/a", "memory.usage_in_bytes", "200000\n");
	put(V1_ROOT "/a", "memory.limit_in_bytes", "268435456\n");
	put(V1_ROOT "/a", "memory.memsw.usage_in_bytes", "250000\n");
	put(V1_ROOT "/a", "memory.memsw.limit_in_bytes", V1_NONE);
	put(V1_ROOT "/a", "memory.stat",
	    "cache 1\ninactive_file 10\nactive_file 20\nswap 5\nhierarchical_memory_limit "
	    "268435456\n"
	    "total_cache 99\ntotal_swap 50000\ntotal_inactive_file 1000\ntotal_active_file 2000\n");
	fd = open_rel(tree, "/a");
	cr_assert_eq(cgroup_memory_read(tree, fd, &memory), 0);
	cr_expect_eq(memory.usage_bytes, 200000);
	cr_expect_eq(memory.limit_bytes, 256 * MIB);
	cr_expect_eq(memory.file_bytes, 3000);
	cr_expect(memory.swap_accounted);
	cr_expect_eq(memory.swap_usage_bytes, 50000);
	cr_expect_eq(memory.swap_limit_bytes, UINT64_MAX);
	cr_expect_eq(memory.memsw_usage_bytes, 250000);
	cr_expect_eq(memory.memsw_limit_bytes, UINT64_MAX);
}

Test(cgroup_memory, v1_no_limit_is_told_for_every_page_size)
{
	static const struct {
		const char *text;
		uint64_t limit;
	} cases[] = {
		{"9223372036854771712\n", UINT64_MAX}, /* 4 KiB */
		{"9223372036854759424\n", UINT64_MAX}, /* 16 KiB */
		{"9223372036854710272\n", UINT64_MAX}, /* 64 KiB */
		{"9223372036854775807\n", UINT64_MAX},
		{"9223372036852678656\n", 9223372036852678656U}, /* 2 MiB below: a limit */
		{"0\n", 0},
	};
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v1_tree();
	_cleanup_close_ int fd = open_rel(tree, "/");
	struct cgroup_memory memory;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		put(V1_ROOT, "memory.limit_in_bytes", cases[i].text);
		cr_assert_eq(cgroup_memory_read(tree, fd, &memory), 0);
		cr_expect_eq(memory.limit_bytes, cases[i].limit, "%s", cases[i].text);
	}
	cr_expect_not(memory.swap_accounted);
}

Test(cgroup_memory, v2_numbers)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v2_tree();
	_cleanup_close_ int fd = -1;
	struct cgroup_memory memory;

	make_v2(V2_ROOT "/a", 256 * MIB, 200000, 3000);
	put(V2_ROOT "/a", "memory.swap.current", "4096\n");
	put(V2_ROOT "/a", "memory.swap.max", "max\n");
	fd = open_rel(tree, "/a");
	cr_assert_eq(cgroup_memory_read(tree, fd, &memory), 0);
	cr_expect_eq(memory.usage_bytes, 200000);
	cr_expect_eq(memory.limit_bytes, 256 * MIB);
	cr_expect_eq(memory.file_bytes, 3000);
	cr_expect(memory.swap_accounted);
	cr_expect_eq(memory.swap_usage_bytes, 4096);
	cr_expect_eq(memory.swap_limit_bytes, UINT64_MAX);
	cr_expect_eq(memory.memsw_usage_bytes, 0);
	cr_expect_eq(memory.memsw_limit_bytes, UINT64_MAX);

	put(V2_ROOT "/a", "memory.max", "max\n");
	put(V2_ROOT "/a", "memory.swap.max", "0\n");
	cr_assert_eq(cgroup_memory_read(tree, fd, &memory), 0);
	cr_expect_eq(memory.limit_bytes, UINT64_MAX);
	cr_expect_eq(memory.swap_limit_bytes, 0);
}

Test(cgroup_memory, cgroup_without_files_differs_from_one_that_is_gone)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v2_tree();
	_cleanup_close_ int root = open_rel(tree, "/"), gone = -1;
	struct cgroup_memory memory = {.usage_bytes = 77};
	struct cgroup_events events = {.oom_kills = 77};

	cr_expect_eq(cgroup_memory_read(tree, root, &memory), -ENODATA);
	cr_expect_eq(cgroup_events_read(tree, root, &events), -ENODATA);
	fixture_directory(V2_ROOT "/gone");
	gone = open_rel(tree, "/gone");
	cr_assert_eq(unlinkat(fixture_root(), V2_ROOT "/gone", AT_REMOVEDIR), 0);
	cr_expect_eq(cgroup_memory_read(tree, gone, &memory), -ENOENT);
	cr_expect_eq(cgroup_events_read(tree, gone, &events), -ENOENT);
	cr_expect_eq(memory.usage_bytes, 77);
	cr_expect_eq(events.oom_kills, 77);
}

Test(cgroup_memory, senseless_files_are_refused)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v2_tree();
	_cleanup_close_ int fd = -1;
	struct cgroup_memory memory;

	make_v2(V2_ROOT "/a", MIB, 1, 1);
	fd = open_rel(tree, "/a");
	put(V2_ROOT "/a", "memory.stat", "inactive_file x\n");
	cr_expect_eq(cgroup_memory_read(tree, fd, &memory), -EBADMSG);
	put(V2_ROOT "/a", "memory.current", "lots\n");
	cr_expect_eq(cgroup_memory_read(tree, fd, &memory), -EBADMSG);
}

static void expect_binding(const struct cgroup_tree *tree, const char *rel, const char *cgroup,
			   uint64_t limit, int64_t headroom)
{
	_cleanup_cgroup_limit_ struct cgroup_limit found = {0};
	struct stat st;
	char path[PATH_MAX];

	cr_assert_eq(cgroup_limit_binding(tree, rel, &found), 0);
	cr_expect_eq(found.limit_bytes, limit, "limit of %s: %" PRIu64, rel, found.limit_bytes);
	cr_expect_eq(found.headroom_bytes, headroom, "headroom of %s: %" PRId64, rel,
		     found.headroom_bytes);
	if (!cgroup) {
		cr_expect_null(found.cgroup);
		cr_expect_eq(found.cgroup_id, 0);
		return;
	}
	cr_expect_str_eq(found.cgroup, cgroup);
	snprintf(path, sizeof(path), "%s%s", cgroup_tree_mount(tree) + 1, cgroup);
	cr_assert_eq(fstatat(fixture_root(), path, &st, 0), 0);
	cr_expect_eq(found.cgroup_id, st.st_ino);
}

Test(cgroup_memory, limit_with_least_headroom_binds)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v2_tree();

	make_v2(V2_ROOT "/a", 512 * MIB, 500 * MIB, 0);
	make_v2(V2_ROOT "/a/b", 128 * MIB, 64 * MIB, 0);
	make_v2(V2_ROOT "/a/b/c", UINT64_MAX, 10 * MIB, 0);
	expect_binding(tree, "/a/b/c", "/a", 512 * MIB, 12 * MIB);
	make_v2(V2_ROOT "/a", 512 * MIB, 100 * MIB, 0);
	expect_binding(tree, "/a/b/c", "/a/b", 128 * MIB, 64 * MIB);
	expect_binding(tree, "/a", "/a", 512 * MIB, 412 * MIB);
	expect_binding(tree, "/", NULL, UINT64_MAX, INT64_MAX);
}

Test(cgroup_memory, page_cache_is_headroom)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v2_tree();

	make_v2(V2_ROOT "/a", 256 * MIB, 256 * MIB, 200 * MIB);
	make_v2(V2_ROOT "/a/b", 250 * MIB, 100 * MIB, 0);
	expect_binding(tree, "/a/b", "/a/b", 250 * MIB, 150 * MIB);
	/* read later than the usage, the cache may be the larger */
	make_v2(V2_ROOT "/a/b", 100 * MIB, 10 * MIB, 20 * MIB);
	expect_binding(tree, "/a/b", "/a/b", 100 * MIB, 100 * MIB);
}

Test(cgroup_memory, headroom_may_be_negative)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v2_tree();

	make_v2(V2_ROOT "/a", 10 * MIB, 12 * MIB, 0);
	expect_binding(tree, "/a", "/a", 10 * MIB, -2 * (int64_t)MIB);
}

Test(cgroup_memory, nearest_of_equal_limits_binds)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v2_tree();

	make_v2(V2_ROOT "/a", 64 * MIB, MIB, 0);
	make_v2(V2_ROOT "/a/b", 64 * MIB, MIB, 0);
	expect_binding(tree, "/a/b", "/a/b", 64 * MIB, 63 * MIB);
}

Test(cgroup_memory, ancestor_without_the_controller_is_passed_over)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v2_tree();

	make_v2(V2_ROOT "/a", 64 * MIB, MIB, 0);
	put(V2_ROOT "/a/b", "cgroup.procs", "");
	expect_binding(tree, "/a/b", "/a", 64 * MIB, 63 * MIB);
}

Test(cgroup_memory, root_of_a_container_mount_has_a_limit)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v2_tree();
	_cleanup_cgroup_limit_ struct cgroup_limit found = {0};

	make_v2(V2_ROOT, 64 * MIB, MIB, 0);
	cr_assert_eq(cgroup_limit_binding(tree, "/", &found), 0);
	cr_expect_str_eq(found.cgroup, "/");
	cr_expect_eq(found.limit_bytes, 64 * MIB);
}

Test(cgroup_memory, v1_huge_limit_is_none)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v1_tree();

	make_v1(V1_ROOT "/a", 9223372036854771712U, MIB, 0);
	expect_binding(tree, "/a", NULL, UINT64_MAX, INT64_MAX);
	make_v1(V1_ROOT "/a/b", 8 * MIB, 6 * MIB, MIB);
	expect_binding(tree, "/a/b", "/a/b", 8 * MIB, 3 * MIB);
}

Test(cgroup_memory, v1_limit_of_memory_and_swap_can_bind)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v1_tree();
	_cleanup_cgroup_limit_ struct cgroup_limit found = {0};

	make_v1(V1_ROOT "/a", 8 * MIB, 4 * MIB, MIB);
	put_number(V1_ROOT "/a", "memory.memsw.limit_in_bytes", 10 * MIB);
	put_number(V1_ROOT "/a", "memory.memsw.usage_in_bytes", 9 * MIB);
	cr_assert_eq(cgroup_limit_binding(tree, "/a", &found), 0);
	cr_expect(found.memsw_binds);
	cr_expect_eq(found.limit_bytes, 10 * MIB);
	cr_expect_eq(found.usage_bytes, 9 * MIB);
	cr_expect_eq(found.file_bytes, MIB);
	cr_expect_eq(found.headroom_bytes, 2 * (int64_t)MIB);
}

Test(cgroup_memory, v1_parent_without_hierarchy_is_not_charged)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v1_tree();

	make_v1(V1_ROOT "/a", 8 * MIB, 8 * MIB, 0);
	make_v1(V1_ROOT "/a/b", 64 * MIB, MIB, 0);
	put(V1_ROOT "/a", "memory.use_hierarchy", "1\n");
	expect_binding(tree, "/a/b", "/a", 8 * MIB, 0);
	put(V1_ROOT "/a", "memory.use_hierarchy", "0\n");
	expect_binding(tree, "/a/b", "/a/b", 64 * MIB, 63 * MIB);
	expect_binding(tree, "/a", "/a", 8 * MIB, 0);
}

Test(cgroup_memory, missing_cgroup_has_no_limit_to_tell)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v2_tree();
	struct cgroup_limit found = {.limit_bytes = 77};

	cr_expect_eq(cgroup_limit_binding(tree, "/none", &found), -ENOENT);
	cr_expect_eq(found.limit_bytes, 77);
}

Test(cgroup_memory, v2_events)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v2_tree();
	_cleanup_close_ int fd = -1;
	struct cgroup_events events;

	put(V2_ROOT "/a", "cgroup.procs", "");
	put(V2_ROOT "/a", "memory.events",
	    "low 1\nhigh 2\nmax 33\noom 4\noom_kill 5\noom_group_kill 6\n");
	fd = open_rel(tree, "/a");
	cr_assert_eq(cgroup_events_read(tree, fd, &events), 0);
	cr_expect_eq(events.oom_kills, 5);
	cr_expect_eq(events.at_limit, 33);
}

Test(cgroup_memory, v1_oom_kills_are_summed_over_the_subtree)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v1_tree();
	_cleanup_close_ int fd = -1;
	struct cgroup_events events;

	put(V1_ROOT "/a", "cgroup.procs", "");
	put(V1_ROOT "/a", "memory.failcnt", "12\n");
	put(V1_ROOT "/a", "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
	put(V1_ROOT "/a/b", "memory.oom_control", "oom_kill_disable 0\nunder_oom 1\noom_kill 2\n");
	put(V1_ROOT "/a/b/c", "memory.oom_control", "oom_kill 4\n");
	fixture_directory(V1_ROOT "/a/going");
	put(V1_ROOT "/other", "memory.oom_control", "oom_kill 8\n");
	fd = open_rel(tree, "/a");
	cr_assert_eq(cgroup_events_read(tree, fd, &events), 0);
	cr_expect_eq(events.oom_kills, 7);
	cr_expect_eq(events.at_limit, 12);

	put(V1_ROOT "/a", "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n");
	cr_expect_eq(cgroup_events_read(tree, fd, &events), -ENODATA);
}

Test(cgroup_memory, v1_hangs_where_the_oom_killer_is_disabled_and_wanted)
{
	static const struct {
		const char *oom_control;
		bool hangs;
	} cases[] = {
		{"oom_kill_disable 1\nunder_oom 1\noom_kill 0\n", true},
		{"oom_kill_disable 1\nunder_oom 0\noom_kill 0\n", false},
		{"oom_kill_disable 0\nunder_oom 1\noom_kill 0\n", false}, /* it kills just now */
		{"oom_kill 0\n", false},
	};
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v1_tree();
	_cleanup_close_ int fd = -1;

	put(V1_ROOT "/a", "cgroup.procs", "");
	put(V1_ROOT "/a", "memory.failcnt", "12\n");
	put(V1_ROOT "/a/b", "memory.oom_control", "oom_kill_disable 1\nunder_oom 1\noom_kill 0\n");
	fd = open_rel(tree, "/a");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cgroup_events events;

		put(V1_ROOT "/a", "memory.oom_control", cases[i].oom_control);
		cr_assert_eq(cgroup_events_read(tree, fd, &events), 0);
		cr_expect_eq(events.hangs, cases[i].hangs, "%s", cases[i].oom_control);
	}
}

static void expect_limit_written(const struct cgroup_tree *tree, int fd, uint64_t bytes,
				 const char *name, const char *expected)
{
	_cleanup_free_ char *text = NULL;
	int file = openat(fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	close(file);
	cr_expect_eq(cgroup_write_limit(tree, fd, bytes), 0);
	cr_assert_eq(file_read(fd, name, &text, NULL), 0);
	cr_expect_str_eq(text, expected);
}

Test(cgroup_memory, limit_is_written_in_the_words_of_the_version)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *v1 = v1_tree(), *v2 = v2_tree();
	_cleanup_close_ int v1_fd = -1, v2_fd = -1;

	make_v1(V1_ROOT "/a", MIB, 0, 0);
	make_v2(V2_ROOT "/b", MIB, 0, 0);
	v1_fd = open_rel(v1, "/a");
	v2_fd = open_rel(v2, "/b");
	expect_limit_written(v1, v1_fd, 256 * MIB, "memory.limit_in_bytes", "268435456");
	expect_limit_written(v1, v1_fd, UINT64_MAX, "memory.limit_in_bytes", "-1");
	expect_limit_written(v2, v2_fd, 256 * MIB, "memory.max", "268435456");
	expect_limit_written(v2, v2_fd, UINT64_MAX, "memory.max", "max");
	cr_expect(cgroup_limit_writable(v2, v2_fd));
}

Test(cgroup_memory, root_of_v2_has_no_limit_to_write)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v2_tree();
	_cleanup_close_ int fd = open_rel(tree, "/");

	cr_expect_eq(cgroup_write_limit(tree, fd, MIB), -ENOENT);
	cr_expect_not(cgroup_limit_writable(tree, fd));
}

static void expect_charged(const struct cgroup_tree *tree, const char *rel, const char *expected)
{
	_cleanup_free_ char *charged = NULL;

	cr_assert_eq(cgroup_charged(tree, rel, &charged), 0, "%s", rel);
	cr_expect_str_eq(charged, expected, "%s", rel);
}

Test(cgroup_memory, what_has_no_controller_is_charged_to_the_nearest_ancestor_that_has)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v2_tree();
	_cleanup_free_ char *charged = NULL;

	make_v2(V2_ROOT "/domain", UINT64_MAX, 4096, 0);
	put(V2_ROOT "/domain/threads", "cgroup.procs", "");
	put(V2_ROOT "/domain/threads/more", "cgroup.procs", "");
	put(V2_ROOT "/bare", "cgroup.procs", "");
	expect_charged(tree, "/domain", "/domain");
	expect_charged(tree, "/domain/threads", "/domain");
	expect_charged(tree, "/domain/threads/more", "/domain");
	expect_charged(tree, "/bare", "/");
	expect_charged(tree, "/", "/");
	cr_expect_eq(cgroup_charged(tree, "/nowhere", &charged), -ENOENT);
}

static void expect_limits_taken(const struct cgroup_tree *tree, int fd, struct cgroup_limits to)
{
	struct cgroup_limits now = {0};

	cr_assert_eq(cgroup_limits_read(tree, fd, &now), 0);
	cr_assert_eq(cgroup_limits_change(tree, fd, &now, &to), 0);
	cr_assert_eq(cgroup_limits_read(tree, fd, &now), 0);
	cr_expect_eq(now.memory_bytes, to.memory_bytes);
	cr_expect_eq(now.memsw_bytes, to.memsw_bytes);
	cr_expect_eq(now.high_bytes, to.high_bytes);
}

Test(cgroup_memory, both_limits_of_v1_are_written_up_and_down)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v1_tree();
	_cleanup_close_ int fd = -1;

	make_v1(V1_ROOT "/a", 100, 50, 0);
	put_number(V1_ROOT "/a", "memory.memsw.limit_in_bytes", 200);
	fd = open_rel(tree, "/a");
	expect_limits_taken(tree, fd, (struct cgroup_limits){300, 400, UINT64_MAX});
	expect_limits_taken(tree, fd, (struct cgroup_limits){100, 200, UINT64_MAX});
}

/* A limit that is not what it was stays, and so do those after it. */
Test(cgroup_memory, what_somebody_else_has_set_since_is_not_written)
{
	const struct cgroup_limits were = {100, 200, UINT64_MAX}, to = {300, 400, UINT64_MAX};
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v1_tree();
	struct cgroup_limits now = {0};
	_cleanup_close_ int fd = -1;

	make_v1(V1_ROOT "/a", 150, 50, 0);
	put_number(V1_ROOT "/a", "memory.memsw.limit_in_bytes", 200);
	fd = open_rel(tree, "/a");
	cr_expect_eq(cgroup_limits_change(tree, fd, &were, &to), -EAGAIN);
	cr_assert_eq(cgroup_limits_read(tree, fd, &now), 0);
	cr_expect_eq(now.memory_bytes, 150);
	cr_expect_eq(now.memsw_bytes, 400, "it comes first");
	cr_expect_eq(cgroup_limits_change(tree, fd, &were, &to), -EAGAIN);
	cr_expect_eq(cgroup_limits_change(tree, fd, &now, &to), 0);
}

Test(cgroup_memory, a_cgroup_without_memsw_has_one_limit)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *v1 = v1_tree();
	_cleanup_close_ int fd = -1;
	struct cgroup_limits limits;

	make_v1(V1_ROOT "/a", 100, 50, 0);
	fd = open_rel(v1, "/a");
	cr_assert_eq(cgroup_limits_read(v1, fd, &limits), 0);
	cr_expect_eq(limits.memsw_bytes, UINT64_MAX);
	expect_limits_taken(v1, fd, (struct cgroup_limits){300, UINT64_MAX, UINT64_MAX});
}

Test(cgroup_memory, the_high_limit_of_v2_is_written_too)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v2_tree();
	_cleanup_close_ int fd = -1;

	make_v2(V2_ROOT "/a", 100, 50, 0);
	put(V2_ROOT "/a", "memory.high", "max\n");
	fd = open_rel(tree, "/a");
	expect_limits_taken(tree, fd, (struct cgroup_limits){300, UINT64_MAX, 200});
	expect_limits_taken(tree, fd, (struct cgroup_limits){100, UINT64_MAX, UINT64_MAX});
}

Test(cgroup_memory, what_memory_is_is_told_by_its_text_and_v1_has_the_kernels_apart)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v1_tree();
	_cleanup_free_ char *stat = NULL, *other = NULL;
	uint64_t kernel = 0, usage = 0;
	_cleanup_close_ int fd = -1, without = -1;

	make_v1(V1_ROOT "/a", 100, 50, 0);
	put_number(V1_ROOT "/a", "memory.kmem.usage_in_bytes", 30);
	fd = open_rel(tree, "/a");
	cr_assert_eq(cgroup_stat_read(tree, fd, &stat, &kernel, &usage), 0);
	cr_expect_not_null(strstr(stat, "total_inactive_file"));
	cr_expect_eq(kernel, 30);
	cr_expect_eq(usage, 50);
	make_v1(V1_ROOT "/b", 100, 60, 0);
	without = open_rel(tree, "/b");
	cr_assert_eq(cgroup_stat_read(tree, without, &other, &kernel, &usage), 0);
	cr_expect_eq(kernel, 0);
	cr_expect_eq(usage, 60);
}

Test(cgroup_memory, the_text_of_v2_is_all_there_is)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v2_tree();
	_cleanup_free_ char *stat = NULL, *none = NULL;
	uint64_t kernel = 1, usage = 0;
	_cleanup_close_ int fd = -1, root = -1;

	make_v2(V2_ROOT "/a", 100, 50, 0);
	fd = open_rel(tree, "/a");
	cr_assert_eq(cgroup_stat_read(tree, fd, &stat, &kernel, &usage), 0);
	cr_expect_not_null(strstr(stat, "anon 1"));
	cr_expect_eq(kernel, 0);
	cr_expect_eq(usage, 50);
	root = open_rel(tree, "/");
	cr_expect_eq(cgroup_stat_read(tree, root, &none, &kernel, &usage), -ENODATA);
	cr_expect_null(none);
}
