/* SPDX-License-Identifier: BSD-2-Clause */
#include "sense/cgroup.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "unit/fixture.h"

TestSuite(cgroup, .init = fixture_make, .fini = fixture_remove);

#define V1_MEMORY "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
#define V1_CPU "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
#define V1_SYSTEMD "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
#define V2_UNIFIED "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
#define V2_ONLY "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n"
#define OTHERS                                            \
	"27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n" \
	"31 23 0:28 / /sys/fs/cgroup rw - tmpfs memory rw,memory\n"

/* A directory that looks like a cgroup: what is not one has no cgroup.procs. */
static void make_cgroup(const char *path)
{
	char file[PATH_MAX];

	snprintf(file, sizeof(file), "%s/cgroup.procs", path);
	fixture_file(file, "");
}

static void make_v2(const char *path)
{
	char file[PATH_MAX];

	make_cgroup(path);
	snprintf(file, sizeof(file), "%s/cgroup.controllers", path);
	fixture_file(file, "cpuset cpu io memory pids\n");
}

static struct cgroup_tree *v1_tree(void)
{
	make_cgroup("sys/fs/cgroup/memory");
	make_cgroup("sys/fs/cgroup/cpu,cpuacct");
	return fixture_cgroup_tree(OTHERS V1_CPU V1_MEMORY V1_SYSTEMD);
}

static struct cgroup_tree *v2_tree(void)
{
	make_v2("sys/fs/cgroup");
	return fixture_cgroup_tree(OTHERS V2_ONLY);
}

static void expect_path(const struct cgroup_tree *tree, const char *user_path, int result,
			const char *expected)
{
	_cleanup_free_ char *rel = NULL;
	int r = cgroup_path_normalize(tree, user_path, &rel);

	cr_expect_eq(r, result, "'%s' returns %d", user_path, r);
	if (result == 0 && r == 0)
		cr_expect_str_eq(rel, expected, "'%s' is '%s'", user_path, rel);
	else
		cr_expect_null(rel);
}

static void expect_pid_path(const struct cgroup_tree *tree, const char *text, int result,
			    const char *expected)
{
	_cleanup_free_ char *rel = NULL;
	_cleanup_close_ int proc_fd =
		openat(fixture_root(), "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	fixture_file("proc/42/cgroup", text);
	r = cgroup_path_of_pid(tree, proc_fd, 42, &rel);
	cr_expect_eq(r, result, "'%s' returns %d", text, r);
	if (result == 0 && r == 0)
		cr_expect_str_eq(rel, expected, "'%s' is '%s'", text, rel);
	else
		cr_expect_null(rel);
}

Test(cgroup, v1_memory_hierarchy_is_found)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v1_tree();

	cr_expect_eq(cgroup_tree_version(tree), 1);
	cr_expect_str_eq(cgroup_tree_mount(tree), "/sys/fs/cgroup/memory");
	cr_expect_not(cgroup_tree_hybrid(tree));
}

Test(cgroup, v2_hierarchy_is_found)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v2_tree();

	cr_expect_eq(cgroup_tree_version(tree), 2);
	cr_expect_str_eq(cgroup_tree_mount(tree), "/sys/fs/cgroup");
	cr_expect_not(cgroup_tree_hybrid(tree));
}

Test(cgroup, hybrid_uses_v1_where_memory_is_there)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = NULL;

	make_cgroup("sys/fs/cgroup/memory");
	make_v2("sys/fs/cgroup/unified");
	tree = fixture_cgroup_tree(V2_UNIFIED OTHERS V1_MEMORY V1_CPU);
	cr_expect_eq(cgroup_tree_version(tree), 1);
	cr_expect(cgroup_tree_hybrid(tree));
}

Test(cgroup, hybrid_uses_v2_where_memory_is_there)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = NULL;

	make_v2("sys/fs/cgroup/unified");
	make_cgroup("sys/fs/cgroup/cpu,cpuacct");
	tree = fixture_cgroup_tree(OTHERS V1_CPU V2_UNIFIED);
	cr_expect_eq(cgroup_tree_version(tree), 2);
	cr_expect_str_eq(cgroup_tree_mount(tree), "/sys/fs/cgroup/unified");
	cr_expect(cgroup_tree_hybrid(tree));
}

Test(cgroup, memory_cgroups_are_counted_by_what_the_kernel_says)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *v1 = v1_tree(), *v2 = v2_tree();

	cr_expect_eq(cgroup_tree_count(v1) + cgroup_tree_count(v2), 0);
	fixture_file("proc/cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"
				     "cpuset\t2\t7\t1\nmemory\t8\t1507\t1\npids\t9\t3\t1\n");
	cr_expect_eq(cgroup_tree_count(v1), 1507);
	fixture_file("sys/fs/cgroup/cgroup.stat", "nr_descendants 342\nnr_dying_descendants 5\n");
	cr_expect_eq(cgroup_tree_count(v2), 342);
}

Test(cgroup, no_memory_controller_is_enodev)
{
	static const char *const texts[] = {
		"",
		OTHERS,
		OTHERS V1_CPU V2_UNIFIED, /* unified has no memory controller */
		OTHERS V1_MEMORY,	  /* hidden: what is there is no cgroup */
		"junk\n\n36 35\n",
	};
	struct cgroup_tree *tree = NULL;

	make_cgroup("sys/fs/cgroup/cpu,cpuacct");
	make_cgroup("sys/fs/cgroup/unified");
	fixture_file("sys/fs/cgroup/unified/cgroup.controllers", "cpu hugetlb memoryx\n");
	fixture_directory("sys/fs/cgroup/memory");
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		fixture_file("proc/self/mountinfo", texts[i]);
		cr_expect_eq(cgroup_tree_new(&tree, fixture_root()), -ENODEV, "case %zu", i);
	}
	cr_expect_null(tree);
}

Test(cgroup, missing_mountinfo_is_an_error)
{
	struct cgroup_tree *tree = NULL;

	cr_expect_eq(cgroup_tree_new(&tree, fixture_root()), -ENOENT);
	cr_expect_eq(cgroup_tree_new(&tree, -1), -EBADF);
	cr_expect_null(tree);
	cr_expect_null(cgroup_tree_free(NULL));
}

Test(cgroup, mount_point_with_escapes_is_used_as_it_is)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = NULL;

	make_cgroup("mnt/my cg\n\"\\/memory");
	tree = fixture_cgroup_tree(
		"35 31 0:32 / /mnt/my\\040cg\\012\"\\134/memory rw - cgroup none rw,memory\n");
	cr_expect_str_eq(cgroup_tree_mount(tree), "/mnt/my cg\n\"\\/memory");
	expect_path(tree, "/mnt/my cg\n\"\\/memory/a b", 0, "/a b");
}

Test(cgroup, mount_that_shows_most_wins)
{
	static const struct {
		const char *mountinfo, *mount;
	} cases[] = {
		/* the host's tree in a container with a cgroup namespace */
		{V2_ONLY "50 23 0:26 /../.. /host/cgroup ro - cgroup2 cgroup2 rw\n",
		 "/host/cgroup"},
		{"50 23 0:26 /../.. /host/cgroup ro - cgroup2 cgroup2 rw\n" V2_ONLY,
		 "/host/cgroup"},
		{"50 23 0:26 /.. /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n"
		 "51 23 0:26 /../../.. /host/cgroup ro - cgroup2 cgroup2 rw\n",
		 "/host/cgroup"},
		/* the same without one */
		{"50 23 0:26 /docker/x /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n"
		 "51 23 0:26 / /host/cgroup ro - cgroup2 cgroup2 rw\n",
		 "/host/cgroup"},
		/* two alike: the first */
		{V2_ONLY "51 23 0:26 / /host/cgroup ro - cgroup2 cgroup2 rw\n", "/sys/fs/cgroup"},
		/* only a part */
		{"50 23 0:26 /docker/x /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n", "/sys/fs/cgroup"},
		/* the better one cannot be reached */
		{V2_ONLY "51 23 0:26 /.. /gone ro - cgroup2 cgroup2 rw\n", "/sys/fs/cgroup"},
	};

	make_v2("sys/fs/cgroup");
	make_v2("host/cgroup");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_cgroup_tree_ struct cgroup_tree *tree =
			fixture_cgroup_tree(cases[i].mountinfo);

		cr_expect_str_eq(cgroup_tree_mount(tree), cases[i].mount, "case %zu", i);
	}
}

Test(cgroup, later_mount_on_the_same_point_hides_the_earlier)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = NULL;

	make_v2("sys/fs/cgroup");
	tree = fixture_cgroup_tree(V2_ONLY
				   "50 30 0:26 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
	expect_pid_path(tree, "0::/docker/x/y\n", 0, "/y");
	expect_pid_path(tree, "0::/z\n", -EXDEV, NULL);
}

Test(cgroup, v1_paths_are_normalized)
{
	static const struct {
		const char *user_path;
		int result;
		const char *rel;
	} cases[] = {
		{"/a/b", 0, "/a/b"},
		{"a/b", 0, "/a/b"},
		{"/", 0, "/"},
		{".", 0, "/"},
		{"//a///b//", 0, "/a/b"},
		{"/a/./b/.", 0, "/a/b"},
		{"/sys/fs/cgroup/memory/a/b", 0, "/a/b"},
		{"/sys/fs/cgroup/memory", 0, "/"},
		{"//sys//fs/cgroup/memory/./a/", 0, "/a"},
		{"/sys/fs/cgroup/memoryx/a", -EINVAL, NULL},
		{"/sys/fs/cgroup/cpu,cpuacct/a", -EINVAL, NULL},
		{"/sys/fs/cgroup/systemd/a", -EINVAL, NULL},
		{"/sys/fs/cgroup/cpu/a", -EINVAL, NULL}, /* a link to cpu,cpuacct */
		{"/sys/fs/cgroup", -EINVAL, NULL},
		{"sys/fs/cgroup/cpu", 0, "/sys/fs/cgroup/cpu"}, /* not absolute */
		{"/sys/fs/cgroups/a", 0, "/sys/fs/cgroups/a"},
		{"/a/../b", -EINVAL, NULL},
		{"..", -EINVAL, NULL},
		{"/sys/fs/cgroup/memory/../cpu", -EINVAL, NULL},
		{"/a/..b/...", 0, "/a/..b/..."},
		{"/quo\"te/new\nline/\xff", 0, "/quo\"te/new\nline/\xff"},
		{"", -EINVAL, NULL},
	};
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v1_tree();

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect_path(tree, cases[i].user_path, cases[i].result, cases[i].rel);
}

Test(cgroup, v2_paths_are_normalized)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v2_tree();

	expect_path(tree, "/sys/fs/cgroup/a/b", 0, "/a/b");
	expect_path(tree, "/sys/fs/cgroup/", 0, "/");
	expect_path(tree, "a", 0, "/a");
	expect_path(tree, "/system.slice/getty\\x2dtty1", 0, "/system.slice/getty\\x2dtty1");
	expect_path(tree, "/../x", -EINVAL, NULL);
}

Test(cgroup, unified_path_is_refused_where_memory_is_on_v1)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = NULL;

	make_cgroup("sys/fs/cgroup/memory");
	make_v2("mnt/unified");
	tree = fixture_cgroup_tree(V1_MEMORY "41 31 0:38 / /mnt/unified rw - cgroup2 cgroup2 rw\n");
	expect_path(tree, "/mnt/unified/a", -EINVAL, NULL);
	expect_path(tree, "/mnt/other", 0, "/mnt/other");
}

Test(cgroup, path_of_another_mount_of_the_hierarchy_is_translated)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = NULL;

	make_v2("sys/fs/cgroup");
	make_v2("host/cgroup");
	tree = fixture_cgroup_tree("50 23 0:26 /docker/x /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n"
				   "51 23 0:26 / /host/cgroup ro - cgroup2 cgroup2 rw\n");
	expect_path(tree, "/sys/fs/cgroup/sub", 0, "/docker/x/sub");
	expect_path(tree, "/sys/fs/cgroup", 0, "/docker/x");
	expect_path(tree, "/host/cgroup/a", 0, "/a");
}

Test(cgroup, overlong_path_is_refused)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v1_tree();
	char path[PATH_MAX + 1];

	memset(path, 'x', PATH_MAX);
	path[0] = '/';
	path[PATH_MAX] = '\0';
	expect_path(tree, path, -ENAMETOOLONG, NULL);
	path[PATH_MAX - 1] = '\0';
	expect_path(tree, path, 0, path);
}

Test(cgroup, v1_process_is_found_by_its_memory_line)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v1_tree();

	expect_pid_path(tree, "9:name=systemd:/s\n4:memory:/a/b\n1:cpu:/c\n0::/u\n", 0, "/a/b");
	expect_pid_path(tree, "4:cpu,memory,io:/:odd:\"name\xff\n0::/u\n", 0, "/:odd:\"name\xff");
	expect_pid_path(tree, "4:memory:/\n", 0, "/");
	expect_pid_path(tree, "9:name=memory:/s\n0::/u\n", -ESRCH, NULL);
	expect_pid_path(tree, "", -ESRCH, NULL);
	expect_pid_path(tree, "junk\n\n4:memory\n", -ESRCH, NULL);
	expect_pid_path(tree, "4:memory:rel\n", -ESRCH, NULL);
}

Test(cgroup, v2_process_is_found_by_the_unified_line)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v2_tree();

	expect_pid_path(tree, "1:name=systemd:/s\n0::/user.slice/a\n", 0, "/user.slice/a");
	expect_pid_path(tree, "0::/\n", 0, "/");
	expect_pid_path(tree, "0::/../outside\n", -EXDEV, NULL);
	expect_pid_path(tree, "4:memory:/v1\n", -ESRCH, NULL);
}

Test(cgroup, missing_process_is_esrch)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v2_tree();
	char *rel = NULL;

	cr_expect_eq(cgroup_path_of_pid(tree, fixture_root(), 43, &rel), -ESRCH);
	cr_expect_eq(cgroup_path_of_pid(tree, fixture_root(), 0, &rel), -ESRCH);
	cr_expect_null(rel);
}

Test(cgroup, removed_cgroup_of_a_process_is_stale)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v2_tree();

	expect_pid_path(tree, "0::/gone (deleted)\n", -ESTALE, NULL);
	make_cgroup("sys/fs/cgroup/named (deleted)");
	expect_pid_path(tree, "0::/named (deleted)\n", 0, "/named (deleted)");
}

Test(cgroup, partial_mount_shows_what_is_below_it)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = NULL;

	make_cgroup("sys/fs/cgroup/memory");
	tree = fixture_cgroup_tree(
		"35 31 0:32 /docker/x /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
	expect_pid_path(tree, "4:memory:/docker/x\n", 0, "/");
	expect_pid_path(tree, "4:memory:/docker/x/sub\n", 0, "/sub");
	expect_pid_path(tree, "4:memory:/docker/xy\n", -EXDEV, NULL);
	expect_pid_path(tree, "4:memory:/docker\n", -EXDEV, NULL);
	expect_pid_path(tree, "4:memory:/docker/x/../y\n", -EXDEV, NULL);
}

/* The host's tree in a container that lives in /kubepods/pod1/ctr and has a cgroup namespace. */
static struct cgroup_tree *namespaced_tree(const char *own_path)
{
	char text[128];

	make_v2("host/cgroup");
	make_cgroup("host/cgroup/kubepods/pod1/ctr/sub");
	make_cgroup("host/cgroup/kubepods/pod1/ctr");
	make_cgroup("host/cgroup/kubepods/pod1");
	make_cgroup("host/cgroup/kubepods");
	fixture_file("host/cgroup/kubepods/pod1/ctr/sub/cgroup.procs", "0\n1000\n1001\n0\n");
	fixture_directory("proc/1000");
	cr_assert_eq(symlinkat("1000", fixture_root(), "proc/self"), 0);
	snprintf(text, sizeof(text), "0::%s\n", own_path);
	fixture_file("proc/1000/cgroup", text);
	return fixture_cgroup_tree("51 23 0:26 /../../.. /host/cgroup ro - cgroup2 cgroup2 rw\n");
}

Test(cgroup, host_tree_in_a_cgroup_namespace_names_every_process)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = namespaced_tree("/sub");

	expect_pid_path(tree, "0::/\n", 0, "/kubepods/pod1/ctr");
	expect_pid_path(tree, "0::/sub\n", 0, "/kubepods/pod1/ctr/sub");
	expect_pid_path(tree, "0::/../other\n", 0, "/kubepods/pod1/other");
	expect_pid_path(tree, "0::/../../pod2/x\n", 0, "/kubepods/pod2/x");
	expect_pid_path(tree, "0::/../../../system.slice/a\n", 0, "/system.slice/a");
	expect_pid_path(tree, "0::/../../..\n", 0, "/");
	expect_pid_path(tree, "0::/../../../../above\n", -EXDEV, NULL);
	expect_path(tree, "/kubepods/pod1", 0, "/kubepods/pod1");
	expect_path(tree, "/host/cgroup/kubepods", 0, "/kubepods");
}

Test(cgroup, namespace_root_out_of_sight_leaves_what_is_told_by_paths)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = namespaced_tree("/elsewhere");

	expect_pid_path(tree, "0::/\n", -EXDEV, NULL);
	expect_pid_path(tree, "0::/../other\n", -EXDEV, NULL);
	expect_pid_path(tree, "0::/../../../system.slice/a\n", 0, "/system.slice/a");
}

Test(cgroup, id_is_the_inode_and_leads_back_to_the_path)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v2_tree();
	_cleanup_free_ char *rel = NULL, *root = NULL;
	_cleanup_close_ int fd = -1;
	struct stat st;
	uint64_t id = 0;

	make_cgroup("sys/fs/cgroup/a/quo\"te \xff");
	make_cgroup("sys/fs/cgroup/b");
	cr_assert_eq(cgroup_open(tree, "/a/quo\"te \xff", &fd), 0);
	cr_assert_eq(cgroup_id(fd, &id), 0);
	cr_assert_eq(fstat(fd, &st), 0);
	cr_expect_eq(id, st.st_ino);
	cr_assert_eq(cgroup_path_of_id(tree, id, &rel), 0);
	cr_expect_str_eq(rel, "/a/quo\"te \xff");

	cr_assert_eq(fstatat(fixture_root(), "sys/fs/cgroup", &st, 0), 0);
	cr_assert_eq(cgroup_path_of_id(tree, st.st_ino, &root), 0);
	cr_expect_str_eq(root, "/");
}

Test(cgroup, unknown_id_is_stale)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v2_tree();
	char *rel = NULL;

	cr_expect_eq(cgroup_path_of_id(tree, UINT64_MAX, &rel), -ESTALE);
	cr_expect_null(rel);
}

Test(cgroup, open_needs_a_directory)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v2_tree();
	int fd = -7;

	cr_assert_eq(symlinkat("/", fixture_root(), "sys/fs/cgroup/link"), 0);
	cr_expect_eq(cgroup_open(tree, "/none", &fd), -ENOENT);
	cr_expect_eq(cgroup_open(tree, "/cgroup.procs", &fd), -ENOENT);
	cr_expect_eq(cgroup_open(tree, "/link", &fd), -ENOENT);
	cr_expect_eq(fd, -7);
}

struct visits {
	char paths[512];
	const char *stop;
	int result;
};

static int note_visit(int dirfd, const char *path, void *userdata)
{
	struct visits *visits = userdata;
	size_t used = strlen(visits->paths);

	cr_expect_eq(faccessat(dirfd, "cgroup.procs", F_OK, 0), 0, "%s", path);
	snprintf(visits->paths + used, sizeof(visits->paths) - used, "%s ", path);
	return visits->stop && strcmp(path, visits->stop) == 0 ? visits->result : 0;
}

Test(cgroup, walk_visits_parents_first_and_stops_on_request)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v1_tree();
	_cleanup_close_ int fd = -1;
	struct visits all = {0}, some = {.stop = "/b", .result = -EXDEV};

	make_cgroup("sys/fs/cgroup/memory/top/b/c");
	make_cgroup("sys/fs/cgroup/memory/top/b");
	make_cgroup("sys/fs/cgroup/memory/top");
	make_cgroup("sys/fs/cgroup/memory/beside");
	cr_assert_eq(cgroup_open(tree, "/top", &fd), 0);
	cr_expect_eq(cgroup_walk(fd, note_visit, &all), 0);
	cr_expect_str_eq(all.paths, "/ /b /b/c ");
	cr_expect_eq(cgroup_walk(fd, note_visit, &some), -EXDEV);
	cr_expect_str_eq(some.paths, "/ /b ");
}

static int count_visit(int dirfd, const char *path, void *userdata)
{
	(void)dirfd;
	(void)path;
	(*(int *)userdata)++;
	return 0;
}

Test(cgroup, walk_says_when_it_was_cut)
{
	char path[PATH_MAX] = "deep";
	_cleanup_close_ int fd = -1;
	int visits = 0;

	for (int i = 0; i < CGROUP_DEPTH_MAX + 5; i++)
		strcat(path, "/d");
	fixture_directory(path);
	fd = openat(fixture_root(), "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_expect_eq(cgroup_walk(fd, count_visit, &visits), -E2BIG);
	cr_expect_eq(visits, CGROUP_DEPTH_MAX + 1);
}

Test(cgroup, procs_are_ascending_and_each_once)
{
	_cleanup_free_ pid_t *pids = NULL, *none = NULL;
	size_t n = 77;
	int fd;

	fixture_file("g/cgroup.procs", "30\n7\n0\n30\n0\n1000000\n7\n");
	fixture_file("empty/cgroup.procs", "");
	fixture_file("bad/cgroup.procs", "12\nx\n");
	fd = openat(fixture_root(), "g", O_RDONLY | O_DIRECTORY);
	cr_assert_eq(cgroup_procs(fd, &pids, &n), 0);
	close(fd);
	cr_expect_eq(n, 3);
	cr_expect_eq(pids[0], 7);
	cr_expect_eq(pids[1], 30);
	cr_expect_eq(pids[2], 1000000);

	fd = openat(fixture_root(), "empty", O_RDONLY | O_DIRECTORY);
	cr_assert_eq(cgroup_procs(fd, &none, &n), 0);
	close(fd);
	cr_expect_eq(n, 0);
	cr_expect_not_null(none);

	n = 77;
	fd = openat(fixture_root(), "bad", O_RDONLY | O_DIRECTORY);
	cr_expect_eq(cgroup_procs(fd, &none, &n), -EBADMSG);
	close(fd);
	cr_expect_eq(n, 77);
}

Test(cgroup, v1_cgroup_is_made_and_removed)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v1_tree();

	cr_expect_eq(cgroup_create(tree, "/a"), 0);
	cr_expect_eq(faccessat(fixture_root(), "sys/fs/cgroup/memory/a", F_OK, 0), 0);
	cr_expect_eq(cgroup_create(tree, "/a"), -EEXIST);
	cr_expect_eq(cgroup_create(tree, "/none/b"), -ENOENT);
	cr_expect_eq(cgroup_remove(tree, "/a"), 0);
	cr_expect_eq(cgroup_remove(tree, "/a"), -ENOENT);
}

Test(cgroup, v2_cgroup_gets_the_memory_controller_from_the_top)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v2_tree();
	char text[64] = "";
	int fd;

	fixture_file("sys/fs/cgroup/cgroup.subtree_control", "cpu memory\n");
	fixture_file("sys/fs/cgroup/a/cgroup.subtree_control", "");
	cr_expect_eq(cgroup_create(tree, "/a/b"), 0);
	fd = openat(fixture_root(), "sys/fs/cgroup/a/cgroup.subtree_control", O_RDONLY);
	cr_expect_eq(read(fd, text, sizeof(text) - 1), 7);
	close(fd);
	cr_expect_str_eq(text, "+memory");
	fd = openat(fixture_root(), "sys/fs/cgroup/cgroup.subtree_control", O_RDONLY);
	cr_expect_eq(read(fd, text, sizeof(text) - 1), 11); /* untouched: enabled already */
	close(fd);
}

Test(cgroup, v2_cgroup_without_controller_is_not_left_behind)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = v2_tree();

	fixture_file("sys/fs/cgroup/cgroup.subtree_control", "memory\n");
	fixture_directory("sys/fs/cgroup/a"); /* has no subtree_control */
	cr_expect_eq(cgroup_create(tree, "/a/b"), -ENOENT);
	cr_expect_neq(faccessat(fixture_root(), "sys/fs/cgroup/a/b", F_OK, 0), 0);
}

Test(cgroup, attach_writes_the_pid)
{
	_cleanup_close_ int fd = -1;
	char text[16] = "";
	int file;

	fixture_file("g/cgroup.procs", "");
	fd = openat(fixture_root(), "g", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_expect_eq(cgroup_attach(fd, 42), 0);
	file = openat(fd, "cgroup.procs", O_RDONLY);
	cr_expect_eq(read(file, text, sizeof(text) - 1), 2);
	close(file);
	cr_expect_str_eq(text, "42");
	cr_expect_eq(cgroup_attach(fixture_root(), 42), -ENOENT);
}
