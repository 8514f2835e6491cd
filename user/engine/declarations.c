// SPDX-License-Identifier: BSD-2-Clause
#include "engine/declarations.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"
#include "engine/manager.h"
#include "rescue/leader.h"
#include "sense/container.h"
#include "core/container_id.h"
#include "sense/pidref.h"
#include "core/unit.h"

#define GATHER_MS 20 /* in which many that begin at once are asked for at once */
/* A manager is asked once a second at most, whoever makes units without end, but for so often at once. */
#define AT_ONCE 32
#define NAMES_MAX 4096	  /* units */
#define VISITED_MAX 16384 /* cgroups, at once */

/* Names of units, each once. */
struct names {
	char (*names)[UNIT_NAME_SIZE];
	size_t count, room;
};

struct declarations {
	struct declarations_config config;
	uv_timer_t *timer; /* NULL: nothing waits */
	struct manager_call *call;
	struct names waiting; /* that are to be asked for */
	struct names told;    /* of which it was said that they would stay down */
	uint64_t asked_ns;    /* when it was asked last */
	unsigned int asked;   /* how often by then, less once for each second before */
	bool has_complained;
};

static bool names_have(const struct names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++)
		if (!strcmp(names->names[i], name))
			return true;
	return false;
}

/* False: no room. */
static bool names_add(struct names *names, const char *name)
{
	size_t room = names->room ? 2 * names->room : 16;
	void *grown;

	if (names->count == names->room) {
		grown = room <= NAMES_MAX ? reallocarray(names->names, room, UNIT_NAME_SIZE) : NULL;
		if (!grown)
			return false;
		names->names = grown;
		names->room = room;
	}
	snprintf(names->names[names->count++], UNIT_NAME_SIZE, "%s", name);
	return true;
}

/* --- the kernel side is told --------------------------------------------------------------- */

static void declare(struct declarations *declarations, pid_t pid, struct apo_declared declared)
{
	struct pidref process = PIDREF_NONE;
	int r;

	if (pidref_open(declarations->config.proc_fd, pid, 0, &process))
		return;
	declared.start_boottime_ns = process.start_boottime_ns;
	r = source_declare(declarations->config.source, pid, &declared);
	if (r)
		log_warn("how process %d is to be stopped cannot be kept: %s, ignoring", pid,
			 strerror(-r));
	pidref_close(&process);
}

/* --- containers ---------------------------------------------------------------------------- */

/* The cgroup of the container itself, above those it has made. Allocated. */
static char *container_rel(const char *rel, const char *id)
{
	const char *found = NULL;

	for (const char *at = strstr(rel, id); at; at = strstr(at + 1, id))
		found = at;
	return found ? strndup(rel, (size_t)(found - rel) + strcspn(found, "/")) : NULL;
}

struct apo_declared declarations_of_container(const struct cgroup_tree *tree, int proc_fd,
					      const char *rel, pid_t *ret_pid)
{
	_cleanup_close_ int root_fd = -1, dirfd = -1;
	_cleanup_free_ char *id = NULL, *own = NULL;
	struct apo_declared declared = {.by = APO_DECLARED_NOTHING};
	struct apo_task task = {0};
	uint64_t cgroup, start_boottime_ns;
	int signal;

	*ret_pid = 0;
	if (container_id_from_cgroup(rel, &id))
		return declared;
	root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0 || container_stop_signal(root_fd, id, &signal))
		return declared;
	own = container_rel(rel, id);
	if (!own || cgroup_open(tree, own, &dirfd) || cgroup_id(dirfd, &cgroup))
		return declared;
	task.cgroup_id = cgroup;
	if (leader_find(tree, proc_fd, 0, &task, ret_pid, &start_boottime_ns))
		return declared;
	return (struct apo_declared){
		.signal = (uint32_t)signal,
		.by = APO_DECLARED_CONTAINER,
	};
}

/* --- units --------------------------------------------------------------------------------- */

static void on_time(uv_timer_t *timer);

/* How often it was asked, less once for each second since. */
static unsigned int asked_lately(const struct declarations *declarations)
{
	uint64_t elapsed_ns = clock_ns(CLOCK_MONOTONIC) - declarations->asked_ns;

	return (unsigned int)sat_sub(declarations->asked, elapsed_ns / NSEC_PER_SEC);
}

/* Where nobody is asked yet. */
static void ask_later(struct declarations *declarations)
{
	if (declarations->timer || declarations->call || !declarations->waiting.count)
		return;
	declarations->timer = loop_timer_new(declarations->config.loop, declarations);
	if (declarations->timer)
		uv_timer_start(declarations->timer, on_time,
			       asked_lately(declarations) < AT_ONCE ? GATHER_MS
								    : NSEC_PER_SEC / NSEC_PER_MSEC,
			       0);
}

#define NAMED 5 /* of many that would stay down */

/* Of the units that were asked for: those that would stay down for having been saved, and were not told of yet. */
static void warn_of_staying_down(struct declarations *declarations, const char *text)
{
	_cleanup_free_ char *named = NULL;
	struct unit_state state;
	size_t size = 0, count = 0;
	FILE *list;

	if (declarations->config.restarts)
		return;
	list = open_memstream(&named, &size);
	for (; list && text; text = unit_state_next(text)) {
		if (unit_state_parse(text, &state) || !state.id[0] ||
		    !unit_restarts_after_failure_only(&state) ||
		    names_have(&declarations->told, state.id) ||
		    !names_add(&declarations->told, state.id))
			continue;
		if (count++ < NAMED)
			fprintf(list, "%s%s (Restart=%s)", count > 1 ? ", " : "", state.id,
				state.restart);
	}
	if (!list)
		return;
	if (count > NAMED)
		fprintf(list, " and %zu more", count - NAMED);
	if (!fclose(list) && count)
		log_warn("a shutdown that works is no failure, after which %s would stay down: "
			 "Restart=always brings a service back, or --then restart",
			 named);
}

static void on_states(const char *text, void *userdata)
{
	struct declarations *declarations = userdata;
	struct unit_state state;

	if (!text && !declarations->has_complained) {
		declarations->has_complained = true;
		log_warn("the system's manager does not answer: the KillSignal= and ExecStop= of "
			 "its units are not known, ignoring");
	}
	if (text)
		warn_of_staying_down(declarations, text);
	for (; text; text = unit_state_next(text))
		if (!unit_state_parse(text, &state) && state.main_pid > 0)
			declare(declarations, state.main_pid,
				unit_declares(&state, declarations->config.restarts ||
							      unit_restarts_after_success(&state)));
	declarations->call = manager_drop(declarations->call);
	ask_later(declarations);
}

static int compare(const void *one, const void *other)
{
	return strcmp(one, other);
}

/* Several cgroups of a unit name it each. */
static void drop_duplicates(struct names *names)
{
	size_t n = 0;

	qsort(names->names, names->count, sizeof(names->names[0]), compare);
	for (size_t i = 0; i < names->count; i++)
		if (!n || strcmp(names->names[n - 1], names->names[i]) != 0)
			memmove(names->names[n++], names->names[i], UNIT_NAME_SIZE);
	names->count = n;
}

/* The last ones. */
static void on_time(uv_timer_t *timer)
{
	struct declarations *declarations = timer->data;
	struct names *waiting = &declarations->waiting;
	const char *units[MANAGER_UNITS_MAX];
	struct manager_request request = {
		.loop = declarations->config.loop,
		.systemctl = declarations->config.systemctl,
		.units = units,
		.patience_ms = MANAGER_PATIENCE_MS,
		.on_states = on_states,
		.userdata = declarations,
	};
	int r;

	declarations->timer = loop_timer_drop(timer);
	drop_duplicates(waiting);
	while (waiting->count && request.unit_count < ARRAY_SIZE(units))
		units[request.unit_count++] = waiting->names[--waiting->count];
	declarations->asked = asked_lately(declarations) + 1;
	declarations->asked_ns = clock_ns(CLOCK_MONOTONIC);
	r = manager_ask(&declarations->call, &request);
	if (r)
		log_warn("cannot ask how units are stopped: %s, ignoring", strerror(-r));
}

/* Beyond the maximum: asked for when its limit is half full. */
static void add_unit(struct declarations *declarations, const char *unit)
{
	const struct names *waiting = &declarations->waiting;

	if (!waiting->count || strcmp(waiting->names[waiting->count - 1], unit) != 0)
		names_add(&declarations->waiting, unit);
}

/* --- cgroups ------------------------------------------------------------------------------- */

struct walk {
	struct declarations *declarations;
	const char *rel;      /* where it began */
	unsigned int visited; /* a tenant may have made as many as it liked */
};

static int look_at(int dirfd, const char *path, void *userdata)
{
	struct walk *walk = userdata;
	struct declarations *declarations = walk->declarations;
	const struct declarations_config *config = &declarations->config;
	_cleanup_free_ char *rel = NULL, *unit = NULL;
	struct apo_declared declared;
	pid_t pid;

	(void)dirfd;
	if (asprintf(&rel, "%s%s", strcmp(walk->rel, "/") ? walk->rel : "",
		     strcmp(path, "/") ? path : "") < 0) {
		rel = NULL;
		return -ENOMEM;
	}
	if (++walk->visited > VISITED_MAX)
		return -E2BIG;
	if (config->systemctl && !unit_from_cgroup(rel, &unit) && unit_is_service(unit))
		add_unit(declarations, unit);
	declared = declarations_of_container(config->tree, config->proc_fd, rel, &pid);
	if (declared.by)
		declare(declarations, pid, declared);
	return 0;
}

static void look_below(struct declarations *declarations, const char *rel)
{
	struct walk walk = {.declarations = declarations, .rel = rel};
	_cleanup_close_ int dirfd = -1;

	if (!cgroup_open(declarations->config.tree, rel, &dirfd))
		cgroup_walk(dirfd, look_at, &walk);
	ask_later(declarations);
}

void declarations_on_limit(struct declarations *declarations, uint64_t cgroup_id)
{
	_cleanup_free_ char *rel = NULL;

	if (!cgroup_path_of_id(declarations->config.tree, cgroup_id, &rel))
		look_below(declarations, rel);
}

static void look_at_guards(struct declarations *declarations)
{
	const struct policy_set *policies = declarations->config.policies;

	for (uint32_t id = 0; id < policy_set_count(policies); id++) {
		const struct guard *guard = policy_set_guard(policies, id);

		if (guard->kind == GUARD_ALL)
			look_below(declarations, "/");
		else if (guard->kind == GUARD_CGROUP)
			look_below(declarations, guard->cgroup);
	}
}

struct declarations *declarations_new(const struct declarations_config *config)
{
	struct declarations *declarations = calloc(1, sizeof(*declarations));

	if (!declarations)
		return NULL;
	declarations->config = *config;
	look_at_guards(declarations);
	return declarations;
}

struct declarations *declarations_free(struct declarations *declarations)
{
	if (!declarations)
		return NULL;
	manager_drop(declarations->call);
	loop_timer_drop(declarations->timer);
	free(declarations->waiting.names);
	free(declarations->told.names);
	free(declarations);
	return NULL;
}
