/* SPDX-License-Identifier: BSD-2-Clause */
/* The tool in live tests: how it is started, its JSON lines, and checks of them. */
#pragma once

#include "harness.h"

/* Starts `apoptosis ARGS...`; returns at once. */
struct live_process *live_tool_argv(const struct live_spawn *spec, const char *const args[]);
/* `apoptosis ARGS...` to its end, no events expected. */
#define live_tool(...) live_tool_to_end((const char *const[]){__VA_ARGS__, (const char *)NULL})
struct live_process *live_tool_to_end(const char *const args[]);

/* Starts `apoptosis watch --json ARGS...` and waits until it is ready. */
#define live_watch(...) live_watch_argv((const char *const[]){__VA_ARGS__, (const char *)NULL})
struct live_process *live_watch_argv(const char *const args[]);
/*
 * Writes a configuration of `daemon` that keeps no reports, no history and no programs, and prints events; then the
 * text, which begins in [defaults] and may say otherwise.
 */
void live_write_config(const char *path, const char *text);
/* Starts `apoptosis daemon` with one, and waits until it is ready. */
struct live_process *live_daemon(const char *text);
/* Has a daemon read its configuration anew, and waits until it is ready again. */
void live_reload(struct live_process *guard);
/* The same for a cgroup, with `--airbag auto`. */
struct live_process *live_watch_lending(const struct live_cgroup *cgroup);
/* Starts `apoptosis run --json ARGS...` in the cgroup (may be NULL) and waits until it is ready. */
#define live_run(spec, ...) \
	live_run_argv(spec, (const char *const[]){__VA_ARGS__, (const char *)NULL})
struct live_process *live_run_argv(const struct live_spawn *spec, const char *const args[]);
/* How `run` ends by default where a trip has ended the command, and that with 0: EX_TEMPFAIL. */
#define ENDED_BY_TRIP 75
/* How many of its descriptors, as links to BPF programs are, say this in their fdinfo. */
size_t live_count_links(const struct live_process *process, const char *line);
/* Interrupts a watch, which must exit with 0. Returns its last event, the status. */
json_t *live_stop(struct live_process *guard);

/* The nth (from 0) event of that type and grower, or NULL; pid 0: any. Does not wait. */
json_t *live_find_event(const struct live_process *guard, const char *type, pid_t pid, size_t nth);
size_t live_count_events(const struct live_process *guard, const char *type, pid_t pid);
/*
 * The report of the incident that the event is about, with all that was found out after it, from the directory of
 * reports. Stops the guard, which writes what it has not yet.
 */
json_t *live_report(struct live_process *guard, const char *dir, const json_t *event);
/* As it is now. */
json_t *live_status(struct live_process *guard);
/* Waits for it. */
json_t *live_event(struct live_process *guard, const char *type, pid_t pid);

/*
 * Members by dotted path, "memory.need_bytes", "limits.0.trips"; one that is absent or of another
 * type fails the test.
 */
json_int_t live_int(const json_t *document, const char *path);
const char *live_text(const json_t *document, const char *path);
bool live_bool(const json_t *document, const char *path);
/* NULL if it is not there. */
const json_t *live_member(const json_t *document, const char *path);
void live_expect_text(const json_t *document, const char *path, const char *expected);
void live_expect_int(const json_t *document, const char *path, json_int_t expected);

/* The numbers of a trip agree with each other and with the limit. */
void live_expect_sane_trip(const json_t *trip, uint64_t limit_bytes);
/*
 * The shutdown was done and the kernel's OOM killer did nothing; the tool says so of `pid`, whose
 * state file is `state`. Returns the verdict event.
 */
json_t *live_expect_saved(struct live_process *guard, pid_t pid, const char *state,
			  const struct live_cgroup *cgroup);
/* The same for a victim, which also ended with status 0 after one handled signal. */
json_t *live_expect_victim_saved(struct live_process *guard, struct live_process *victim,
				 const struct live_cgroup *cgroup);
/* No trip and no warning so far, and the status says the same. Ends the guard. */
void live_expect_quiet(struct live_process *guard);
/* A victim that ended as planned and never saw a signal. */
void live_expect_undisturbed(struct live_process *victim);
/* A victim that runs on, undisturbed, until this ends it. */
void live_expect_ended_as_told(struct live_process *victim);
