/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Servers and pools of workers that grow by what they are asked for, alone, with SIGTERM to the leader, and guarded
 * with default options. Saved is what their own data say (tests/services/service): all that they had acknowledged is
 * there, nobody but the guilty one was cut off where the server promises that, and it answers again within 10 s.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/util.h"
#include "bench.h"
#include "hang.h"
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
	double hang_ms;	  /* the longest, of runs that were saved */
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
	enum stop first;   /* with --quick only the guard, */
	size_t load_count; /* and only one request */
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

static uint64_t size_of(const char *path)
{
	struct stat file;

	return stat(path, &file) ? 0 : (uint64_t)file.st_size;
}

/* The client, until the growth has ended. Returns its exit status; -1: it took too long. */
static int watch_load(struct run *run, const struct group *group, const char *name,
		      const char *load, double *ret_hang_ms)
{
	struct child *child = subjects_start(run->subjects, run->clients, "load", name, load);
	uint64_t end = now_ns() + LOAD_MS * NSEC_PER_MSEC;
	/* What the innocent one was acknowledged so far. */
	const char *progress = text("%s/%s/acknowledged", getenv("DIR"), name);
	struct hang hang = {};
	int status;

	while (!child_wait(child, HANG_SAMPLE_MS) && now_ns() < end)
		hang_look(&hang, run->bench, group, size_of(progress));
	status = child->exited ? child_code(child) : -1;
	child_free(child);
	*ret_hang_ms = hang_longest_ms(&hang);
	return status;
}

static void run_once(struct run *run, size_t index, enum stop stop, size_t load)
{
	const char *name = services[index].name, *lost = "it was not ready";
	struct result *result = &run->rows[index].results[stop][load];
	struct group *group = group_new(run->bench, run->parent, name, LIMIT);
	struct child *server;
	double hang_ms = 0;
	int status;

	subjects_prepare(run->subjects, name); /* what the last one has left is gone */
	server = subjects_start(run->subjects, group, "serve", name, NULL);
	status = act(run, "ready", name, NULL, READY_MS, NULL);
	if (!status) {
		status = watch_load(run, group, name, loads[load], &hang_ms);
		lost = text("its growth did not end within %d s", LOAD_MS / 1000);
	}
	if (!status)
		status = act(run, "check", name, NULL, CHECK_MS, &lost);
	result->killed += group_oom_kills(run->bench, group) > 0;
	result->saved += !status;
	if (status)
		result->lost = lost;
	else
		result->hang_ms = MAX(result->hang_ms, hang_ms);
	act(run, "stop", name, NULL, STOP_MS, NULL);
	child_free(server);
	group_free(run->bench, group);
	group_sweep(run->bench->tree, run->clients->rel);
	run->clients = group_new(run->bench, NULL, "clients", 0);
}

static bool wanted(const struct run *run, size_t index)
{
	return is_wanted(run->bench, services[index].name);
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
	for (enum stop stop = run->first; stop < STOPS; stop++) {
		json_t *by_load = json_object();

		printf("  ");
		for (size_t load = 0; load < run->load_count; load++) {
			const struct result *result = &row->results[stop][load];

			printf(" %2u/%-2u", result->saved, run->runs);
			json_object_set_new(by_load, loads[load],
					    json_pack("{s:i s:i s:f s:s?}", "saved", result->saved,
						      "killed", result->killed, "hang_ms",
						      result->hang_ms, "lost", result->lost));
		}
		json_object_set_new(object, keys[stop], by_load);
	}
	putchar('\n');
}

static void print_losses(const struct run *run, enum stop stop)
{
	for (size_t i = 0; i < ARRAY_SIZE(services); i++)
		for (size_t load = 0; load < run->load_count; load++)
			if (run->rows[i].results[stop][load].lost)
				printf("  %s, %s, %s: %s\n", services[i].label, labels[stop],
				       loads[load], run->rows[i].results[stop][load].lost);
}

static void report(struct run *run)
{
	unsigned int saved = 0, all = 0;
	double longest_ms = 0;
	json_t *json = json_object();

	printf("\nServices (apoptosis watch with default options), %llu MiB; of %u each: one "
	       "request, a leak, a "
	       "burst\n\n  %-26s",
	       (unsigned long long)(LIMIT / MIB), run->runs, "data whole, up in 10 s");
	for (enum stop stop = run->first; stop < STOPS; stop++)
		printf("  %-18s", labels[stop]);
	putchar('\n');
	for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
		if (!wanted(run, i))
			continue;
		print_row(run, i, json);
		for (size_t load = 0; load < run->load_count && !run->rows[i].skipped; load++) {
			const struct result *result = &run->rows[i].results[GUARDED][load];

			saved += result->saved;
			all += run->runs;
			longest_ms = MAX(longest_ms, result->hang_ms);
		}
	}
	putchar('\n');
	print_losses(run, GUARDED);
	printf("  Target: all are saved: %u of %u, %s. Target: none that was hung "
	       "for more than 2 s: %.0f ms, %s.\n",
	       saved, all, saved == all ? "met" : "MISSED", longest_ms,
	       longest_ms <= HANG_TARGET_MS ? "met" : "MISSED");
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
		.first = bench->quick ? GUARDED : KERNEL,
		.load_count = bench->quick ? 1 : ARRAY_SIZE(loads),
	};

	for (size_t i = 0; i < ARRAY_SIZE(services); i++)
		if (wanted(&run, i))
			run.rows[i].skipped = subjects_prepare(run.subjects, services[i].name);
	for (enum stop stop = run.first; stop < STOPS; stop++) {
		struct tool *tool = start_guard(&run, stop);

		for (size_t i = 0; i < ARRAY_SIZE(services); i++)
			for (size_t n = 0; n < run.runs * run.load_count; n++)
				if (wanted(&run, i) && !run.rows[i].skipped)
					run_once(&run, i, stop, n % run.load_count);
		tool_stop(tool);
	}
	subjects_free(run.subjects);
	group_free(bench, run.clients);
	group_free(bench, run.parent);
	report(&run);
}
