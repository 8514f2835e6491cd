/* SPDX-License-Identifier: BSD-2-Clause */
#include "sense/mountinfo.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

#include "base/util.h"

Test(mountinfo, lines_are_taken_apart)
{
	static const struct {
		const char *line, *root, *point, *type, *options;
	} cases[] = {
		{"36 35 98:0 / /sys/fs/cgroup/memory rw,relatime master:1 - cgroup cgroup "
		 "rw,memory\n",
		 "/", "/sys/fs/cgroup/memory", "cgroup", "rw,memory"},
		{"30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 "
		 "rw,nsdelegate,memory_recursiveprot",
		 "/", "/sys/fs/cgroup", "cgroup2", "rw,nsdelegate,memory_recursiveprot"},
		{"30 23 0:26 /../.. /host/cgroup ro shared:4 master:2 propagate_from:1 - cgroup2 c "
		 "rw",
		 "/../..", "/host/cgroup", "cgroup2", "rw"},
		{"1 2 0:3 /a\\040b /m\\011\\012\\134\\043 rw - tmpfs tmpfs rw", "/a b", "/m\t\n\\#",
		 "tmpfs", "rw"},
		{"1 2 0:3 / /empty-source rw - tmpfs  rw,size=4k", "/", "/empty-source", "tmpfs",
		 "rw,size=4k"},
		{"1 2 0:3 / /x\\999\\04 rw - tmpfs t rw", "/", "/x\\999\\04", "tmpfs", "rw"},
		{"1 2 0:3 / /\\303\\251 rw - fuse.x src\\040y rw", "/", "/\xc3\xa9", "fuse.x",
		 "rw"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mountinfo entry = {0};
		char line[256];

		snprintf(line, sizeof(line), "%s", cases[i].line);
		cr_assert_eq(mountinfo_parse(line, &entry), 0, "%s", cases[i].line);
		cr_expect_str_eq(entry.root, cases[i].root);
		cr_expect_str_eq(entry.point, cases[i].point);
		cr_expect_str_eq(entry.type, cases[i].type);
		cr_expect_str_eq(entry.options, cases[i].options);
	}
}

Test(mountinfo, other_lines_are_refused)
{
	static const char *const lines[] = {
		"",
		"\n",
		"36",
		"36 35 98:0 / /mnt",
		"36 35 98:0 / /mnt rw",
		"36 35 98:0 / /mnt rw -",
		"36 35 98:0 / /mnt rw - tmpfs",
		"36 35 98:0 / /mnt rw - tmpfs source",
		"36 35 98:0 / /mnt rw - \\000 source rw",
		"36 35 98:0 rel /mnt rw - tmpfs source rw",
		"36 35 98:0 net:[4026531840] /run/netns/x rw - nsfs nsfs rw",
		"36 35 98:0 / mnt rw - tmpfs source rw",
		"36 35 98:0 / /mnt rw shared:1 tmpfs source rw",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct mountinfo entry = {0};
		char line[256];

		snprintf(line, sizeof(line), "%s", lines[i]);
		cr_expect_eq(mountinfo_parse(line, &entry), -EBADMSG, "'%s'", lines[i]);
		cr_expect_null(entry.root);
	}
}
