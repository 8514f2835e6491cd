/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/snapshot.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"
#include "unit/fixture.h"

TestSuite(snapshot, .init = fixture_make, .fini = fixture_remove);

static uint64_t start_boottime_ns;

/* The fixture is the /proc directory of a process whose root is root/. */
static void take(struct snapshot *ret)
{
	cr_assert_eq(snapshot_take(fixture_root(), 7, start_boottime_ns, ret), 0);
}

static ino_t inode_of(const char *path)
{
	struct stat info;

	cr_assert_eq(fstatat(fixture_root(), path, &info, AT_SYMLINK_NOFOLLOW), 0, "%s", path);
	return info.st_ino;
}

/* maps, with one line: the file of this inode mapped from this path. */
static void map_one(ino_t inode, const char *path)
{
	char line[256];

	snprintf(line, sizeof(line), "1000-2000 r-xp 00000000 fe:01 %lu %s\n", (unsigned long)inode,
		 path);
	fixture_file("maps", line);
}

static bool has_file(void)
{
	struct snapshot snapshot;
	bool has;
	int fd;

	take(&snapshot);
	fd = snapshot_file(&snapshot, &snapshot.mappings.list[0]);
	has = fd >= 0;
	close_fd(fd);
	snapshot_clear(&snapshot);
	return has;
}

Test(snapshot, of_ourselves_has_our_files_and_leaves_none_open)
{
	int pid_dirfd = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t before = fixture_open_files();
	struct snapshot snapshot;
	const struct mapping *mapping;
	struct stat info;
	int fd;

	cr_assert_eq(snapshot_take(pid_dirfd, getpid(), 0, &snapshot), 0);
	mapping = mappings_find(&snapshot.mappings, (uintptr_t)snapshot_take);
	cr_assert_not_null(mapping);
	fd = snapshot_file(&snapshot, mapping);
	cr_assert_geq(fd, 0);
	cr_expect_eq(fcntl(fd, F_GETFL) & O_PATH, O_PATH);
	cr_assert_eq(fstat(fd, &info), 0);
	cr_expect_eq(info.st_ino, mapping->inode);
	close(fd);
	snapshot_clear(&snapshot);
	snapshot_clear(&snapshot);
	cr_expect_eq(fixture_open_files(), before);
	close(pid_dirfd);
}

Test(snapshot, of_a_process_that_is_gone)
{
	size_t before = fixture_open_files();
	struct snapshot snapshot;

	cr_expect_eq(snapshot_take(fixture_root(), 7, start_boottime_ns, &snapshot), -ENOENT);
	snapshot_clear(&snapshot);
	fixture_file("maps", "");
	cr_expect_eq(snapshot_take(fixture_root(), 7, start_boottime_ns, &snapshot), -ESRCH);
	snapshot_clear(&snapshot);
	cr_expect_eq(fixture_open_files(), before);
}

Test(snapshot, a_file_is_looked_for_in_the_process_s_own_root)
{
	fixture_file("root/opt/app", "x");
	map_one(inode_of("root/opt/app"), "/opt/app");
	cr_expect(has_file());
	map_one(inode_of("root/opt/app") + 1, "/opt/app");
	cr_expect_not(has_file(), "another file by now");
	map_one(inode_of("root/opt/app"), "/opt/app (deleted)");
	cr_expect(has_file(), "it says so, and is there all the same");
	map_one(inode_of("root/opt/app"), "/opt/none");
	cr_expect_not(has_file());
}

Test(snapshot, no_link_leads_out_of_the_root)
{
	fixture_file("outside", "x");
	fixture_file("root/inside", "x");
	cr_assert_eq(symlinkat("../../../../../outside", fixture_root(), "root/up"), 0);
	cr_assert_eq(symlinkat("/inside", fixture_root(), "root/absolute"), 0);
	map_one(inode_of("outside"), "/up");
	cr_expect_not(has_file());
	map_one(inode_of("outside"), "/../outside");
	cr_expect_not(has_file());
	map_one(inode_of("root/inside"), "/absolute");
	cr_expect(has_file());
}

Test(snapshot, what_is_no_plain_file_is_left_alone)
{
	fixture_directory("root/dir");
	cr_assert_eq(mkfifoat(fixture_root(), "root/fifo", 0600), 0);
	map_one(inode_of("root/fifo"), "/fifo");
	cr_expect_not(has_file());
	map_one(inode_of("root/dir"), "/dir");
	cr_expect_not(has_file());
	map_one(0, "");
	cr_expect_not(has_file());
	map_one(0, "[vdso]");
	cr_expect_not(has_file());
}

Test(snapshot, a_file_mapped_many_times_is_held_once_and_files_are_bounded)
{
	char *text = NULL;
	size_t size, before;
	FILE *maps = open_memstream(&text, &size);
	struct snapshot snapshot;

	for (unsigned int i = 0; i < 3000; i++) {
		char path[32];

		snprintf(path, sizeof(path), "root/f%u", i % 300);
		fixture_file(path, "x");
		fprintf(maps, "%x000-%x000 r-xp 0 0:0 %lu /f%u\n", i + 1, i + 2,
			(unsigned long)inode_of(path), i % 300);
	}
	fclose(maps);
	fixture_file("maps", text);
	free(text);
	before = fixture_open_files();
	take(&snapshot);
	cr_expect_eq(snapshot.file_count, SNAPSHOT_FILES_MAX);
	cr_expect_eq(fixture_open_files(), before + SNAPSHOT_FILES_MAX);
	snapshot_clear(&snapshot);
	cr_expect_eq(fixture_open_files(), before);
}

static bool has_perf_map(void)
{
	struct snapshot snapshot;
	bool has;
	int fd;

	map_one(0, "");
	take(&snapshot);
	fd = snapshot_perf_map(&snapshot);
	has = fd >= 0;
	close_fd(fd);
	snapshot_clear(&snapshot);
	return has;
}

Test(snapshot, a_perf_map_is_the_process_s_own_or_root_s)
{
	fixture_directory("root/tmp");
	cr_expect_not(has_perf_map());
	fixture_file("root/tmp/perf-8.map", "");
	cr_expect_not(has_perf_map());
	fixture_file("root/tmp/perf-7.map", "");
	cr_expect(has_perf_map());
	if (geteuid() == 0) {
		cr_assert_eq(fchownat(fixture_root(), "root/tmp/perf-7.map", 1234, 1234, 0), 0);
		cr_expect_not(has_perf_map(), "someone else's");
	}
}

/* PIDs come round, and nobody removes the maps. */
Test(snapshot, a_perf_map_of_one_that_had_the_pid_before_is_another_s)
{
	const struct timespec hour_ago = {.tv_sec = time(NULL) - 3600};

	fixture_directory("root/tmp");
	fixture_file("root/tmp/perf-7.map", "");
	start_boottime_ns = clock_ns(CLOCK_BOOTTIME);
	cr_expect(has_perf_map());
	cr_assert_eq(utimensat(fixture_root(), "root/tmp/perf-7.map",
			       (const struct timespec[]){hour_ago, hour_ago}, 0),
		     0);
	cr_expect_not(has_perf_map());
}

Test(snapshot, a_perf_map_is_a_plain_file_of_bounded_size)
{
	int fd;

	fixture_directory("root/tmp");
	cr_assert_eq(mkfifoat(fixture_root(), "root/tmp/perf-7.map", 0600), 0);
	cr_expect_not(has_perf_map());
	unlinkat(fixture_root(), "root/tmp/perf-7.map", 0);
	fixture_file("root/tmp/perf-7.map", "");
	fd = openat(fixture_root(), "root/tmp/perf-7.map", O_WRONLY | O_CLOEXEC);
	cr_assert_eq(ftruncate(fd, 1LL << 30), 0); /* without a block of it */
	close(fd);
	cr_expect_not(has_perf_map(), "too large");
}

Test(snapshot, a_perf_map_is_opened_as_its_user_could)
{
	if (geteuid() != 0)
		return; /* as whom else */
	fixture_directory("root/tmp");
	fixture_directory("root/closed");
	fixture_file("root/closed/file", "secret");
	fixture_file("root/tmp/file", "secret");
	cr_assert_eq(fchown(fixture_root(), 1234, 1234), 0); /* whose process it is */
	cr_assert_eq(fchmodat(fixture_root(), "root/closed", 0700, 0), 0);
	cr_assert_eq(symlinkat("/closed/file", fixture_root(), "root/tmp/perf-7.map"), 0);
	cr_expect_not(has_perf_map(), "behind a directory that is closed to it");
	unlinkat(fixture_root(), "root/tmp/perf-7.map", 0);
	cr_assert_eq(symlinkat("/tmp/file", fixture_root(), "root/tmp/perf-7.map"), 0);
	cr_assert_eq(fchmodat(fixture_root(), "root/tmp/file", 0600, 0), 0);
	cr_expect_not(has_perf_map(), "root's, which it may not read");
	cr_assert_eq(fchmodat(fixture_root(), "root/tmp/file", 0644, 0), 0);
	cr_expect(has_perf_map(), "root's, for all to read");
}
