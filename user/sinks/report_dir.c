/* SPDX-License-Identifier: BSD-2-Clause */
#include "sinks/report_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "output/event.h"
#include "output/incident_json.h"
#include "output/json.h"
#include "output/recording_json.h"

#define ID_DIGITS 16
#define PROBE_NAME ".apoptosis-probe"

static int render_nothing(FILE *out, void *userdata)
{
	(void)out;
	(void)userdata;
	return 0;
}

int report_dir_open(const char *path, int *ret_dirfd)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* Permissions alone do not tell: /proc and /sys take no files from anyone. */
	r = file_write_atomic(fd, PROBE_NAME, 0600, render_nothing, NULL);
	if (r)
		return r;
	unlinkat(fd, PROBE_NAME, 0);
	*ret_dirfd = TAKE_FD(fd);
	return 0;
}

static int open_below(const char *parent, const char *path, int *ret_dirfd)
{
	if (mkdir(parent, 0700) && errno != EEXIST)
		return -errno;
	return report_dir_open(path, ret_dirfd);
}

int report_dir_open_default(int *ret_dirfd)
{
	int r = open_below(REPORTS_DIR_PARENT, REPORTS_DIR_DEFAULT, ret_dirfd);

	if (!r || open_below(REPORTS_DIR_VOLATILE_PARENT, REPORTS_DIR_VOLATILE, ret_dirfd))
		return r;
	log_info("cannot write reports to " REPORTS_DIR_DEFAULT
		 ": %s; until reboot they are in " REPORTS_DIR_VOLATILE,
		 strerror(-r));
	return 0;
}

const char *report_dir_default(void)
{
	struct stat kept, lost;

	if (stat(REPORTS_DIR_VOLATILE, &lost))
		return REPORTS_DIR_DEFAULT;
	if (stat(REPORTS_DIR_DEFAULT, &kept))
		return REPORTS_DIR_VOLATILE;
	return kept.st_mtim.tv_sec < lost.st_mtim.tv_sec ||
			       (kept.st_mtim.tv_sec == lost.st_mtim.tv_sec &&
				kept.st_mtim.tv_nsec < lost.st_mtim.tv_nsec)
		       ? REPORTS_DIR_VOLATILE
		       : REPORTS_DIR_DEFAULT;
}

static bool is_report(const char *name)
{
	return strspn(name, "0123456789abcdef") == ID_DIGITS &&
	       strcmp(name + ID_DIGITS, ".json") == 0;
}

static int by_age(const void *a, const void *b)
{
	const struct report_file *one = a, *other = b;

	if (one->written.tv_sec != other->written.tv_sec)
		return one->written.tv_sec < other->written.tv_sec ? -1 : 1;
	if (one->written.tv_nsec != other->written.tv_nsec)
		return one->written.tv_nsec < other->written.tv_nsec ? -1 : 1;
	return strcmp(one->name, other->name);
}

static int append(struct report_file **files, size_t *count, size_t *room, int dirfd,
		  const char *name)
{
	struct stat info;

	if (fstatat(dirfd, name, &info, AT_SYMLINK_NOFOLLOW) || !S_ISREG(info.st_mode))
		return 0; /* just removed, or none of ours */
	if (*count == *room) {
		size_t larger = *room ? *room * 2 : 64;
		struct report_file *grown = reallocarray(*files, larger, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		*files = grown;
		*room = larger;
	}
	(*files)[*count] =
		(struct report_file){.size_bytes = (uint64_t)info.st_size, .written = info.st_mtim};
	memcpy((*files)[(*count)++].name, name, strlen(name) + 1); /* is_report(): it fits */
	return 0;
}

int report_dir_list(int dirfd, struct report_file **ret, size_t *ret_count)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct report_file *files = NULL;
	size_t count = 0, room = 0;
	struct dirent *item;
	int r = dir ? 0 : -errno;

	if (!dir) {
		close_fd(fd);
		return r;
	}
	while (!r && (item = readdir(dir)))
		if (is_report(item->d_name))
			r = append(&files, &count, &room, dirfd, item->d_name);
	closedir(dir);
	if (r) {
		free(files);
		return r;
	}
	if (count)
		qsort(files, count, sizeof(*files), by_age);
	*ret = files;
	*ret_count = count;
	return 0;
}

void report_dir_prune(int dirfd, const struct report_bounds *bounds)
{
	_cleanup_free_ struct report_file *files = NULL;
	uint64_t bytes = 0;
	size_t count = 0;

	if (report_dir_list(dirfd, &files, &count))
		return;
	for (size_t i = 0; i < count; i++)
		bytes = sat_add(bytes, files[i].size_bytes);
	for (size_t i = 0; i < count && (count - i > bounds->files || bytes > bounds->bytes); i++) {
		unlinkat(dirfd, files[i].name, 0);
		bytes = sat_sub(bytes, files[i].size_bytes);
	}
}

static int render_file(FILE *out, void *userdata)
{
	return json_write_line(out, userdata);
}

/* What cannot be read again is no report. The rest of an incident is short: see CMDLINE_MAX. */
_Static_assert(RECORDING_BYTES_MAX + 256UL * 1024 <= FILE_READ_MAX, "reports are read as a whole");

#define NAME_SIZE 32

static void name_of(uint64_t id, char name[NAME_SIZE])
{
	snprintf(name, NAME_SIZE, "%016" PRIx64 ".json", id);
}

/* Takes the document; NULL: there was no memory for it. Returns whether it is written. */
static bool write_document(int dirfd, const char *name, json_t *document)
{
	int r = document ? file_write_atomic(dirfd, name, 0600, render_file, document) : -ENOMEM;

	if (r)
		log_warn("cannot write report %s: %s, ignoring", name, strerror(-r));
	json_decref(document);
	return !r;
}

void report_dir_write(int dirfd, const struct incident *incident,
		      const struct report_bounds *bounds)
{
	json_t *object = incident_json(incident, event_name(incident));
	json_t *recording = incident->recording ? recording_json(incident) : NULL;
	char name[NAME_SIZE];

	if (recording && json_object_set_new(object, "recording", recording))
		object = json_finish(object, -1);
	name_of(incident->id, name);
	if (write_document(dirfd, name, object))
		report_dir_prune(dirfd, bounds);
}

void report_dir_amend(int dirfd, uint64_t id, const struct amendment *amendment)
{
	_cleanup_free_ char *text = NULL;
	char name[NAME_SIZE];
	json_t *document;
	size_t size;

	name_of(id, name);
	if (file_read(dirfd, name, &text, &size))
		return; /* it was removed */
	document = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	if (!document || incident_json_amend(document, amendment))
		json_decref(document); /* somebody else's by now */
	else
		write_document(dirfd, name, document);
}
