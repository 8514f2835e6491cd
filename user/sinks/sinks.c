// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/sinks.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "sinks/notice.h"
#include "sinks/report_dir.h"
#include "output/event.h"
#include "output/incident_json.h"
#include "output/json.h"
#include "output/recording_json.h"
#include "output/status.h"
#include "output/status_json.h"

/* For the rest of a line of which a part is written. */
#define REST_PATIENCE_MS 100
#define PROBE_NAME ".apoptosis-probe"

static int render_nothing(FILE *out, void *userdata)
{
	(void)out;
	(void)userdata;
	return 0;
}

int sinks_open_dir(const char *path, int *ret_dirfd)
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

/* --- lines --------------------------------------------------------------------------------- */

/*
 * Writes without waiting for a reader: a full pipe would make the guard deaf, with grace periods
 * and verdicts waiting behind it. A pipe that polls as writable takes PIPE_BUF bytes at once; a
 * stopped terminal and a full socket do not poll as writable. O_NONBLOCK would do the same, but to
 * everyone who shares the open file. -EAGAIN: nothing, or not all, was taken.
 */
static int write_line(struct sinks *sinks, const char *text, size_t size)
{
	struct pollfd out = {.fd = fileno(sinks->out), .events = POLLOUT};
	size_t done = 0;

	while (done < size) {
		ssize_t n;

		if (poll(&out, 1, done ? REST_PATIENCE_MS : 0) == 0)
			return -EAGAIN;
		n = write(out.fd, text + done, MIN(size - done, (size_t)PIPE_BUF));
		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
		sinks->torn = done < size && (done || sinks->torn);
	}
	return 0;
}

static void print_text(struct sinks *sinks, const char *text, size_t size)
{
	int r = sinks->torn ? write_line(sinks, "\n", 1) : 0;

	if (!r)
		r = write_line(sinks, text, size);
	if (r == -EAGAIN) {
		if (!sinks->dropped++)
			log_warn("nobody reads the events: they are dropped until somebody does "
				 "(--report-dir keeps verdicts)");
	} else if (r) {
		log_warn("cannot write an event: %s, ignoring", strerror(-r));
	} else if (sinks->dropped) {
		log_warn("events are read again: %" PRIu64 " were dropped", sinks->dropped);
		sinks->dropped = 0;
	}
}

/* What a line is made of: a document for JSON, or a function that renders it for people. */
struct line {
	json_t *document; /* owned by print() */
	int (*render)(FILE *out, const void *event, bool colour);
	const void *event;
};

/* One event, one line, at once: a reader on a pipe sees it when it happens. */
static void print(struct sinks *sinks, const struct line *line)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *memory = open_memstream(&text, &size);
	int r = -ENOMEM;

	if (memory && line->render)
		r = line->render(memory, line->event, sinks->colour);
	else if (memory && line->document)
		r = json_write_line(memory, line->document);
	if (memory && fclose(memory) && !r)
		r = -ENOMEM;
	json_decref(line->document);
	if (r < 0)
		log_warn("cannot write an event: %s, ignoring", strerror(-r));
	else
		print_text(sinks, text, size);
}

static int render_incident(FILE *out, const void *event, bool colour)
{
	return event_line(out, event, colour);
}

static int render_ready(FILE *out, const void *event, bool colour)
{
	(void)colour;
	return ready_text(out, event);
}

static int render_status(FILE *out, const void *event, bool colour)
{
	return status_text(out, event, colour);
}

/* --- files --------------------------------------------------------------------------------- */

static int render_file(FILE *out, void *userdata)
{
	return json_write_line(out, userdata);
}

/* What cannot be read again is no report. The rest of an incident is short: see CMDLINE_MAX. */
_Static_assert(RECORDING_BYTES_MAX + 256UL * 1024 <= FILE_READ_MAX, "reports are read as a whole");

static void write_file(int dirfd, const struct incident *incident)
{
	json_t *object = incident_json(incident, event_name(incident));
	json_t *recording = incident->recording ? recording_json(incident) : NULL;
	char name[32];
	int r;

	if (recording && json_object_set_new(object, "recording", recording))
		object = json_finish(object, -1);
	snprintf(name, sizeof(name), "%016" PRIx64 ".json", incident->id);
	r = object ? file_write_atomic(dirfd, name, 0600, render_file, object) : -ENOMEM;
	if (r)
		log_warn("cannot write report %s: %s, ignoring", name, strerror(-r));
	else
		report_dir_prune(dirfd, REPORTS_KEEP, REPORTS_KEEP_BYTES);
	json_decref(object);
}

/* --- events -------------------------------------------------------------------------------- */

void sinks_file(const struct sinks *sinks, const struct incident *incident)
{
	if (sinks->report_dirfd >= 0 && incident->verdict != VERDICT_OPEN)
		write_file(sinks->report_dirfd, incident);
}

void sinks_incident(struct sinks *sinks, const struct incident *incident)
{
	struct line line = {.event = incident};
	bool closed = incident->verdict != VERDICT_OPEN, in_journal = false;

	sinks_file(sinks, incident);
	if (closed && sinks->terminates)
		notice_termination(incident);
	if (closed)
		in_journal = notice_log(incident);
	if (in_journal && !sinks->json && notice_is_journal(fileno(sinks->out)))
		return; /* it would be there twice */
	if (sinks->json)
		line.document = incident_json(incident, event_name(incident));
	else
		line.render = render_incident;
	print(sinks, &line);
}

void sinks_ready(struct sinks *sinks, const struct ready *ready)
{
	struct line line = {.event = ready};

	if (sinks->quiet && !sinks->json)
		return;
	if (sinks->json)
		line.document = ready_json(ready);
	else
		line.render = render_ready;
	print(sinks, &line);
}

void sinks_status(struct sinks *sinks, const struct status *status)
{
	struct line line = {.event = status};

	if (sinks->quiet && !sinks->json)
		return;
	if (sinks->json)
		line.document = status_json(status);
	else
		line.render = render_status;
	print(sinks, &line);
}
