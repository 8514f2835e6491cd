// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/lines.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "output/event.h"
#include "output/incident_json.h"
#include "output/json.h"
#include "output/status.h"
#include "output/status_json.h"

/* For the rest of a line of which a part is written. */
#define REST_PATIENCE_MS 100

/*
 * Writes without waiting for a reader: a full pipe would make the guard deaf, with grace periods
 * and verdicts waiting behind it. A pipe that polls as writable takes PIPE_BUF bytes at once; a
 * stopped terminal and a full socket do not poll as writable. O_NONBLOCK would do the same, but to
 * everyone who shares the open file. -EAGAIN: nothing, or not all, was taken.
 */
static int write_line(struct lines *lines, const char *text, size_t size)
{
	struct pollfd out = {.fd = fileno(lines->out), .events = POLLOUT};
	size_t done = 0;

	while (done < size) {
		ssize_t n;

		if (poll(&out, 1, done ? REST_PATIENCE_MS : 0) == 0)
			return -EAGAIN;
		n = write(out.fd, text + done, MIN(size - done, (size_t)PIPE_BUF));
		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
		lines->torn = done < size && (done || lines->torn);
	}
	return 0;
}

static void print_text(struct lines *lines, const char *text, size_t size)
{
	int r = lines->torn ? write_line(lines, "\n", 1) : 0;

	if (!r)
		r = write_line(lines, text, size);
	if (r == -EAGAIN) {
		if (!lines->dropped++)
			log_warn("nobody reads the events: they are dropped until somebody does "
				 "(--report-dir keeps verdicts)");
	} else if (r) {
		log_warn("cannot write an event: %s, ignoring", strerror(-r));
	} else if (lines->dropped) {
		log_warn("events are read again: %" PRIu64 " were dropped", lines->dropped);
		lines->dropped = 0;
	}
}

static int render_incident(FILE *out, const struct lines *lines, const void *event)
{
	return lines->json ? json_write_line_new(out, incident_json(event, event_name(event)))
			   : event_line(out, event, lines->colour);
}

static int render_ready(FILE *out, const struct lines *lines, const void *event)
{
	return lines->json ? json_write_line_new(out, ready_json(event)) : ready_text(out, event);
}

static int render_status(FILE *out, const struct lines *lines, const void *event)
{
	json_t *document = status_json(event);
	int r = document ? 0 : -ENOMEM;

	if (document)
		r = lines->json ? json_write_line(out, document)
				: status_text(out, document, lines->colour);
	json_decref(document);
	return r;
}

static void print(struct lines *lines, const void *event,
		  int (*render)(FILE *out, const struct lines *lines, const void *event))
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *memory = open_memstream(&text, &size);
	int r = memory ? render(memory, lines, event) : -ENOMEM;

	if (memory && fclose(memory) && !r)
		r = -ENOMEM;
	if (r < 0)
		log_warn("cannot write an event: %s, ignoring", strerror(-r));
	else
		print_text(lines, text, size);
}

static int render_comeback(FILE *out, const struct lines *lines, const void *event)
{
	return lines->json ? json_write_line_new(out, comeback_event_json(event))
			   : comeback_line(out, event, lines->colour);
}

void lines_comeback(struct lines *lines, const struct comeback_event *event)
{
	print(lines, event, render_comeback);
}

void lines_incident(struct lines *lines, const struct incident *incident)
{
	print(lines, incident, render_incident);
}

void lines_ready(struct lines *lines, const struct ready *ready)
{
	if (lines->json || !lines->quiet)
		print(lines, ready, render_ready);
}

void lines_status(struct lines *lines, const struct status *status)
{
	if (lines->json || !lines->quiet)
		print(lines, status, render_status);
}
