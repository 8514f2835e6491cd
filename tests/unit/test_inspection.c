/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/inspection.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "unit/fixture.h"

static int sockets[2];

static void make(void)
{
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
}

static void end(void)
{
	close(sockets[0]);
	close(sockets[1]);
}

TestSuite(inspection, .init = make, .fini = end);

static struct inspected of_ourselves(void)
{
	int pid_dirfd = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct inspected found = INSPECTED_NONE;

	cr_assert_eq(snapshot_take(pid_dirfd, getpid(), 0, &found.snapshot), 0);
	found.cmdline = strdup("server --port 8080");
	found.sums.heap = 4096;
	found.files = (struct tmpfs_files){.count = 1, .is_owned = true};
	found.files.list[0] = (struct tmpfs_file){.path = "/dev/shm/a", .bytes = 7};
	close(pid_dirfd);
	return found;
}

static ino_t inode_of(int fd)
{
	struct stat info = {};

	cr_assert_eq(fstat(fd, &info), 0);
	return info.st_ino;
}

Test(inspection, what_is_sent_is_what_is_received)
{
	size_t before = fixture_open_files();
	struct inspected sent = of_ourselves(), found;

	cr_assert_eq(inspection_send(sockets[1], &sent, INSPECTION_CMDLINE), 0);
	cr_assert_eq(inspection_send(sockets[1], &sent, INSPECTION_NAMES), 0);
	cr_assert_eq(inspection_send(sockets[1], &sent, INSPECTION_SUMS), 0);
	cr_assert_eq(inspection_send(sockets[1], &sent, INSPECTION_FILES), 0);
	inspection_receive(sockets[0], &found);
	cr_expect_eq(found.parts,
		     INSPECTION_CMDLINE | INSPECTION_NAMES | INSPECTION_SUMS | INSPECTION_FILES);
	cr_assert_eq(found.files.count, 1);
	cr_expect_str_eq(found.files.list[0].path, "/dev/shm/a");
	cr_expect_eq(found.files.list[0].bytes, 7);
	cr_expect(found.files.is_owned && !found.files.is_cut);
	cr_expect_eq(found.error, 0);
	cr_expect_str_eq(found.cmdline, "server --port 8080");
	cr_expect_eq(found.sums.heap, 4096);
	cr_assert_eq(found.snapshot.mappings.count, sent.snapshot.mappings.count);
	for (size_t i = 0; i < sent.snapshot.mappings.count; i++) {
		const struct mapping *a = &sent.snapshot.mappings.list[i];
		const struct mapping *b = &found.snapshot.mappings.list[i];

		cr_expect(a->start == b->start && a->end == b->end && a->offset == b->offset &&
			  a->inode == b->inode && a->major == b->major && a->minor == b->minor);
		cr_expect_str_eq(a->path, b->path);
	}
	cr_assert_eq(found.snapshot.file_count, sent.snapshot.file_count);
	cr_assert_gt(found.snapshot.file_count, 1);
	for (size_t i = 0; i < sent.snapshot.file_count; i++)
		cr_expect_eq(inode_of(found.snapshot.files[i].fd),
			     inode_of(sent.snapshot.files[i].fd));
	inspected_clear(&sent);
	inspected_clear(&found);
	cr_expect_eq(fixture_open_files(), before, "descriptors are left open");
}

Test(inspection, what_was_sent_counts_though_the_rest_never_comes)
{
	struct inspected sent = of_ourselves(), found;

	cr_assert_eq(inspection_send(sockets[1], &sent, INSPECTION_CMDLINE), 0);
	inspection_receive(sockets[0], &found);
	cr_expect_eq(found.parts, INSPECTION_CMDLINE);
	cr_expect_str_eq(found.cmdline, "server --port 8080");
	cr_expect_eq(found.snapshot.mappings.count, 0);
	inspected_clear(&sent);
	inspected_clear(&found);
}

Test(inspection, nothing_sent_is_nothing_found)
{
	struct inspected found;

	inspection_receive(sockets[0], &found);
	cr_expect_eq(found.parts, 0);
	cr_expect_null(found.cmdline);
	inspected_clear(&found);
}

Test(inspection, an_error_is_why_there_are_no_names)
{
	struct inspected sent = INSPECTED_NONE, found;

	sent.error = -ESRCH;
	cr_assert_eq(inspection_send(sockets[1], &sent, INSPECTION_NAMES), 0);
	inspection_receive(sockets[0], &found);
	cr_expect_eq(found.error, -ESRCH);
	cr_expect_eq(found.parts & INSPECTION_NAMES, 0);
	inspected_clear(&found);
}

Test(inspection, what_makes_no_sense_is_not_taken)
{
	size_t before = fixture_open_files();
	struct inspected sent = of_ourselves(), found;

	cr_assert_eq(send(sockets[1], "x", 1, 0), 1);
	cr_assert_eq(inspection_send(sockets[1], &sent, INSPECTION_CMDLINE), 0);
	inspection_receive(sockets[0], &found);
	cr_expect_eq(found.parts, 0);
	inspected_clear(&found);
	/* A file of a mapping that is not there. */
	sent.snapshot.files[0].mapping = 1 << 20;
	inspection_receive(sockets[0], &found); /* the rest of the above */
	inspected_clear(&found);
	cr_assert_eq(inspection_send(sockets[1], &sent, INSPECTION_NAMES), 0);
	inspection_receive(sockets[0], &found);
	cr_expect_eq(found.error, -EBADMSG);
	cr_expect_eq(found.snapshot.file_count, 0);
	inspected_clear(&found);
	inspected_clear(&sent);
	cr_expect_eq(fixture_open_files(), before, "descriptors are left open");
}

Test(inspection, more_than_there_is_and_names_without_an_end_are_cut)
{
	struct inspected sent = INSPECTED_NONE, found;

	sent.files.count = UINT32_MAX;
	memset(sent.files.list, 'x', sizeof(sent.files.list));
	sent.sums.group_count = UINT64_MAX;
	memset(sent.sums.groups, 'x', sizeof(sent.sums.groups));
	cr_assert_eq(inspection_send(sockets[1], &sent, INSPECTION_FILES), 0);
	cr_assert_eq(inspection_send(sockets[1], &sent, INSPECTION_SUMS), 0);
	inspection_receive(sockets[0], &found);
	cr_assert_eq(found.files.count, TMPFS_FILES_MAX);
	cr_expect_eq(strlen(found.files.list[TMPFS_FILES_MAX - 1].path), TMPFS_PATH_MAX - 1);
	cr_assert_eq(found.sums.group_count, MAPPING_GROUPS_MAX);
	cr_expect_eq(strlen(found.sums.groups[MAPPING_GROUPS_MAX - 1].name), MAPPING_NAME_MAX - 1);
	inspected_clear(&found);
}

Test(inspection, a_long_command_line_is_cut)
{
	struct inspected sent = INSPECTED_NONE, found;

	sent.cmdline = calloc(1, 3 * INSPECTION_CMDLINE_MAX);
	memset(sent.cmdline, 'a', 3 * INSPECTION_CMDLINE_MAX - 1);
	cr_assert_eq(inspection_send(sockets[1], &sent, INSPECTION_CMDLINE), 0);
	inspection_receive(sockets[0], &found);
	cr_expect_eq(strlen(found.cmdline), INSPECTION_CMDLINE_MAX);
	inspected_clear(&sent);
	inspected_clear(&found);
}
