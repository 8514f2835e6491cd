/* SPDX-License-Identifier: BSD-2-Clause */
/* The guard under test: `apoptosis watch --json`, and what it says. */
#pragma once

#include "child.h"

struct tool {
	struct child *child;
	size_t parsed; /* bytes of its output */
	json_t *events;
};

/* Watches the cgroup (NULL: --all) with further arguments, and waits until it is ready. */
struct tool *tool_start(const struct bench *bench, const struct group *group,
			const char *const more[]);
/* `apoptosis daemon --json` by that configuration, and waits until it is ready. */
struct tool *tool_start_daemon(const struct bench *bench, const char *config);
/* Interrupts it and waits for its end. NULL is fine. Returns NULL. */
struct tool *tool_stop(struct tool *tool);
/* The first event of that type whose grower is `pid` (0: any), waited for; NULL: did not come. */
json_t *tool_event(struct tool *tool, const char *type, pid_t pid, unsigned int timeout_ms);
/* Forgets the events so far. */
void tool_forget(struct tool *tool);

/* Whether it has found the interpreter that a process has. */
bool tool_knows_interpreter(struct tool *tool, pid_t pid);

/* Member by dotted path, "memory.rss_bytes.anon"; NULL if absent. */
const json_t *json_at(const json_t *document, const char *path);
/* As a number; -1 if absent or null. */
double json_number_at(const json_t *document, const char *path);
/* As text; "" if absent or null. */
const char *json_text_at(const json_t *document, const char *path);
