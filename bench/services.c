/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Servers and pools of workers that grow by what they are asked for, alone, with SIGTERM to the leader, and guarded
 * with default options. Saved is what their own data say (tests/services/service): all that they had acknowledged is
 * there, nobody but the guilty one was cut off where the server promises that, and it answers again within 10 s.
 */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "bench.h"
#include "numbers.h"
#include "subjects.h"
#include "tool.h"

#define LIMIT (512 * MIB)
#define PARENT_BYTES (1ULL << 40) /* never near; a guard wants some limit */
#define READY_MS 40000
#define LOAD_MS 120000
#define CHECK_MS 60000
#define STOP_MS 30000

static const struct service {
	const char *name, *label;
} services[] = {
	{"postgres", "PostgreSQL"}, {"mariadb", "MariaDB"},
	{"redis", "Redis"},	    {"redis_save", "Redis, while it saves"},
	{"nginx", "nginx"},	    {"php", "php-fpm"},
	{"haproxy", "HAProxy"},	    {"gunicorn", "Gunicorn"},
	{"uwsgi", "uWSGI"},	    {"celery", "Celery"},
	{"erlang", "Erlang"},	    {"java", "Java"},
	{"node", "Node"},	    {"python", "Python, without a handler"},
};

static const char *const loads[] = {"request", "leak", "burst"};

/* Who is told, and how. */
enum stop { KERNEL, TERM_LEADER, GUARDED, STOPS };
static const char *const labels[STOPS] = {"alone", "TERM leader", "guarded"};
static const char *const keys[STOPS] = {"alone", "term_leader", "guarded"};

struct result {
	unsigned int saved, killed;
	const char *lost; /* what its check said last; NULL: nothing was */
};

struct row {
	const char *skipped; /* why; NULL: it was not */
	struct result results[STOPS][ARRAY_SIZE(loads)];
};

struct run {
	struct bench *bench;
	struct group *parent, *clients;
	struct subjects *subjects;
	unsigned int runs;
	struct row rows[ARRAY_SIZE(services)];
};

/* One action outside of the limit, to its end. Returns its exit status; -1: it took too long. */
static int act(struct run *run, const char *action, const char *name, const char *argument,
	       unsigned int timeout_ms, const char **ret_output)
{
	struct child *child = subjects_start(run->subjects, run->clients, action, name, argument);
	int status = child_wait(child, timeout_ms) ? child_code(child) : -1;

	if (ret_output)
		*ret_output = child->output ? text("%.*s", (int)strcspn(child->output, "\n"),
						   child->output)
					    : "";
	child_free(child);
	return status;
}

static void run_once(struct run *run, size_t index, enum stop stop, size_t load)
{
	const char *name = services[index].name, *lost = "it was not ready";
	struct result *result = &run->rows[index].results[stop][load];
	struct group *group = group_new(run->bench, run->parent, name, LIMIT);
	struct child *server;
	int status;

	subjects_prepare(run->subjects, name); /* what the last one has left is gone */
	server = subjects_start(run->subjects, group, "serve", name, NULL);
	status = act(run, "ready", name, NULL, READY_MS, NULL);
	if (!status) {
		status = act(run, "load", name, loads[load], LOAD_MS, NULL);
		lost = text("its growth did not end within %d s", LOAD_MS / 1000);
	}
	if (!status)
		status = act(run, "check", name, NULL, CHECK_MS, &lost);
	result->killed += group_oom_kills(run->bench, group) > 0;
	result->saved += !status;
	if (status)
		result->lost = lost;
	act(run, "stop", name, NULL, STOP_MS, NULL);
	child_free(server);
	group_free(run->bench, group);
	group_sweep(run->bench->tree, run->clients->rel);
	run->clients = group_new(run->bench, NULL, "clients", 0);
}

static bool wanted(const struct run *run, size_t index)
{
	return !run->bench->only || strstr(services[index].name, run->bench->only);
}

static void print_row(struct run *run, size_t index, json_t *json)
{
	struct row *row = &run->rows[index];
	json_t *object = json_object();

	json_object_set_new(json, services[index].name, object);
	printf("  %-26s", services[index].label);
	if (row->skipped) {
		printf(" skipped: %s\n", row->skipped);
		json_object_set_new(object, "skipped", json_string(row->skipped));
		return;
	}
	for (enum stop stop = 0; stop < STOPS; stop++) {
		json_t *by_load = json_object();

		printf("  ");
		for (size_t load = 0; load < ARRAY_SIZE(loads); load++) {
			const struct result *result = &row->results[stop][load];

			printf(" %2u/%-2u", result->saved, run->runs);
			json_object_set_new(by_load, loads[load],
					    json_pack("{s:i s:i s:s?}", "saved", result->saved,
						      "killed", result->killed, "lost",
						      result->lost));
		}
		json_object_set_new(object, keys[stop], by_load);
	}
	putchar('\n');
}

static void print_losses(const struct run *run, enum stop stop)
{
	for (size_t i = 0; i < ARRAY_SIZE(services); i++)
		for (size_t load = 0; load < ARRAY_SIZE(loads); load++)
			if (run->rows[i].results[stop][load].lost)
				printf("  %s, %s, %s: %s\n", services[i].label, labels[stop],
				       loads[load], run->rows[i].results[stop][load].lost);
}

static void report(struct run *run)
{
	unsigned int saved = 0, all = 0;
	json_t *json = json_object();

	printf("\nServices (apoptosis watch with default options), %llu MiB; of %u each: one "
	       "request, a leak, a "
	       "burst\n\n  %-26s",
	       (unsigned long long)(LIMIT / MIB), run->runs, "data whole, up in 10 s");
	for (enum stop stop = 0; stop < STOPS; stop++)
		printf("  %-18s", labels[stop]);
	putchar('\n');
	for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
		if (!wanted(run, i))
			continue;
		print_row(run, i, json);
		for (size_t load = 0; load < ARRAY_SIZE(loads) && !run->rows[i].skipped; load++) {
			saved += run->rows[i].results[GUARDED][load].saved;
			all += run->runs;
		}
	}
	putchar('\n');
	print_losses(run, GUARDED);
	printf("  Target: all are saved: %u of %u, %s.\n", saved, all,
	       saved == all ? "met" : "MISSED");
	json_object_set_new(json, "runs", json_integer(run->runs));
	json_object_set_new(run->bench->json, "services", json);
}

static struct tool *start_guard(struct run *run, enum stop stop)
{
	static const char *const to_leader[] = {"--signal", "TERM", "--target", "leader", NULL};

	return stop == KERNEL ? NULL
			      : tool_start(run->bench, run->parent,
					   stop == TERM_LEADER ? to_leader : NULL);
}

void services_run(struct bench *bench)
{
	struct run run = {
		.bench = bench,
		.parent = group_new(bench, NULL, "services", PARENT_BYTES),
		.clients = group_new(bench, NULL, "clients", 0),
		.subjects = subjects_new(bench, text("%s/service", bench->services)),
		.runs = repeats(bench, 1, 1),
	};

	for (size_t i = 0; i < ARRAY_SIZE(services); i++)
		if (wanted(&run, i))
			run.rows[i].skipped = subjects_prepare(run.subjects, services[i].name);
	for (enum stop stop = 0; stop < STOPS; stop++) {
		struct tool *tool = start_guard(&run, stop);

		for (size_t i = 0; i < ARRAY_SIZE(services); i++)
			for (size_t n = 0; n < run.runs * ARRAY_SIZE(loads); n++)
				if (wanted(&run, i) && !run.rows[i].skipped)
					run_once(&run, i, stop, n % ARRAY_SIZE(loads));
		tool_stop(tool);
	}
	subjects_free(run.subjects);
	group_free(bench, run.clients);
	group_free(bench, run.parent);
	report(&run);
}
