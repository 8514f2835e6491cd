// SPDX-License-Identifier: BSD-2-Clause
#include "rescue/journal.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/text.h"
#include "base/util.h"

#define DEFAULT_DIR "/run/apoptosis"
#define PREFIX "limit-"
#define NAME_SIZE (sizeof(PREFIX) + 16)

static void name_of(uint64_t cgroup_id, char name[NAME_SIZE])
{
	snprintf(name, NAME_SIZE, PREFIX "%016" PRIx64, cgroup_id);
}

int journal_open(bool make, int *ret_dirfd)
{
	const char *path = getenv("RUNTIME_DIRECTORY");
	int fd;

	if (!path || *path != '/')
		path = DEFAULT_DIR;
	if (make && mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS)) {
		int r = -errno;

		close(fd);
		return r;
	}
	*ret_dirfd = fd;
	return 0;
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
			" last " LIMITS " by " NUMBER " " NUMBER "\n",
			entry->cgroup_id, entry->since_ns, LIMITS_OF(entry->before),
			LIMITS_OF(entry->raised), LIMITS_OF(entry->raised_last), entry->owner,
			entry->owner_start_ticks);
}

int journal_write(int dirfd, const struct journal_entry *entry, bool again)
{
	char name[NAME_SIZE], text[TEXT_SIZE];
	int length = format(entry, text), r = 0;
	_cleanup_close_ int fd = -1;

	name_of(entry->cgroup_id, name);
	fd = openat(dirfd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | (again ? 0 : O_CREAT | O_EXCL),
		    0600);
	if (fd < 0)
		return -errno;
	if (write(fd, text, length) != length)
		r = errno ? -errno : -ENOSPC;
	if (r && !again)
		unlinkat(dirfd, name, 0);
	return r;
}

void journal_remove(int dirfd, uint64_t cgroup_id)
{
	char name[NAME_SIZE];

	name_of(cgroup_id, name);
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
		{" ", &entry.owner_start_ticks},
	};
	const char *rest = text;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (!take(&rest, parts[i].word, parts[i].number))
			return text_ends_with(text, "\n") ? -EINVAL : -EBADMSG;
	if (strcmp(rest, "\n") != 0)
		return -EBADMSG;
	*ret = entry;
	return 0;
}

/* -EBADMSG: a file whose limit was not changed yet. -EINVAL: as above. */
static int entry_read(int dirfd, const char *name, struct journal_entry *ret)
{
	_cleanup_free_ char *text = NULL;
	struct journal_entry entry;
	char expected[NAME_SIZE];
	int r = file_read(dirfd, name, &text, NULL);

	if (!r)
		r = parse(text, &entry);
	if (r)
		return r;
	name_of(entry.cgroup_id, expected);
	if (strcmp(name, expected) != 0)
		return -EBADMSG;
	*ret = entry;
	return 0;
}

/* --- on the cgroup ------------------------------------------------------------------------- */

int journal_claim(int cgroup_dirfd)
{
	if (!flock(cgroup_dirfd, LOCK_EX | LOCK_NB))
		return 0;
	return errno == EWOULDBLOCK ? -EEXIST : -errno;
}

void journal_disclaim(int cgroup_dirfd)
{
	fremovexattr(cgroup_dirfd, MARK);
	flock(cgroup_dirfd, LOCK_UN);
}

void journal_mark(int cgroup_dirfd, const struct journal_entry *entry)
{
	char text[TEXT_SIZE];
	int length = format(entry, text);

	fsetxattr(cgroup_dirfd, MARK, text, length, 0);
}

int journal_marked(int cgroup_dirfd, struct journal_entry *ret)
{
	char text[TEXT_SIZE] = "";
	ssize_t n = fgetxattr(cgroup_dirfd, MARK, text, sizeof(text) - 1);

	if (n < 0)
		return -ENODATA;
	return parse(text, ret) ? -EBADMSG : 0;
}

/* --- all of them --------------------------------------------------------------------------- */

int journal_each(int dirfd, void (*fn)(const struct journal_entry *entry, void *userdata),
		 void *userdata)
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
		struct journal_entry entry;
		int r;

		if (strncmp(item->d_name, PREFIX, strlen(PREFIX)) != 0)
			continue;
		r = entry_read(dirfd, item->d_name, &entry);
		if (r == -EBADMSG)
			unlinkat(dirfd, item->d_name, 0);
		else if (r == -EINVAL)
			log_warn("cannot read the record %s of a limit that was raised: put the "
				 "limit back that it names, and remove it",
				 item->d_name);
		else if (!r)
			fn(&entry, userdata);
	}
	closedir(dir);
	return 0;
}

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
	return ours;
}
