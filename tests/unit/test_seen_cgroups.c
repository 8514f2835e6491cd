// SPDX-License-Identifier: BSD-2-Clause
#include "engine/seen_cgroups.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "fixture.h"

#define MOUNTINFO                                         \
	"27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n" \
	"30 27 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
#define SERVICE "sys/fs/cgroup/system.slice/web.service"

TestSuite(seen_cgroups, .init = fixture_make, .fini = fixture_remove);

/* As systemd does when a service ends. */
static void remove_service(void)
{
	cr_assert_eq(unlinkat(fixture_root(), SERVICE "/cgroup.procs", 0), 0);
	cr_assert_eq(unlinkat(fixture_root(), SERVICE, AT_REMOVEDIR), 0);
}

Test(seen_cgroups, the_path_of_one_that_is_gone_is_known)
{
	_cleanup_close_ int dirfd = -1;
	_cleanup_free_ char *rel = NULL, *other = NULL;
	struct cgroup_tree *tree;
	struct seen_cgroups *seen;
	uint64_t id, slice_id;

	fixture_file("sys/fs/cgroup/cgroup.procs", "");
	fixture_file("sys/fs/cgroup/cgroup.controllers", "memory\n");
	fixture_file("sys/fs/cgroup/system.slice/cgroup.procs", "");
	fixture_file(SERVICE "/cgroup.procs", "");
	tree = fixture_cgroup_tree(MOUNTINFO);
	seen = seen_cgroups_new(tree);
	cr_assert_not_null(seen);
	cr_assert_eq(cgroup_open(tree, "/system.slice", &dirfd), 0);
	cr_assert_eq(cgroup_id(dirfd, &slice_id), 0);
	close(dirfd);
	cr_assert_eq(cgroup_open(tree, "/system.slice/web.service", &dirfd), 0);
	cr_assert_eq(cgroup_id(dirfd, &id), 0);

	seen_cgroups_add(seen, id);
	seen_cgroups_add(seen, id);
	seen_cgroups_add(seen, 1); /* is none */
	remove_service();
	cr_assert_eq(seen_cgroups_path(seen, id, &rel), 0);
	cr_expect_str_eq(rel, "/system.slice/web.service");
	cr_assert_eq(seen_cgroups_path(seen, slice_id, &other), 0, "it is there");
	cr_expect_str_eq(other, "/system.slice");
	cr_expect_eq(seen_cgroups_path(seen, 1, &other), -ESTALE);
	seen_cgroups_free(seen);
	cgroup_tree_free(tree);
}

/* What the kernel side says of a cgroup: names, the lowest first. */
#define PATH(id, text)             \
	((struct apo_cgroup_path){ \
		.cgroup = (id), .length = sizeof(text) - 1, .is_whole = 1, .names = text})

Test(seen_cgroups, one_that_was_gone_before_it_was_asked_for_has_the_path_that_the_kernel_side_says)
{
	struct apo_cgroup_path cut = PATH(7, "x\0"), unended = PATH(8, "x"),
			       long_one = PATH(9, "x\0");
	struct cgroup_tree *tree;
	struct seen_cgroups *seen;
	char *rel = NULL;

	fixture_file("sys/fs/cgroup/cgroup.procs", "");
	fixture_file("sys/fs/cgroup/cgroup.controllers", "memory\n");
	tree = fixture_cgroup_tree(MOUNTINFO);
	seen = seen_cgroups_new(tree);
	cr_assert_not_null(seen);
	cut.is_whole = 0;
	long_one.length = sizeof(long_one.names) + 1;

	seen_cgroups_take(seen, &PATH(5, "web.service\0system.slice\0"));
	seen_cgroups_take(seen, &PATH(6, ""));
	seen_cgroups_take(seen, &cut);
	seen_cgroups_take(seen, &unended);
	seen_cgroups_take(seen, &long_one);
	cr_assert_eq(seen_cgroups_path(seen, 5, &rel), 0);
	cr_expect_str_eq(rel, "/system.slice/web.service");
	free(rel);
	cr_assert_eq(seen_cgroups_path(seen, 6, &rel), 0);
	cr_expect_str_eq(rel, "/");
	free(rel);
	for (uint64_t id = 7; id <= 9; id++)
		cr_expect_eq(seen_cgroups_path(seen, id, &rel), -ESTALE, "%d", (int)id);
	/* The kernel uses an id again, long after. */
	seen_cgroups_take(seen, &PATH(5, "db.service\0system.slice\0"));
	cr_assert_eq(seen_cgroups_path(seen, 5, &rel), 0);
	cr_expect_str_eq(rel, "/system.slice/db.service");
	free(rel);
	seen_cgroups_free(seen);
	cgroup_tree_free(tree);
}
