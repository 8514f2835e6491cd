/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/notification.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/util.h"
#include "output/event.h"
#include "output/incident_json.h"
#include "output/json.h"

#define PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* --- the environment ----------------------------------------------------------------------- */

struct variables {
	struct notification *notification;
	size_t count;
	bool no_memory;
};

/* NAME=VALUE, which it takes. */
static void add(struct variables *variables, char *variable)
{
	variables->no_memory |= !variable;
	if (variable)
		variables->notification->environment[variables->count++] = variable;
}

static void add_text(struct variables *variables, const char *name, const char *raw)
{
	_cleanup_free_ char *safe = text_escape_line(raw ?: "");
	char *variable = NULL;

	if (safe && asprintf(&variable, "APOPTOSIS_%s=%s", name, safe) < 0)
		variable = NULL;
	add(variables, variable);
}

static void add_number(struct variables *variables, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	add_text(variables, name, text);
}

static void add_process(struct variables *variables, const struct incident *incident)
{
	const struct incident_process *process = &incident->grower;

	add_number(variables, "PID", (uint64_t)process->pid);
	add_text(variables, "COMM", process->comm);
	add_text(variables, "CGROUP", process->cgroup);
	add_text(variables, "CONTAINER_ID", process->container_id);
	add_text(variables, "UNIT", process->user_unit ?: process->unit);
}

static int fill_environment(const struct incident *incident, const char *guard, const char *line,
			    struct notification *notification)
{
	struct variables variables = {.notification = notification};
	bool is_limited = incident->limit_bytes && incident->limit_bytes != APO_UNLIMITED;
	char id[20];

	snprintf(id, sizeof(id), "%016" PRIx64, incident->id);
	add(&variables, strdup(PATH));
	add(&variables, strdup("HOME=/"));
	add_text(&variables, "EVENT", event_name(incident));
	add_text(&variables, "ID", id);
	add_text(&variables, "TEXT", line);
	add_text(&variables, "VERDICT", verdict_name(incident->verdict));
	add_text(&variables, "REASON", incident->reason);
	add_text(&variables, "GUARD", guard);
	add_process(&variables, incident);
	add_text(&variables, "LIMIT_CGROUP", incident->limit_cgroup);
	if (is_limited)
		add_number(&variables, "LIMIT_BYTES", incident->limit_bytes);
	else
		add_text(&variables, "LIMIT_BYTES", NULL);
	if (incident_is_measured(incident))
		add_number(&variables, "NEED_BYTES", incident->need_bytes);
	else
		add_text(&variables, "NEED_BYTES", NULL);
	return variables.no_memory ? -ENOMEM : 0;
}

/* --- the document -------------------------------------------------------------------------- */

/* All that there is to say of the event, as one line without its end. */
static char *line_of(const struct incident *incident)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *memory = open_memstream(&text, &size);
	int r = memory ? event_message(memory, incident) : -ENOMEM;

	if (memory && fclose(memory) && !r)
		r = -ENOMEM;
	if (r)
		return NULL;
	text[strcspn(text, "\n")] = '\0';
	return TAKE_PTR(text);
}

/* Who allocated is in the report, and may be megabytes. */
static char *json_of(const struct incident *incident, const char *line)
{
	struct incident bare = *incident;
	json_t *document;
	char *text = NULL;

	bare.recording = NULL;
	document = incident_json(&bare, event_name(incident));
	if (document && !json_object_set_new(document, "text", json_text(line)))
		text = json_line_text(document);
	json_decref(document);
	return text;
}

int notification_make(const struct incident *incident, const char *guard, struct notification *ret)
{
	struct notification made = {};
	_cleanup_free_ char *line = line_of(incident);

	if (line)
		made.json = json_of(incident, line);
	if (!made.json || fill_environment(incident, guard, line, &made)) {
		notification_clear(&made);
		return -ENOMEM;
	}
	*ret = made;
	return 0;
}

void notification_clear(struct notification *notification)
{
	free(notification->json);
	for (char **variable = notification->environment; *variable; variable++)
		free(*variable);
	*notification = (struct notification){};
}
