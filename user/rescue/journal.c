// SPDX-License-Identifier: BSD-2-Clause
#include "rescue/journal.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/file.h"
#include "base/parse.h"
#include "base/text.h"
#include "base/util.h"

#define PREFIX "limit-"
#define NAME_SIZE (sizeof(PREFIX) + 16)

static void name_of(uint64_t cgroup_id, char name[NAME_SIZE])
{
	snprintf(name, NAME_SIZE, PREFIX "%016" PRIx64, cgroup_id);
}

/* Of one width, so that a later entry covers the one before in one write. */
#define NUMBER_DIGITS 20
#define NUMBER "%020" PRIu64
#define LIMITS NUMBER " " NUMBER " " NUMBER
#define LIMITS_OF(l) (l).memory_bytes, (l).memsw_bytes, (l).high_bytes

#define TEXT_SIZE 512
#define MARK "trusted.apoptosis.loan"

static int format(const struct journal_entry *entry, char text[TEXT_SIZE])
{
	return snprintf(text, TEXT_SIZE,
			"limit " NUMBER " since " NUMBER " before " LIMITS " raised " LIMITS
			" last " LIMITS " by " NUMBER " marked " NUMBER "\n",
			entry->cgroup_id, entry->since_ns, LIMITS_OF(entry->before),
			LIMITS_OF(entry->raised), LIMITS_OF(entry->raised_last), entry->owner,
			(uint64_t)entry->is_marked);
}

/* --- with the lock ------------------------------------------------------------------------- */

int journal_claim(int cgroup_dirfd)
{
	if (!flock(cgroup_dirfd, LOCK_EX | LOCK_NB))
		return 0;
	return errno == EWOULDBLOCK ? -EEXIST : -errno;
}

void journal_disclaim(int cgroup_dirfd)
{
	flock(cgroup_dirfd, LOCK_UN);
}

/* Opened first, so that what fails changes neither; then the mark, as the file says whether there is one. */
int journal_write(int dirfd, int cgroup_dirfd, struct journal_entry *entry)
{
	char name[NAME_SIZE], text[TEXT_SIZE];
	_cleanup_close_ int fd = -1;
	int length;

	name_of(entry->cgroup_id, name);
	fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	entry->is_marked = true;
	length = format(entry, text);
	if (fsetxattr(cgroup_dirfd, MARK, text, length, 0)) {
		fremovexattr(cgroup_dirfd, MARK); /* one that says less */
		entry->is_marked = false;
		length = format(entry, text);
	}
	errno = 0;
	if (write(fd, text, length) != length)
		return errno ? -errno : -ENOSPC;
	return 0;
}

void journal_remove(int dirfd, int cgroup_dirfd, uint64_t cgroup_id)
{
	char name[NAME_SIZE];

	name_of(cgroup_id, name);
	fremovexattr(cgroup_dirfd, MARK);
	unlinkat(dirfd, name, 0);
}

/* Takes a word and the number that follows it off the text. */
static bool take(const char **text, const char *word, uint64_t *ret)
{
	size_t length = strlen(word);
	char number[NUMBER_DIGITS + 1] = "";

	if (strncmp(*text, word, length) != 0)
		return false;
	strncpy(number, *text + length, NUMBER_DIGITS);
	*text += length + strlen(number);
	return parse_u64(number, ret) == 0;
}

/* -EBADMSG: cut short. -EINVAL: whole, and this version does not understand it. */
static int parse(const char *text, struct journal_entry *ret)
{
	struct journal_entry entry = {0};
	uint64_t marked = 0;
	struct {
		const char *word;
		uint64_t *number;
	} parts[] = {
		{"limit ", &entry.cgroup_id},
		{" since ", &entry.since_ns},
		{" before ", &entry.before.memory_bytes},
		{" ", &entry.before.memsw_bytes},
		{" ", &entry.before.high_bytes},
		{" raised ", &entry.raised.memory_bytes},
		{" ", &entry.raised.memsw_bytes},
		{" ", &entry.raised.high_bytes},
		{" last ", &entry.raised_last.memory_bytes},
		{" ", &entry.raised_last.memsw_bytes},
		{" ", &entry.raised_last.high_bytes},
		{" by ", &entry.owner},
		{" marked ", &marked},
	};
	const char *rest = text;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (!take(&rest, parts[i].word, parts[i].number))
			return text_ends_with(text, "\n") ? -EINVAL : -EBADMSG;
	if (strcmp(rest, "\n") != 0)
		return -EBADMSG;
	entry.is_marked = marked;
	*ret = entry;
	return 0;
}

static int mark_read(int cgroup_dirfd, struct journal_entry *ret)
{
	char text[TEXT_SIZE] = "";

	if (fgetxattr(cgroup_dirfd, MARK, text, sizeof(text) - 1) < 0)
		return -ENOENT;
	return parse(text, ret);
}

static int record_read(int dirfd, uint64_t cgroup_id, struct journal_entry *ret)
{
	char name[NAME_SIZE], text[TEXT_SIZE];
	int r;

	name_of(cgroup_id, name);
	r = file_read_into(dirfd, name, text, sizeof(text));
	if (r == -EBADF)
		r = -ENOENT;
	return r ?: parse(text, ret);
}

/* To whoever lacks CAP_SYS_ADMIN a mark that is there looks like one that is gone. */
static bool sees_marks(int cgroup_dirfd)
{
	return fremovexattr(cgroup_dirfd, MARK) && errno == ENODATA;
}

int journal_read(int dirfd, int cgroup_dirfd, uint64_t cgroup_id, struct journal_entry *ret)
{
	struct journal_entry marked = {0}, written = {0};
	int m = mark_read(cgroup_dirfd, &marked), r = record_read(dirfd, cgroup_id, &written);

	/* Whoever could not mark the cgroup could not remove an older mark either. */
	if (!m && !r && !written.is_marked && written.since_ns >= marked.since_ns)
		m = -ENOENT;
	if (m == -ENOENT) {
		/* Somebody else has found the mark, and put the limit back. */
		if (!r && written.is_marked && sees_marks(cgroup_dirfd))
			return -ENOENT;
		marked = written;
		m = r;
	}
	/* Cut short: the limit was not touched yet. */
	if (m == -EBADMSG || (!m && marked.cgroup_id != cgroup_id))
		return -ENOENT;
	if (!m)
		*ret = marked;
	return m;
}

/* --- all of them --------------------------------------------------------------------------- */

bool journal_is_marked(int cgroup_dirfd)
{
	return fgetxattr(cgroup_dirfd, MARK, NULL, 0) >= 0;
}

int journal_each(int dirfd, void (*fn)(uint64_t cgroup_id, void *userdata), void *userdata)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *item;

	if (!dir) {
		int r = -errno;

		close_fd(fd);
		return r;
	}
	while ((item = readdir(dir))) {
		char name[NAME_SIZE];
		uint64_t cgroup_id;

		if (strncmp(item->d_name, PREFIX, strlen(PREFIX)) != 0)
			continue;
		cgroup_id = strtoull(item->d_name + strlen(PREFIX), NULL, 16);
		name_of(cgroup_id, name);
		if (strcmp(item->d_name, name) == 0)
			fn(cgroup_id, userdata);
	}
	closedir(dir);
	return 0;
}

/* --- whose limits they are ----------------------------------------------------------------- */

/*
 * Whether a limit is one of the values we set; which one, after a SIGKILL of ours, depends on when
 * it came. Any other was set by somebody else, and is theirs.
 */
static bool is_ours(uint64_t now, uint64_t before, uint64_t raised, uint64_t raised_last)
{
	return now == before || now == raised || now == raised_last;
}

bool journal_take_back(const struct journal_entry *entry, struct cgroup_limits *now)
{
	const struct cgroup_limits *before = &entry->before, *raised = &entry->raised,
				   *last = &entry->raised_last;
	bool ours = true;

	if (is_ours(now->memory_bytes, before->memory_bytes, raised->memory_bytes,
		    last->memory_bytes))
		now->memory_bytes = before->memory_bytes;
	else
		ours = false;
	if (is_ours(now->memsw_bytes, before->memsw_bytes, raised->memsw_bytes, last->memsw_bytes))
		now->memsw_bytes = before->memsw_bytes;
	else
		ours = false;
	if (is_ours(now->high_bytes, before->high_bytes, raised->high_bytes, last->high_bytes))
		now->high_bytes = before->high_bytes;
	else
		ours = false;
	now->memsw_bytes = MAX(now->memsw_bytes, now->memory_bytes);
	return ours;
}
