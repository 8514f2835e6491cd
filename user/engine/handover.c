// SPDX-License-Identifier: BSD-2-Clause
#include "engine/handover.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/text.h"
#include "base/util.h"
#include "base/runtime_dir.h"
#include "sense/proc.h"

#define PREFIX "trip-"
#define NAME_SIZE (sizeof(PREFIX) + 16)
#define ERRNO_MAX 4095 /* of any kernel */

struct handover {
	int proc_fd;
	int dirfd; /* -1: nothing is kept */
	bool has_failed;
	uint64_t start_ticks;
};

static void name_of(uint64_t id, char name[NAME_SIZE])
{
	snprintf(name, NAME_SIZE, PREFIX "%016" PRIx64, id);
}

/* --- the text of an entry ------------------------------------------------------------------ */

/* All there is in a file, in this order. */
struct entry {
	uint64_t owner, owner_start_ticks; /* who wrote it, in the PID namespace of who reads */
	uint64_t limit_cgroup, target_pid;
	struct incident incident; /* its strings are not used */
	char grower_comm[APO_COMM_LEN + 1], target_comm[APO_COMM_LEN + 1];
};

/*
 * One number each, after its word. Numbers are of one width, so that a later entry covers the one
 * before in one write. Signed ones are written as what their bits are without the sign.
 */
static const struct row {
	const char *word;
	size_t offset, size;
	uint64_t max;
} rows[] = {
#define ROW_UP_TO(word, member, max)                                                               \
	{                                                                                          \
		word " ", offsetof(struct entry, member), sizeof(((struct entry *)0)->member), max \
	}
#define ROW(word, member) \
	ROW_UP_TO(word, member, sizeof(((struct entry *)0)->member) == 4 ? UINT32_MAX : UINT64_MAX)
#define INCIDENT(member) ROW(" " #member, incident.member)
#define INCIDENT_UP_TO(member, max) ROW_UP_TO(" " #member, incident.member, max)
	ROW("trip", incident.id),
	ROW(" owner", owner),
	ROW(" owner_start_ticks", owner_start_ticks),
	ROW(" limit_cgroup", limit_cgroup),
	ROW(" target_pid", target_pid),
	INCIDENT(realtime_ns),
	INCIDENT_UP_TO(trigger, APO_TRIGGER_LOOK),
	INCIDENT_UP_TO(rule, APO_RULE_OOMD),
	INCIDENT(level),
	INCIDENT(grower.pid),
	INCIDENT(grower.ns_pid),
	INCIDENT(grower.cgroup_id),
	INCIDENT(grower.start_boottime_ns),
	INCIDENT_UP_TO(grower.disposition, APO_DISP_INIT),
	INCIDENT(target.pid),
	INCIDENT(target.ns_pid),
	INCIDENT(target.cgroup_id),
	INCIDENT(target.start_boottime_ns),
	INCIDENT_UP_TO(target.disposition, APO_DISP_INIT),
	INCIDENT_UP_TO(target_policy, APO_TARGET_ALL),
	INCIDENT(targets_signalled),
	INCIDENT(limit_bytes),
	INCIDENT(usage_bytes),
	INCIDENT(reclaimable_bytes),
	INCIDENT(need_bytes),
	INCIDENT(swap_bytes),
	INCIDENT(reserve_bytes),
	INCIDENT(headroom_bytes),
	INCIDENT(rate_bytes_s),
	INCIDENT(forecast_ns),
	INCIDENT(rss_bytes[APO_FILE]),
	INCIDENT(rss_bytes[APO_ANON]),
	INCIDENT(rss_bytes[APO_SWAP]),
	INCIDENT(rss_bytes[APO_SHMEM]),
	INCIDENT(faults),
	INCIDENT(peak_need_bytes),
	INCIDENT(least_headroom_bytes),
	INCIDENT_UP_TO(wanted_signal, 64),
	INCIDENT_UP_TO(signal, 64),
	INCIDENT_UP_TO(declared, APO_DECLARED_EXEC_RESTART),
	INCIDENT_UP_TO(action, APO_ACT_ASKED),
	INCIDENT(error),
	INCIDENT_UP_TO(killed_after_grace, true),
	INCIDENT(grace_ns),
	INCIDENT_UP_TO(limit_kind, APO_LIMIT_HOST),
	INCIDENT_UP_TO(grace_is_lent, true),
	INCIDENT(crossed_ns),
	INCIDENT(signal_ns),
	INCIDENT(generated_ns),
	INCIDENT(delivered_ns),
	INCIDENT_UP_TO(missing, INCIDENT_MISSING_ALL),
	INCIDENT_UP_TO(oom_victim, true),
	INCIDENT_UP_TO(before.known, true),
	INCIDENT(before.oom_kills),
	INCIDENT(before.at_limit),
	INCIDENT(before.at_high),
};
#define NUMBER_DIGITS 20
#define NUMBER "%020" PRIu64

/* Names of processes, the bytes of a comm as hexadecimal digits. */
static const struct name_row {
	const char *word;
	size_t offset;
} name_rows[] = {
	{" grower.comm ", offsetof(struct entry, grower_comm)},
	{" target.comm ", offsetof(struct entry, target_comm)},
};

static uint64_t number_of(const struct entry *entry, const struct row *row)
{
	const void *at = (const char *)entry + row->offset;

	switch (row->size) {
	case sizeof(uint64_t):
		return *(const uint64_t *)at;
	case sizeof(uint32_t):
		return *(const uint32_t *)at;
	default:
		return *(const bool *)at;
	}
}

static void set_number(struct entry *entry, const struct row *row, uint64_t number)
{
	void *at = (char *)entry + row->offset;

	switch (row->size) {
	case sizeof(uint64_t):
		*(uint64_t *)at = number;
		break;
	case sizeof(uint32_t):
		*(uint32_t *)at = (uint32_t)number;
		break;
	default:
		*(bool *)at = number;
	}
}

/* NULL: no memory. */
static char *print_entry(const struct entry *entry)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		fprintf(file, "%s" NUMBER, rows[i].word, number_of(entry, &rows[i]));
	for (size_t i = 0; i < ARRAY_SIZE(name_rows); i++) {
		const unsigned char *name = (const unsigned char *)entry + name_rows[i].offset;

		fputs(name_rows[i].word, file);
		for (size_t j = 0; j < APO_COMM_LEN; j++)
			fprintf(file, "%02x", name[j]);
	}
	fputc('\n', file);
	if (fclose(file) == 0)
		return text;
	free(text);
	return NULL;
}

/* Takes a word and the number that follows it off the text. */
static bool take_number(const char **text, const struct row *row, struct entry *entry)
{
	size_t length = strlen(row->word);
	char digits[NUMBER_DIGITS + 1] = "";
	uint64_t number;

	if (strncmp(*text, row->word, length) != 0)
		return false;
	strncpy(digits, *text + length, NUMBER_DIGITS);
	*text += length + strlen(digits);
	if (strlen(digits) != NUMBER_DIGITS || parse_u64(digits, &number) || number > row->max)
		return false;
	set_number(entry, row, number);
	return true;
}

static bool take_name(const char **text, const struct name_row *row, struct entry *entry)
{
	size_t length = strlen(row->word);
	char *name = (char *)entry + row->offset;

	if (strncmp(*text, row->word, length) != 0)
		return false;
	*text += length;
	for (size_t i = 0; i < APO_COMM_LEN; i++) {
		char digits[3] = "";
		uint64_t byte;

		strncpy(digits, *text, 2);
		*text += strlen(digits);
		if (strlen(digits) != 2 || !parse_number(digits, 16, '\0', &byte))
			return false;
		name[i] = (char)byte;
	}
	return true;
}

/*
 * -EBADMSG: it was cut short, or lies under another name than its own. -EINVAL: a whole one that this
 * version does not understand.
 */
static int parse_entry(const char *text, const char *name, struct entry *ret)
{
	int not_understood = text_ends_with(text, "\n") ? -EINVAL : -EBADMSG;
	struct entry entry = {.owner = 0};
	char expected[NAME_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!take_number(&text, &rows[i], &entry))
			return not_understood;
	for (size_t i = 0; i < ARRAY_SIZE(name_rows); i++)
		if (!take_name(&text, &name_rows[i], &entry))
			return not_understood;
	if (entry.incident.error > 0 || entry.incident.error < -ERRNO_MAX)
		return not_understood;
	name_of(entry.incident.id, expected);
	if (strcmp(text, "\n") != 0 || strcmp(name, expected) != 0)
		return -EBADMSG;
	*ret = entry;
	return 0;
}

/* --- files --------------------------------------------------------------------------------- */

int handover_new(struct handover **ret, int proc_fd)
{
	struct handover *handover = calloc(1, sizeof(*handover));
	int r;

	if (!handover)
		return -ENOMEM;
	*handover = (struct handover){.proc_fd = proc_fd, .dirfd = -1};
	r = proc_start_ticks(proc_fd, getpid(), &handover->start_ticks);
	if (!r)
		r = runtime_dir_open(true, &handover->dirfd);
	if (r)
		log_debug("a restart will not know of open trips: no runtime directory: %s, "
			  "ignoring",
			  strerror(-r));
	*ret = handover;
	return 0;
}

struct handover *handover_free(struct handover *handover)
{
	if (!handover)
		return NULL;
	close_fd(handover->dirfd);
	free(handover);
	return NULL;
}

static int write_text(int dirfd, const char *name, const char *text)
{
	ssize_t length = (ssize_t)strlen(text);
	_cleanup_close_ int fd =
		openat(dirfd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_CREAT, 0600);

	if (fd < 0)
		return -errno;
	return write(fd, text, length) == length ? 0 : -EIO;
}

void handover_write(struct handover *handover, const struct handover_entry *state)
{
	const struct incident *incident = state->incident;
	struct entry entry = {
		.owner = getpid(),
		.owner_start_ticks = handover->start_ticks,
		.limit_cgroup = state->limit_cgroup,
		.target_pid = state->target_pid,
		.incident = *incident,
	};
	_cleanup_free_ char *text = NULL;
	char name[NAME_SIZE];

	if (handover->dirfd < 0)
		return;
	strncpy(entry.grower_comm, incident->grower.comm ?: "", APO_COMM_LEN);
	strncpy(entry.target_comm, incident->target.comm ?: "", APO_COMM_LEN);
	text = print_entry(&entry);
	name_of(incident->id, name);
	if (text && !write_text(handover->dirfd, name, text))
		return;
	unlinkat(handover->dirfd, name, 0);
	if (!handover->has_failed)
		log_debug("a restart will not know of open trips: %s cannot be written, ignoring",
			  name);
	handover->has_failed = true;
}

void handover_remove(struct handover *handover, uint64_t id)
{
	char name[NAME_SIZE];

	name_of(id, name);
	if (handover->dirfd >= 0)
		unlinkat(handover->dirfd, name, 0);
}

/* --- taking over --------------------------------------------------------------------------- */

static bool is_alive(const struct handover *handover, const struct entry *entry)
{
	uint64_t ticks;

	if ((pid_t)entry->owner == getpid()) /* before an exec: whoever else had our pid is gone */
		return false;
	return !proc_start_ticks(handover->proc_fd, (pid_t)entry->owner, &ticks) &&
	       ticks == entry->owner_start_ticks;
}

/* NULL: no memory. */
static struct incident *incident_of_entry(const struct entry *entry)
{
	struct incident *incident = incident_new();

	if (!incident)
		return NULL;
	*incident = entry->incident;
	incident->exit.code = -1;
	incident->grower.comm = *entry->grower_comm ? strdup(entry->grower_comm) : NULL;
	incident->target.comm = *entry->target_comm ? strdup(entry->target_comm) : NULL;
	return incident;
}

/* One file. */
static void take_file(struct handover *handover, const char *name,
		      void (*fn)(const struct handover_entry *entry, void *userdata),
		      void *userdata)
{
	_cleanup_free_ char *text = NULL;
	struct handover_entry taken;
	struct entry entry;
	int r = file_read(handover->dirfd, name, &text, NULL);

	if (!r)
		r = parse_entry(text, name, &entry);
	if (r == -EBADMSG)
		unlinkat(handover->dirfd, name, 0);
	else if (r == -EINVAL)
		log_warn("cannot read %s, a trip that an earlier apoptosis left open: remove it",
			 name);
	/* Whoever removes it, of several that start at once, takes it over. */
	if (r || is_alive(handover, &entry) || unlinkat(handover->dirfd, name, 0))
		return;
	taken = (struct handover_entry){
		.incident = incident_of_entry(&entry),
		.limit_cgroup = entry.limit_cgroup,
		.target_pid = entry.target_pid,
	};
	if (taken.incident)
		fn(&taken, userdata);
	else
		log_warn("%s, a trip that an earlier apoptosis left open, is lost: out of memory",
			 name);
}

void handover_take(struct handover *handover,
		   void (*fn)(const struct handover_entry *entry, void *userdata), void *userdata)
{
	int fd = handover->dirfd < 0
			 ? -1
			 : openat(handover->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *item;

	if (!dir) {
		close_fd(fd);
		return;
	}
	while ((item = readdir(dir)))
		if (strncmp(item->d_name, PREFIX, strlen(PREFIX)) == 0)
			take_file(handover, item->d_name, fn, userdata);
	closedir(dir);
}
