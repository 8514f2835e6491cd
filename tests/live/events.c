/* SPDX-License-Identifier: BSD-2-Clause */
#include "events.h"

#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/util.h"

#define MAX_ARGUMENTS 48

static const char *tool_path(void)
{
	const char *path = getenv("APOPTOSIS");

	return path ? path : "build/apoptosis";
}

/* `first` words, then `args`, in memory that lives as long as the test. */
static const char *const *prepend(const char *const first[], const char *const args[])
{
	static const char *words[MAX_ARGUMENTS];
	size_t before = 0, n = 0;

	while (first[before])
		before++;
	while (args[n])
		n++;
	live_check(before + n < MAX_ARGUMENTS, "too many arguments");
	memmove(&words[before], args, (n + 1) * sizeof(*args)); /* which may be these words */
	memcpy(words, first, before * sizeof(*first));
	return words;
}

struct live_process *live_tool_argv(const struct live_spawn *spec, const char *const args[])
{
	const char *const tool[] = {tool_path(), NULL};

	return live_spawn_argv(spec, prepend(tool, args));
}

struct live_process *live_tool_to_end(const char *const args[])
{
	struct live_process *process = live_tool_argv(NULL, args);

	live_wait_exit(process);
	return process;
}

static bool has_word(const char *const args[], const char *word)
{
	while (*args && strcmp(*args, word) != 0)
		args++;
	return *args;
}

/* `watch` or `run`, with a reserve unless the test asks for loans, and without the machine's reports. */
static const char *const *guarding(const char *command, const char *const args[])
{
	const char *const plain[] = {tool_path(), command, "--json", NULL};
	const char *const keeps[] = {"--airbag", "off", NULL};
	const char *const quiet[] = {"--report-dir", "off", NULL};

	if (!has_word(args, "--airbag"))
		args = prepend(keeps, args);
	if (!has_word(args, "--report-dir"))
		args = prepend(quiet, args);
	return prepend(plain, args);
}

static void wait_until_ready(struct live_process *guard)
{
	live_event(guard, "ready", 0);
}

struct live_process *live_watch_argv(const char *const args[])
{
	const struct live_spawn spec = {.events = EVENTS_ON_STDOUT};
	struct live_process *guard = live_spawn_argv(&spec, guarding("watch", args));

	wait_until_ready(guard);
	return guard;
}

struct live_process *live_watch_lending(const struct live_cgroup *cgroup)
{
	return live_watch("--airbag", "auto", "--cgroup", cgroup->rel);
}

struct live_process *live_run_argv(const struct live_spawn *spec, const char *const args[])
{
	struct live_spawn with_events = spec ? *spec : (struct live_spawn){0};
	struct live_process *guard;

	with_events.events = EVENTS_ON_STDERR;
	guard = live_spawn_argv(&with_events, guarding("run", args));
	wait_until_ready(guard);
	return guard;
}

void live_write_config(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	live_check(file &&
			   fprintf(file,
				   "[defaults]\nreport-dir = off\nhistory = off\npin-dir = off\n"
				   "oomd-hook = off\n"
				   "json = yes\n%s",
				   text) > 0 &&
			   fclose(file) == 0,
		   "%s: %m", path);
}

struct live_process *live_daemon(const char *text)
{
	const struct live_spawn spec = {.events = EVENTS_ON_STDOUT};
	const char *path = live_path("apoptosis.conf");
	struct live_process *guard;

	live_write_config(path, text);
	guard = live_tool_argv(&spec,
			       (const char *const[]){"daemon", "-c", path, (const char *)NULL});
	wait_until_ready(guard);
	return guard;
}

void live_reload(struct live_process *guard)
{
	size_t before = live_count_events(guard, "ready", 0);
	uint64_t deadline = live_deadline();

	live_signal(guard, SIGHUP);
	while (live_count_events(guard, "ready", 0) == before)
		live_pump(deadline, "it to be ready again");
}

size_t live_count_links(const struct live_process *process, const char *line)
{
	const char *path = live_format("/proc/%d/fdinfo", (int)process->pid);
	DIR *fds = opendir(path);
	const struct dirent *fd;
	size_t count = 0;

	live_check(fds, "%s: %m", path);
	while ((fd = readdir(fds))) {
		_cleanup_free_ char *info = NULL;

		/* One that was closed meanwhile says nothing. */
		if (!file_read(dirfd(fds), fd->d_name, &info, NULL))
			count += strstr(info, line) != NULL;
	}
	closedir(fds);
	return count;
}

json_t *live_stop(struct live_process *guard)
{
	json_t *last;

	if (!guard->exited)
		live_signal(guard, SIGTERM);
	live_wait_exit(guard);
	live_check(live_exit_code(guard) == 0, "the guard ended with status %d",
		   live_exit_code(guard));
	last = json_array_get(guard->events, json_array_size(guard->events) - 1);
	live_expect_text(last, "event", "status");
	return last;
}

static bool is_event(const json_t *event, const char *type, pid_t pid)
{
	const json_t *grower = live_member(event, "process.pid");

	if (strcmp(live_text(event, "event"), type) != 0)
		return false;
	return pid == 0 || (json_is_integer(grower) && json_integer_value(grower) == pid);
}

json_t *live_find_event(const struct live_process *guard, const char *type, pid_t pid, size_t nth)
{
	size_t i;
	json_t *event;

	json_array_foreach (guard->events, i, event) {
		if (is_event(event, type, pid) && nth-- == 0)
			return event;
	}
	return NULL;
}

size_t live_count_events(const struct live_process *guard, const char *type, pid_t pid)
{
	size_t n = 0;

	while (live_find_event(guard, type, pid, n))
		n++;
	return n;
}

json_t *live_report(struct live_process *guard, const char *dir, const json_t *event)
{
	const char *path = live_format("%s/%s.json", dir, live_text(event, "id"));
	json_t *report;

	live_stop(guard);
	report = json_load_file(path, 0, NULL);
	live_check(report, "%s is no report", path);
	return report;
}

json_t *live_status(struct live_process *guard)
{
	size_t before = live_count_events(guard, "status", 0);
	uint64_t deadline = live_deadline();

	live_signal(guard, SIGUSR1);
	while (live_count_events(guard, "status", 0) == before)
		live_pump(deadline, "the status");
	return live_find_event(guard, "status", 0, before);
}

json_t *live_event(struct live_process *guard, const char *type, pid_t pid)
{
	uint64_t deadline = live_deadline();
	const char *what = live_format("event '%s' of pid %d", type, (int)pid);
	json_t *event;

	while (!(event = live_find_event(guard, type, pid, 0))) {
		if (guard->exited)
			live_wait_exit(guard);
		live_check(!guard->exited || live_find_event(guard, type, pid, 0),
			   "the tool ended with status %d before %s", live_exit_code(guard), what);
		if (!guard->exited)
			live_pump(deadline, what);
	}
	return event;
}

const json_t *live_member(const json_t *document, const char *path)
{
	char name[64];

	while (document && *path) {
		size_t length = strcspn(path, ".");

		live_check(length < sizeof(name), "name too long: %s", path);
		memcpy(name, path, length);
		name[length] = '\0';
		document = json_is_array(document)
				   ? json_array_get(document, strtoul(name, NULL, 10))
				   : json_object_get(document, name);
		path += length + (path[length] == '.');
	}
	return document;
}

static const char *shown(const json_t *document)
{
	char *text = json_dumps(document, JSON_ENCODE_ANY | JSON_COMPACT);
	const char *kept = live_format("%s", text ? text : "nothing");

	free(text);
	return kept;
}

json_int_t live_int(const json_t *document, const char *path)
{
	const json_t *member = live_member(document, path);

	live_check(json_is_integer(member), "no integer %s in %s", path, shown(document));
	return json_integer_value(member);
}

const char *live_text(const json_t *document, const char *path)
{
	const json_t *member = live_member(document, path);

	live_check(json_is_string(member), "no string %s in %s", path, shown(document));
	return json_string_value(member);
}

bool live_bool(const json_t *document, const char *path)
{
	const json_t *member = live_member(document, path);

	live_check(json_is_boolean(member), "no boolean %s in %s", path, shown(document));
	return json_is_true(member);
}

void live_expect_text(const json_t *document, const char *path, const char *expected)
{
	const char *text = live_text(document, path);

	live_check(strcmp(text, expected) == 0, "%s is '%s', not '%s', in %s", path, text, expected,
		   shown(document));
}

void live_expect_int(const json_t *document, const char *path, json_int_t expected)
{
	json_int_t value = live_int(document, path);

	live_check(value == expected,
		   "%s is %" JSON_INTEGER_FORMAT ", not %" JSON_INTEGER_FORMAT ", in %s", path,
		   value, expected, shown(document));
}

void live_expect_sane_trip(const json_t *trip, uint64_t limit_bytes)
{
	json_int_t need = live_int(trip, "memory.need_bytes");
	json_int_t usage = live_int(trip, "memory.usage_bytes");
	json_int_t reclaimable = live_int(trip, "memory.reclaimable_bytes");
	json_int_t swap = live_int(trip, "memory.swap_room_bytes");
	json_int_t limit = live_int(trip, "memory.limit_bytes");
	json_int_t headroom = live_int(trip, "memory.headroom_bytes");
	json_int_t reserve = live_int(trip, "memory.reserve_bytes");

	live_check(limit == (json_int_t)limit_bytes, "limit is not %" PRIu64 " in %s", limit_bytes,
		   shown(trip));
	live_check(need > 0 && need <= limit, "need is not within the limit in %s", shown(trip));
	live_check(need == usage - reclaimable, "need is not usage - reclaimable in %s",
		   shown(trip));
	live_check(headroom == limit - need + swap, "headroom is not limit - need + swap in %s",
		   shown(trip));
	live_check(reserve > 0 && reserve <= limit, "no sane reserve in %s", shown(trip));
	if (strcmp(live_text(trip, "rule"), "reserve") == 0)
		live_check(headroom < reserve, "tripped above the line in %s", shown(trip));
}

json_t *live_expect_saved(struct live_process *guard, pid_t pid, const char *state,
			  const struct live_cgroup *cgroup)
{
	json_t *verdict = live_event(guard, "verdict", pid);
	const char *reason = live_state_reason(state);

	live_check(live_find_event(guard, "trip", pid, 0), "a verdict without a trip: %s",
		   shown(verdict));
	live_check(reason, "the shutdown was not finished: no whole state file; %s",
		   shown(verdict));
	live_check(strcmp(reason, "signal") == 0, "shut down because of '%s', not the signal",
		   reason);
	live_check(live_kernel_events(cgroup).oom_kills == 0, "%" PRIu64 " OOM kills; %s",
		   live_kernel_events(cgroup).oom_kills, shown(verdict));
	live_expect_text(verdict, "verdict", "saved");
	live_expect_text(verdict, "action.signal", "TERM");
	return verdict;
}

json_t *live_expect_victim_saved(struct live_process *guard, struct live_process *victim,
				 const struct live_cgroup *cgroup)
{
	json_t *verdict, *result;
	pid_t grower;

	live_wait_exit(victim);
	live_check(live_exit_code(victim) == 0, "%s ended with %d", victim->name,
		   live_exit_code(victim));
	result = live_result(victim);
	grower = (pid_t)live_int(result, "grower");
	verdict = live_expect_saved(guard, grower, victim->state, cgroup);
	live_expect_int(result, "handler_count", 1);
	live_expect_int(result, "handler_pid", grower);
	return verdict;
}

void live_expect_quiet(struct live_process *guard)
{
	json_t *status = live_stop(guard), *account;
	size_t i;

	live_check(live_count_events(guard, "trip", 0) == 0 &&
			   live_count_events(guard, "warn", 0) == 0 &&
			   live_count_events(guard, "verdict", 0) == 0,
		   "somebody was signalled");
	live_expect_int(status, "counters.trips", 0);
	json_array_foreach (json_object_get(status, "limits"), i, account) {
		live_expect_int(account, "trips", 0);
		live_expect_int(account, "oom_kills", 0);
	}
}

void live_expect_undisturbed(struct live_process *victim)
{
	json_t *result;

	live_wait_exit(victim);
	live_check(live_exit_code(victim) == 0, "%s ended with %d", victim->name,
		   live_exit_code(victim));
	result = live_result(victim);
	live_expect_int(result, "handler_count", 0);
	live_expect_int(result, "usr1_count", 0);
	live_expect_text(result, "reason", "max");
}

void live_expect_ended_as_told(struct live_process *victim)
{
	live_check(!victim->exited, "%s has ended", victim->name);
	live_signal(victim, SIGTERM);
	live_wait_exit(victim);
	live_check(live_exit_code(victim) == 0, "%s ended with %d", victim->name,
		   live_exit_code(victim));
	live_expect_int(live_result(victim), "handler_count", 1);
}
