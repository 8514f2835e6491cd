/* SPDX-License-Identifier: BSD-2-Clause */
#include "rescue/journal.h"

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
	.owner_start_ticks = 99,
};

static void keep(const struct journal_entry *found, void *userdata)
{
	struct journal_entry *last = userdata;

	*last = *found;
	last->since_ns += 1000; /* counts, in effect */
}

static struct journal_entry the_entry(int fd)
{
	struct journal_entry found = {0};

	cr_assert_eq(journal_each(fd, keep, &found), 0);
	return found;
}

static int open_journal(void)
{
	int fd = -1;

	cr_assert_eq(journal_open(true, &fd), 0);
	return fd;
}

Test(journal, what_is_written_is_read)
{
	_cleanup_close_ int fd = open_journal();
	struct journal_entry found;

	cr_assert_eq(journal_write(fd, &entry, false), 0);
	found = the_entry(fd);
	cr_expect_eq(found.cgroup_id, entry.cgroup_id);
	cr_expect_eq(found.since_ns, 1017);
	cr_expect_eq(found.before.memory_bytes, 100);
	cr_expect_eq(found.before.memsw_bytes, UINT64_MAX);
	cr_expect_eq(found.raised.memory_bytes, 200);
	cr_expect_eq(found.raised.high_bytes, 150);
	cr_expect_eq(found.raised_last.memory_bytes, 100);
	cr_expect_eq(found.owner, 4711);
	cr_expect_eq(found.owner_start_ticks, 99);
	journal_remove(fd, entry.cgroup_id);
	cr_expect_eq(the_entry(fd).cgroup_id, 0);
}

Test(journal, nobody_raises_what_is_raised_but_its_owner)
{
	_cleanup_close_ int fd = open_journal();
	struct journal_entry more = entry;

	cr_assert_eq(journal_write(fd, &entry, false), 0);
	cr_expect_eq(journal_write(fd, &entry, false), -EEXIST);
	more.raised.memory_bytes = UINT64_MAX - 1;
	more.raised_last.memory_bytes = 200;
	cr_expect_eq(journal_write(fd, &more, true), 0);
	cr_expect_eq(the_entry(fd).raised.memory_bytes, UINT64_MAX - 1);
	cr_expect_eq(the_entry(fd).raised_last.memory_bytes, 200);
}

Test(journal, what_is_no_entry_is_removed)
{
	_cleanup_close_ int fd = open_journal();

	fixture_file("limit-00000000000000ff", "");
	fixture_file("limit-0000000000000001", "limit 2 until 3 before 1 2 raised 3 4");
	fixture_file("limit-zz", "limit of another version\n");
	fixture_file("other", "somebody else's\n");
	cr_expect_eq(the_entry(fd).cgroup_id, 0);
	cr_expect_eq(faccessat(fd, "limit-00000000000000ff", F_OK, 0), -1);
	cr_expect_eq(faccessat(fd, "limit-0000000000000001", F_OK, 0), -1);
	cr_expect_eq(faccessat(fd, "limit-zz", F_OK, 0), 0, "what it names would stay raised");
	cr_expect_eq(faccessat(fd, "other", F_OK, 0), 0);
}

Test(journal, without_a_directory_there_is_none)
{
	int fd = -1;

	setenv("RUNTIME_DIRECTORY", "/proc/nowhere", 1);
	cr_expect_eq(journal_open(true, &fd), -ENOENT);
	cr_expect_eq(journal_open(false, &fd), -ENOENT);
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
