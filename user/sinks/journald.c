// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/journald.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "base/text.h"
#include "base/util.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define SYSLOG_SOCKET "/dev/log"
/* Of this message in the journal: journalctl MESSAGE_ID=... */
#define MESSAGE_ID "5b1c7d0f2e8a4c6b9a3d74e0c2f15e86"

#define CONTAINER_ID_SHORT 12 /* digits, as docker's journald driver has it */

static int priority_of(const struct incident *incident)
{
	switch (incident->verdict) {
	case VERDICT_SAVED:
		return LOG_NOTICE;
	case VERDICT_TOO_LATE:
	case VERDICT_MISSED:
		return LOG_ERR;
	default:
		return LOG_WARNING;
	}
}

static bool send_to(const char *path, const char *text, size_t size)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memcpy(address.sun_path, path, strlen(path) + 1);
	return fd >= 0 && sendto(fd, text, size, MSG_DONTWAIT | MSG_NOSIGNAL,
				 (const struct sockaddr *)&address, sizeof(address)) >= 0;
}

/* Line breaks would begin another field: names have none left. */
static void print_name(FILE *file, const char *field, const char *raw)
{
	_cleanup_free_ char *safe = raw ? text_escape_line(raw) : NULL;

	if (safe)
		fprintf(file, "%s=%s\n", field, safe);
}

/*
 * By these the owner of a process finds the entry: `journalctl -u UNIT` and `systemctl status UNIT` take
 * OBJECT_SYSTEMD_UNIT from senders with UID 0. OBJECT_PID is not sent: for it the journal adds what it finds
 * in /proc at that pid, whose process has mostly ended by now. Nor is CONTAINER_ID_FULL, by which docker and
 * podman take entries for output of the container: podman stops reading at a PRIORITY that is not its own.
 */
static void print_owner(FILE *file, const struct incident *incident)
{
	const struct incident_process *process = incident->target.pid ? &incident->target
								      : &incident->grower;

	print_name(file, "OBJECT_SYSTEMD_UNIT", process->unit);
	print_name(file, "OBJECT_SYSTEMD_USER_UNIT", process->user_unit);
	if (process->container_id)
		fprintf(file, "CONTAINER_ID=%.*s\n", CONTAINER_ID_SHORT, process->container_id);
}

static void print_begin(FILE *file, const char *line, int priority, uint64_t id)
{
	fprintf(file, "MESSAGE=%s\nMESSAGE_ID=" MESSAGE_ID "\n", line);
	fprintf(file, "PRIORITY=%d\nSYSLOG_IDENTIFIER=apoptosis\n", priority);
	fprintf(file, "APOPTOSIS_ID=%016" PRIx64 "\n", id);
}

void journald_print(FILE *file, const struct incident *incident, const char *line)
{
	print_begin(file, line, priority_of(incident), incident->id);
	fprintf(file, "APOPTOSIS_VERDICT=%s\n", verdict_name(incident->verdict));
	fprintf(file, "APOPTOSIS_PID=%d\n", incident->grower.pid);
	fprintf(file, "APOPTOSIS_NEED_BYTES=%" PRIu64 "\n", incident->need_bytes);
	fprintf(file, "APOPTOSIS_LIMIT_BYTES=%" PRIu64 "\n", incident->limit_bytes);
	print_name(file, "APOPTOSIS_COMM", incident->grower.comm);
	print_name(file, "APOPTOSIS_CGROUP", incident->grower.cgroup);
	print_name(file, "APOPTOSIS_CONTAINER_ID", incident->grower.container_id);
	print_owner(file, incident);
}

static int priority_of_comeback(const struct comeback *comeback)
{
	return comeback->outcome == COMEBACK_DOWN ? LOG_ERR : LOG_NOTICE;
}

void journald_print_comeback(FILE *file, const struct comeback_event *event, const char *line)
{
	print_begin(file, line, priority_of_comeback(event->comeback), event->id);
	fprintf(file, "APOPTOSIS_AFTER=%s\n", comeback_name(event->comeback->outcome));
	print_name(file, "OBJECT_SYSTEMD_UNIT", event->comeback->unit);
}

/* One of the two prints above, as bytes. */
typedef void (*print_fn)(FILE *file, const void *event, const char *line);

static void print_incident(FILE *file, const void *event, const char *line)
{
	journald_print(file, event, line);
}

static void print_comeback(FILE *file, const void *event, const char *line)
{
	journald_print_comeback(file, event, line);
}

static bool send_to_journal(print_fn print, const void *event, const char *line)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *memory = open_memstream(&text, &size);

	if (!memory)
		return false;
	print(memory, event, line);
	return fclose(memory) == 0 && send_to(JOURNAL_SOCKET, text, size);
}

static void send_to_syslog(int priority, const char *line)
{
	_cleanup_free_ char *text = NULL;
	int length =
		asprintf(&text, "<%d>apoptosis[%d]: %s", LOG_DAEMON | priority, getpid(), line);

	if (length < 0)
		text = NULL;
	else
		send_to(SYSLOG_SOCKET, text, (size_t)length);
}

/* The journal, or else syslog. */
static bool tell(print_fn print, const void *event, int priority, const char *line)
{
	if (send_to_journal(print, event, line))
		return true;
	send_to_syslog(priority, line);
	return false;
}

bool journald_incident(const struct incident *incident, const char *line)
{
	return tell(print_incident, incident, priority_of(incident), line);
}

bool journald_comeback(const struct comeback_event *event, const char *line)
{
	return tell(print_comeback, event, priority_of_comeback(event->comeback), line);
}

/* systemd tells its services which socket their output is: DEVICE:INODE. */
bool journald_reads(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char own[48];
	struct stat info;

	if (!stream || fstat(fd, &info))
		return false;
	snprintf(own, sizeof(own), "%" PRIu64 ":%" PRIu64, (uint64_t)info.st_dev,
		 (uint64_t)info.st_ino);
	return strcmp(stream, own) == 0;
}
