// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/reporter.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "output/event.h"
#include "output/incident_json.h"
#include "output/json.h"
#include "output/status.h"
#include "output/status_json.h"

int reporter_open_dir(const char *path, int *ret_dirfd)
{
	int fd;

	if (mkdir(path, 0700) && errno != EEXIST)
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

/* One object, one line, at once: a reader on a pipe sees it when it happens. */
static void print_json(FILE *out, json_t *object)
{
	int r = json_write_line(out, object);

	if (r)
		log_warn("cannot write an event: %s, ignoring", strerror(-r));
	json_decref(object);
}

static int render_file(FILE *out, void *userdata)
{
	return json_write_pretty(out, userdata);
}

static void write_file(int dirfd, const struct incident *incident)
{
	json_t *object = incident_json(incident, event_name(incident));
	char name[32];
	int r;

	snprintf(name, sizeof(name), "%016" PRIx64 ".json", incident->id);
	r = object ? file_write_atomic(dirfd, name, 0600, render_file, object) : -ENOMEM;
	if (r)
		log_warn("cannot write report %s: %s, ignoring", name, strerror(-r));
	json_decref(object);
}

void reporter_incident(struct reporter *reporter, const struct incident *incident)
{
	if (reporter->json)
		print_json(reporter->out, incident_json(incident, event_name(incident)));
	else if (event_line(reporter->out, incident, reporter->colour) || fflush(reporter->out))
		log_warn("cannot write an event: %s, ignoring", strerror(errno));
	if (reporter->report_dirfd >= 0 && incident->verdict != VERDICT_OPEN)
		write_file(reporter->report_dirfd, incident);
}

void reporter_ready(struct reporter *reporter, const struct ready *ready)
{
	if (reporter->json)
		print_json(reporter->out, ready_json(ready));
	else if (!reporter->quiet) {
		ready_text(reporter->out, ready);
		fflush(reporter->out);
	}
}

void reporter_status(struct reporter *reporter, const struct status *status)
{
	if (reporter->json)
		print_json(reporter->out, status_json(status));
	else if (!reporter->quiet) {
		status_text(reporter->out, status, reporter->colour);
		fflush(reporter->out);
	}
}
