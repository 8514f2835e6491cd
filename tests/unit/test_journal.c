/* SPDX-License-Identifier: BSD-2-Clause */
#include "rescue/journal.h"

#include "base/runtime_dir.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/util.h"
#include "unit/fixture.h"

static void setup(void)
{
	fixture_make();
	setenv("RUNTIME_DIRECTORY", fixture_path(), 1);
}

TestSuite(journal, .init = setup, .fini = fixture_remove);

static const struct journal_entry entry = {
	.cgroup_id = 0xab12,
	.since_ns = 17,
	.before = {100, UINT64_MAX, UINT64_MAX},
	.raised = {200, UINT64_MAX, 150},
	.raised_last = {100, UINT64_MAX, UINT64_MAX},
	.owner = 4711,
};

/* A directory on which a mark may be set, or not: both will do. */
static int open_cgroup(void)
{
	int fd;

	fixture_file("cgroup/cgroup.procs", "");
	fd = openat(fixture_root(), "cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	return fd;
}

static int open_journal(void)
{
	int fd = -1;

	cr_assert_eq(runtime_dir_open(true, &fd), 0);
	return fd;
}

static int read_entry(int fd, int cgroup_fd, struct journal_entry *ret)
{
	return journal_read(fd, cgroup_fd, entry.cgroup_id, ret);
}

Test(journal, what_is_written_is_read)
{
	_cleanup_close_ int fd = open_journal(), cgroup_fd = open_cgroup();
	struct journal_entry written = entry, found = {0};

	cr_assert_eq(journal_write(fd, cgroup_fd, &written), 0);
	cr_assert_eq(read_entry(fd, cgroup_fd, &found), 0);
	cr_expect_eq(found.cgroup_id, entry.cgroup_id);
	cr_expect_eq(found.since_ns, 17);
	cr_expect_eq(found.before.memory_bytes, 100);
	cr_expect_eq(found.before.memsw_bytes, UINT64_MAX);
	cr_expect_eq(found.raised.memory_bytes, 200);
	cr_expect_eq(found.raised.high_bytes, 150);
	cr_expect_eq(found.raised_last.memory_bytes, 100);
	cr_expect_eq(found.owner, 4711);
	cr_expect_eq(found.is_marked, written.is_marked);
	journal_remove(fd, cgroup_fd, entry.cgroup_id);
	cr_expect_eq(read_entry(fd, cgroup_fd, &found), -ENOENT);
	cr_expect_not(journal_is_marked(cgroup_fd));
}

Test(journal, later_entry_takes_the_place_of_the_one_before)
{
	_cleanup_close_ int fd = open_journal(), cgroup_fd = open_cgroup();
	struct journal_entry written = entry, found = {0};

	cr_assert_eq(journal_write(fd, cgroup_fd, &written), 0);
	written.raised.memory_bytes = UINT64_MAX - 1;
	written.raised_last.memory_bytes = 200;
	cr_expect_eq(journal_write(fd, cgroup_fd, &written), 0);
	cr_assert_eq(read_entry(fd, cgroup_fd, &found), 0);
	cr_expect_eq(found.raised.memory_bytes, UINT64_MAX - 1);
	cr_expect_eq(found.raised_last.memory_bytes, 200);
}

#define RECORD "limit-000000000000ab12"
#define NUMBERS(marked)                                                                      \
	"limit 00000000000000043794 since 00000000000000000017 before 00000000000000000100 " \
	"00000000000000000300 18446744073709551615 raised 00000000000000000200 "             \
	"00000000000000000400 18446744073709551615 last 00000000000000000100 "               \
	"00000000000000000300 18446744073709551615 by 00000000000000004711 "                 \
	"marked 0000000000000000000" marked "\n"

/* Nothing was changed yet when a record is cut short; and a later version may have put more into it. */
Test(journal, what_is_no_entry_is_none_and_what_is_not_understood_is_said)
{
	_cleanup_close_ int fd = open_journal(), cgroup_fd = open_cgroup();
	struct journal_entry found = {0};

	fixture_file(RECORD, "");
	cr_expect_eq(read_entry(fd, cgroup_fd, &found), -ENOENT);
	fixture_file(RECORD, "limit 00000000000000043794 since 0000000");
	cr_expect_eq(read_entry(fd, cgroup_fd, &found), -ENOENT);
	fixture_file(RECORD, "limit of another version\n");
	cr_expect_eq(read_entry(fd, cgroup_fd, &found), -EINVAL);
	fixture_file(RECORD, NUMBERS("0"));
	cr_assert_eq(read_entry(fd, cgroup_fd, &found), 0);
	cr_expect_eq(found.before.memsw_bytes, 300);
	cr_expect_eq(journal_read(-EROFS, cgroup_fd, entry.cgroup_id, &found), -ENOENT);
}

/* Where marks cannot be seen, one that is there looks like one that is gone. */
Test(journal, file_whose_mark_is_gone_is_of_a_loan_that_is_over)
{
	_cleanup_close_ int fd = open_journal(), cgroup_fd = open_cgroup();
	struct journal_entry marked = entry, found = {0};

	cr_assert_eq(journal_write(fd, cgroup_fd, &marked), 0);
	journal_remove(-1, cgroup_fd, entry.cgroup_id);
	fixture_file(RECORD, NUMBERS("1"));
	cr_expect_eq(read_entry(fd, cgroup_fd, &found), marked.is_marked ? -ENOENT : 0);
}

/* It was written by an instance that could not mark the cgroup, nor remove the mark of one that could. */
Test(journal, file_without_a_mark_counts_before_an_older_mark)
{
	_cleanup_close_ int fd = open_journal(), cgroup_fd = open_cgroup();
	struct journal_entry marked = entry, found = {0};

	cr_assert_eq(journal_write(fd, cgroup_fd, &marked), 0);
	fixture_file(RECORD, NUMBERS("0"));
	cr_assert_eq(read_entry(fd, cgroup_fd, &found), 0);
	cr_expect_eq(found.before.memsw_bytes, 300);
	marked.since_ns++;
	cr_assert_eq(journal_write(fd, cgroup_fd, &marked), 0);
	fixture_file(RECORD, NUMBERS("0"));
	cr_assert_eq(read_entry(fd, cgroup_fd, &found), 0);
	cr_expect_eq(found.before.memsw_bytes, marked.is_marked ? UINT64_MAX : 300);
}

static void note_id(uint64_t cgroup_id, void *userdata)
{
	uint64_t *sum = userdata;

	*sum += cgroup_id;
}

Test(journal, each_file_names_a_cgroup)
{
	_cleanup_close_ int fd = open_journal();
	uint64_t sum = 0;

	fixture_file("limit-00000000000000ff", "");
	fixture_file("limit-0000000000000001", "");
	fixture_file("limit-zz", "");
	fixture_file("limit-2", "");
	fixture_file("other", "somebody else's\n");
	cr_assert_eq(journal_each(fd, note_id, &sum), 0);
	cr_expect_eq(sum, 0x100);
}

Test(journal, without_a_directory_there_is_none)
{
	int fd = -1;

	setenv("RUNTIME_DIRECTORY", "/proc/nowhere", 1);
	cr_expect_eq(runtime_dir_open(true, &fd), -ENOENT);
	cr_expect_eq(runtime_dir_open(false, &fd), -ENOENT);
}

Test(journal, what_somebody_else_has_set_is_not_taken_back)
{
	struct cgroup_limits now = entry.raised;

	cr_expect(journal_take_back(&entry, &now));
	cr_expect_eq(now.memory_bytes, 100);
	cr_expect_eq(now.high_bytes, UINT64_MAX);
	cr_expect(journal_take_back(&entry, &now), "it was put back already");
	now = entry.raised;
	now.high_bytes = 151;
	cr_expect_not(journal_take_back(&entry, &now));
	cr_expect_eq(now.memory_bytes, 100);
	cr_expect_eq(now.high_bytes, 151);
	now.memory_bytes = 101;
	cr_expect_not(journal_take_back(&entry, &now));
	cr_expect_eq(now.memory_bytes, 101);
}

/* v1: memory was set by somebody else, to more than both together were. */
Test(journal, memory_with_swap_goes_back_no_further_than_memory)
{
	const struct journal_entry v1 = {
		.before = {100, 100, UINT64_MAX},
		.raised = {200, 200, UINT64_MAX},
		.raised_last = {100, 100, UINT64_MAX},
	};
	struct cgroup_limits now = {150, 200, UINT64_MAX};

	cr_expect_not(journal_take_back(&v1, &now));
	cr_expect_eq(now.memory_bytes, 150);
	cr_expect_eq(now.memsw_bytes, 150);
}
