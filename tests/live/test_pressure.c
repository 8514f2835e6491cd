/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * $MEMORY_PRESSURE_WATCH of `run`: judged by what programs say they have heard, and by whether they get through with work
 * for which there is room only without their caches.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/util.h"
#include "events.h"

TestSuite(pressure, .init = live_setup, .fini = live_teardown, .timeout = 300);

/* A limit in which the cache, or the work, has room, and both have not. */
#define LIMIT "128M"
#define CACHE "80"
#define WORK "70"

/* What the command has printed: the last line. */
static json_t *done_of(const struct live_process *run)
{
	const char *line = strstr(run->output[0] ?: "", "{\"event\": \"done\"");
	json_t *document = line ? json_loads(line, JSON_DISABLE_EOF_CHECK, NULL) : NULL;

	live_check(document, "the work is not done: %s", run->output[1]);
	return document;
}

/* how: see pressure.py; NULL: in no particular way. */
static struct live_process *work(const char *option, const char *value, const char *how)
{
	struct live_process *run = live_run(NULL, "--airbag", "auto", option, value, "--limit",
					    LIMIT, "--", live_python(),
					    live_workload("pressure.py"), CACHE, WORK, how);

	live_wait_exit(run);
	return run;
}

static void expect_through(struct live_process *run, const char *event)
{
	json_t *done = done_of(run);

	live_check(live_exit_code(run) == 0, "it ended with %d", live_exit_code(run));
	live_expect_int(done, "told", 1);
	live_expect_int(done, "dropped", strtol(CACHE, NULL, 10));
	live_expect_int(done, "work", strtol(WORK, NULL, 10));
	live_check(!live_count_events(run, "trip", 0), "somebody was told to stop");
	live_check((live_count_events(run, "warn", 0) == 1) == (event != NULL),
		   "warnings are for whoever asked for them");
	live_expect_int(live_event(run, "status", 0), "counters.oom_kills", 0);
	live_expect_int(live_event(run, "status", 0), "counters.warns", 1);
	json_decref(done);
}

Test(pressure, a_cache_is_dropped_at_one_word_and_nobody_is_stopped)
{
	expect_through(work("--pressure-watch", "yes", NULL), NULL);
}

Test(pressure, a_process_that_has_become_another_user_hears_it)
{
	expect_through(work("--pressure-watch", "yes", "nobody"), NULL);
}

Test(pressure, the_level_may_be_another_and_is_then_told_to_all)
{
	expect_through(work("--warn", "75%", NULL), "warn");
}

/* systemd's own side of the protocol. */
Test(pressure, a_program_of_sd_event_hears_it_as_it_is)
{
	const char *library = live_format("%s/../libsystemd/libsystemd.so.0",
					  getenv("WORKLOADS") ?: "build/workloads");
	struct live_process *run;

	if (!access(library, R_OK))
		setenv("LIBSYSTEMD", library, 1);
	run = work("--pressure-watch", "yes", "sd-event");
	if (live_exit_code(run) == 77)
		live_skip("libsystemd", "no libsystemd of 254 or newer");
	expect_through(run, NULL);
}

/* What it would be without: the same work is stopped; CPython by INT, which it handles. */
Test(pressure, a_command_that_is_not_to_hear_is_stopped)
{
	struct live_process *run = work("--pressure-watch", "no", NULL);

	live_check(live_exit_code(run) == 128 + SIGINT, "it ended with %d", live_exit_code(run));
	live_check(live_count_events(run, "trip", 0) == 1, "nobody was told to stop");
}

Test(pressure, warnings_that_are_off_are_not_told)
{
	live_check(live_count_events(work("--warn", "off", NULL), "trip", 0) == 1, "no trip");
}

static const char *watched(const char *option, const char *value)
{
	struct live_process *run = live_run(NULL, option, value, "--limit", LIMIT, "--", "sh", "-c",
					    "echo \"<$MEMORY_PRESSURE_WATCH>\"");

	live_wait_exit(run);
	return run->output[0];
}

Test(pressure, what_somebody_else_has_said_stands)
{
	setenv("MEMORY_PRESSURE_WATCH", "/dev/null", 1);
	live_check(strstr(watched("--pressure-watch", "yes"), "</dev/null>\n"), "it is another");
	setenv("MEMORY_PRESSURE_WATCH", "/proc/pressure/memory", 1);
	live_check(strstr(watched("--pressure-watch", "yes"), "</proc/pressure/memory>\n"), "so");
	unsetenv("MEMORY_PRESSURE_WATCH");
	live_check(strstr(watched("--pressure-watch", "no"), "<>\n"), "it was told no");
	live_check(strstr(watched("--warn", "off"), "<>\n"), "there is nothing to hear");
}

/* And the socket is gone when the command is. */
Test(pressure, strangers_are_not_let_in)
{
	const struct live_spawn spec = {.wants_stdin = true};
	struct live_process *run = live_run(&spec, "--limit", LIMIT, "--", "sh", "-c",
					    "echo $MEMORY_PRESSURE_WATCH; head -c 1 >/dev/null");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char byte;

	live_wait_output(run, 0, "/pressure\n");
	strncpy(address.sun_path, run->output[0], sizeof(address.sun_path) - 1);
	address.sun_path[strcspn(address.sun_path, "\n")] = '\0';
	live_check(connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0, "%m");
	live_check(read(fd, &byte, 1) == 0, "it was let in");
	close(fd);
	live_release(run);
	live_wait_exit(run);
	live_check(access(address.sun_path, F_OK), "%s is left", address.sun_path);
	*strrchr(address.sun_path, '/') = '\0';
	live_check(access(address.sun_path, F_OK), "%s is left", address.sun_path);
}

/* --- the daemon's -------------------------------------------------------------------------- */

static struct live_process *watcher(const struct live_cgroup *cgroup, const char *cache,
				    const char *work)
{
	return live_start(cgroup, live_python(), live_workload("pressure.py"), cache, work);
}

static json_t *end_of(struct live_process *process)
{
	live_wait_exit(process);
	live_check(live_exit_code(process) == 0, "it ended with %d", live_exit_code(process));
	return done_of(process);
}

/* Each hears of its own limits, also of one above it; nobody of those of others. */
Test(pressure, workloads_of_the_daemon_hear_of_their_own_limits)
{
	const char *path = live_format("%s/socket", live_path("watch"));
	struct live_process *guard = live_daemon(live_format("pressure-socket = %s\n", path));
	struct live_cgroup *pod = live_cgroup(NULL, "pod", 128 * MIB);
	struct live_cgroup *inner = live_cgroup(pod, "inner", 0);
	struct live_process *one, *other;

	setenv("MEMORY_PRESSURE_WATCH", path, 1);
	other = watcher(live_cgroup(NULL, "other", 512 * MIB), CACHE, "200");
	one = watcher(inner, CACHE, WORK);
	live_expect_int(end_of(one), "dropped", strtol(CACHE, NULL, 10));
	live_expect_int(end_of(other), "told", 0);
	live_check(!live_count_events(guard, "trip", 0), "somebody was told to stop");
	live_check(!live_count_events(guard, "warn", 0), "warnings are for whoever asked for them");
	live_stop(guard);
	live_check(access(path, F_OK) != 0, "the socket is left");
}

Test(pressure, who_watches_stays_connected_over_a_reload)
{
	const char *path = live_format("%s/socket", live_path("watch"));
	struct live_process *guard = live_daemon(live_format("pressure-socket = %s\n", path));
	struct live_cgroup *pod = live_cgroup(NULL, "pod", 128 * MIB);
	struct live_process *one;

	setenv("MEMORY_PRESSURE_WATCH", path, 1);
	one = live_spawn_argv(&(const struct live_spawn){.cgroup = pod, .wants_stdin = true},
			      (const char *const[]){live_python(), live_workload("pressure.py"),
						    CACHE, WORK, "stdin", NULL});
	live_wait_output(one, 0, "watching\n");
	live_reload(guard);
	live_release(one);
	live_expect_int(end_of(one), "dropped", strtol(CACHE, NULL, 10));
	live_check(!live_count_events(guard, "trip", 0), "somebody was told to stop");
	live_stop(guard);
}
