/* SPDX-License-Identifier: BSD-2-Clause */
#include "tool.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define MAX_ARGUMENTS 16
#define READY_MS 20000
#define STATUS_MS 5000

static void parse(struct tool *tool)
{
	const char *line, *end;

	while (tool->child->output && (line = tool->child->output + tool->parsed) &&
	       (end = strchr(line, '\n'))) {
		json_error_t error;
		json_t *event = json_loadb(line, (size_t)(end - line), 0, &error);

		if (!event)
			fail("apoptosis printed no JSON line (%s): %.*s", error.text,
			     (int)(end - line), line);
		json_array_append_new(tool->events, event);
		tool->parsed += (size_t)(end + 1 - line);
	}
}

static struct tool *start(const struct bench *bench, const char *const argv[])
{
	struct tool *tool = calloc(1, sizeof(*tool));

	if (!tool)
		fail("out of memory");
	tool->events = json_array();
	tool->child = child_exec(NULL, NULL, argv);
	if (!tool_event(tool, "ready", 0, READY_MS))
		fail("%s did not become ready", bench->apoptosis);
	return tool;
}

struct tool *tool_start(const struct bench *bench, const struct group *group,
			const char *const more[])
{
	const char *argv[MAX_ARGUMENTS + 8] = {bench->apoptosis, "watch", "--json"};
	size_t n = 3;

	argv[n++] = group ? "--cgroup" : "--all";
	if (group)
		argv[n++] = group->rel;
	/* By default nothing is recorded either; the files would be the machine's. */
	argv[n++] = "--report-dir";
	argv[n++] = bench->reports ? text("%s/reports", bench->dir) : "off";
	for (size_t i = 0; more && more[i] && n < MAX_ARGUMENTS; i++)
		argv[n++] = more[i];
	return start(bench, argv);
}

struct tool *tool_start_daemon(const struct bench *bench, const char *config)
{
	const char *const argv[] = {bench->apoptosis, "daemon", "--json", "-c", config, NULL};

	return start(bench, argv);
}

struct tool *tool_stop(struct tool *tool)
{
	if (!tool)
		return NULL;
	child_signal(tool->child, SIGTERM);
	if (!child_wait(tool->child, READY_MS))
		fail("apoptosis does not stop");
	if (child_code(tool->child) != 0)
		fail("apoptosis ended with status %d", child_code(tool->child));
	child_free(tool->child);
	json_decref(tool->events);
	free(tool);
	return NULL;
}

json_t *tool_event(struct tool *tool, const char *type, pid_t pid, unsigned int timeout_ms)
{
	uint64_t end = now_ns() + timeout_ms * NSEC_PER_MSEC;
	size_t i = 0;

	for (;;) {
		uint64_t now;

		parse(tool);
		for (; i < json_array_size(tool->events); i++) {
			json_t *event = json_array_get(tool->events, i);

			if (strcmp(json_string_value(json_object_get(event, "event")), type) == 0 &&
			    (!pid || (pid_t)json_number_at(event, "process.pid") == pid))
				return event;
		}
		now = now_ns();
		if (now >= end ||
		    (!child_read(tool->child, (unsigned int)((end - now) / NSEC_PER_MSEC + 1)) &&
		     tool->child->output_size == tool->parsed))
			return NULL;
	}
}

void tool_forget(struct tool *tool)
{
	while (child_read(tool->child, 0) && tool->parsed < tool->child->output_size)
		parse(tool);
	json_array_clear(tool->events);
}

const json_t *json_at(const json_t *document, const char *path)
{
	char key[64];

	while (document && *path) {
		size_t length = strcspn(path, ".");

		if (length >= sizeof(key))
			return NULL;
		memcpy(key, path, length);
		key[length] = '\0';
		document = json_object_get(document, key);
		path += length + (path[length] == '.');
	}
	return document;
}

double json_number_at(const json_t *document, const char *path)
{
	const json_t *value = json_at(document, path);

	return json_is_number(value) ? json_number_value(value) : -1;
}

const char *json_text_at(const json_t *document, const char *path)
{
	return json_string_value(json_at(document, path)) ?: "";
}

bool tool_knows_interpreter(struct tool *tool, pid_t pid)
{
	const json_t *process;
	bool known = false;
	json_t *status;
	size_t i;

	tool_forget(tool);
	child_signal(tool->child, SIGUSR1);
	status = tool_event(tool, "status", 0, STATUS_MS);
	json_array_foreach (json_at(status, "processes"), i, process)
		if (json_integer_value(json_at(process, "pid")) == pid)
			known = json_is_string(json_at(process, "interpreter"));
	return known;
}
