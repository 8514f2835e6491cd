/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hooks and web hooks: judged by what the command has written down, by what came to a server, and by the saves that
 * go on meanwhile. The guard waits for its hooks at its end, so that what they have written is there after that.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "events.h"

TestSuite(notify, .init = live_setup, .fini = live_teardown, .timeout = 600);

#define LIMIT (64 * MIB)

/* A directory in which nobody may write. */
static const char *shared_dir(void)
{
	const char *dir = live_path("hooks");

	live_check(mkdir(dir, 0700) == 0 && chmod(dir, 01777) == 0 &&
			   chmod(live_format("%s/..", dir), 0711) == 0 &&
			   chmod(live_format("%s/../..", dir), 0711) == 0 &&
			   chmod(live_format("%s/../../..", dir), 0711) == 0,
		   "%s: %m", dir);
	return dir;
}

/* On standard error. */
static const char *said(const struct live_process *process)
{
	return process->output[1] ?: "";
}

static const char *text_of(const char *dir, const char *name)
{
	_cleanup_free_ char *text = NULL;
	int r = file_read(AT_FDCWD, live_format("%s/%s", dir, name), &text, NULL);

	live_check(!r, "no %s: %s", name, strerror(-r));
	return live_format("%s", text);
}

static void expect_line(const char *text, const char *line)
{
	live_check(strstr(live_format("\n%s", text), live_format("\n%s\n", line)),
		   "no line '%s' in:\n%s", line, text);
}

/* A script that writes down what it is told of each event. */
static const char *clerk(const char *dir)
{
	return live_format(
		"cd %s && cat >$APOPTOSIS_EVENT.json && "
		"{ env; id -u; id -G; pwd; grep -E 'NoNewPrivs|CapEff' /proc/self/status; "
		"ls /proc/self/fd | wc -l; } >$APOPTOSIS_EVENT.facts",
		dir);
}

static void expect_told(struct live_process *guard, const char *dir, const char *name,
			const struct live_process *victim, const struct live_cgroup *cgroup)
{
	const char *facts = text_of(dir, live_format("%s.facts", name));
	json_t *document = json_loads(text_of(dir, live_format("%s.json", name)), 0, NULL);
	const json_t *event = live_event(guard, name, victim->pid);

	live_check(document, "no JSON");
	live_expect_text(document, "event", name);
	live_expect_text(document, "id", live_text(event, "id"));
	live_expect_text(document, "verdict", live_text(event, "verdict"));
	live_expect_text(document, "process.cgroup", cgroup->rel);
	live_check(strstr(live_text(document, "text"), live_format("[%d]", victim->pid)), "text");
	expect_line(facts, live_format("APOPTOSIS_EVENT=%s", name));
	expect_line(facts, live_format("APOPTOSIS_ID=%s", live_text(event, "id")));
	expect_line(facts, live_format("APOPTOSIS_VERDICT=%s", live_text(event, "verdict")));
	expect_line(facts, live_format("APOPTOSIS_PID=%d", victim->pid));
	expect_line(facts, live_format("APOPTOSIS_CGROUP=%s", cgroup->rel));
	expect_line(facts, live_format("APOPTOSIS_LIMIT_BYTES=%llu", LIMIT));
	expect_line(facts, "65534\n65534"); /* nobody, and no other group */
	expect_line(facts, "NoNewPrivs:\t1");
	expect_line(facts, "CapEff:\t0000000000000000");
	expect_line(facts, "4"); /* standard ones, and that of ls */
	live_check(!strstr(facts, getenv("APOPTOSIS") ?: "APOPTOSIS="), "our environment");
	json_decref(document);
}

Test(notify, a_hook_is_told_of_each_event_and_is_nobody)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "hooked", LIMIT);
	const char *dir = shared_dir();
	struct live_process *guard = live_watch("--cgroup", cgroup->rel, "--warn", "50%", "--hook",
						clerk(dir), "--hook-events",
						"warn,trip,verdict,oom_kill");
	struct live_process *victim = live_victim(cgroup, "--comm", "a;id");

	live_expect_victim_saved(guard, victim, cgroup);
	live_stop(guard);
	expect_told(guard, dir, "warn", victim, cgroup);
	expect_told(guard, dir, "trip", victim, cgroup);
	expect_told(guard, dir, "verdict", victim, cgroup);
	expect_line(text_of(dir, "verdict.facts"), "APOPTOSIS_COMM=a;id");
	live_check(access(live_format("%s/oom_kill.json", dir), F_OK), "nobody was killed");
}

/* The kernel kills the biggest, which is not the one that grows: nobody could know (targets/oom_kill_...). */
Test(notify, a_hook_is_told_of_a_kill_that_no_trip_preceded)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "missed", LIMIT);
	const char *dir = shared_dir();
	struct live_process *guard = live_watch("--cgroup", cgroup->rel, "--hook", clerk(dir));
	struct live_process *big = live_victim(cgroup, "--max", "40M", "--hold");

	live_wait_ready(big);
	live_wait_exit(live_victim(cgroup, "--deaf", "--rate", "10", "--max", "30M"));
	live_wait_exit(big);
	live_event(guard, "oom_kill", big->pid);
	live_stop(guard);
	expect_line(text_of(dir, "oom_kill.facts"), "APOPTOSIS_VERDICT=missed");
	live_check(access(live_format("%s/trip.json", dir), F_OK), "trips are not asked for");
}

/* Whom the hook has started, by what they have written down. */
static void expect_all_gone(const char *dir)
{
	const char *pids = text_of(dir, "pids");
	char *end;

	for (long pid; (pid = strtol(pids, &end, 10)) > 0; pids = end)
		live_check(kill((pid_t)pid, 0) && errno == ESRCH, "process %ld runs on", pid);
}

/* Waits until it has written there. */
static void wait_for_hook(const char *fifo)
{
	struct pollfd in = {.fd = open(fifo, O_RDONLY | O_CLOEXEC | O_NONBLOCK), .events = POLLIN};

	live_check(in.fd >= 0, "%s: %m", fifo);
	live_check(poll(&in, 1, LIVE_TIMEOUT_S * (int)live_slowness() * 1000) == 1, "no hook");
	close(in.fd);
}

static void expect_save_beside(const char *script)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "hooked", LIMIT);
	const char *dir = shared_dir(), *fifo = live_format("%s/fifo", dir);
	struct live_process *guard, *first, *second;

	live_check(mkfifo(fifo, 0666) == 0 && chmod(fifo, 0666) == 0, "%s: %m", fifo);
	guard = live_watch("--cgroup", cgroup->rel, "--hook-events", "trip", "--hook",
			   live_format("cd %s; %s", dir, script));
	first = live_victim(cgroup, "--comm", "first");
	live_expect_victim_saved(guard, first, cgroup);
	wait_for_hook(fifo);
	second = live_victim(cgroup, "--comm", "second");
	live_expect_victim_saved(guard, second, cgroup);
	live_check(!strstr(said(guard), "took more than"), "it did not hang for long enough");
	unlink(fifo); /* the next of them does not wait for us */
	live_stop(guard);
	live_check(strstr(said(guard), "took more than 10 s and was ended"), "not a word");
	expect_all_gone(dir);
}

Test(notify, a_hook_that_hangs_and_hears_nothing_is_ended_and_delays_no_save)
{
	expect_save_beside("trap '' TERM; echo $$ >>pids; echo >fifo; "
			   "while :; do sleep 1; done");
}

Test(notify, a_hook_that_forks_and_leaves_daemons_is_ended_and_delays_no_save)
{
	expect_save_beside("for i in 1 2 3 4 5 6 7 8; do "
			   "setsid sh -c 'echo $$ >>pids; trap \"\" TERM; setsid sleep 1000 & "
			   "echo $! >>pids; while :; do sleep 1; done' & done; "
			   "echo >fifo; exit 0");
}

/* Three for each save; half of what may wait is for one cgroup. */
Test(notify, of_too_many_events_some_are_dropped_and_that_is_told_of_once)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "hooked", LIMIT);
	struct live_process *guard = live_watch("--cgroup", cgroup->rel, "--warn", "50%",
						"--hook-events", "warn,trip,verdict", "--hook",
						"exec sleep 1000");
	const char *first;

	for (int i = 0; i < 13; i++)
		live_expect_victim_saved(guard, live_victim(cgroup, "--comm", "one"), cgroup);
	live_stop(guard);
	first = strstr(said(guard), "too many events for a hook");
	live_check(first && !strstr(first + 1, "too many events"), "%s", said(guard));
	live_check(strstr(said(guard), "were not done in time for the end"), "%s", said(guard));
}

Test(notify, a_hook_that_fails_is_told_of_once_with_what_it_said)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "hooked", LIMIT);
	struct live_process *guard = live_watch("--cgroup", cgroup->rel, "--hook-events",
						"trip,verdict", "--hook",
						"yes 'no way' | head -c 1000000; exit 9");

	live_expect_victim_saved(guard, live_victim(cgroup, "--comm", "one"), cgroup);
	live_stop(guard);
	live_check(strstr(said(guard), "a hook ended with status 9: no way (what fails"), "?");
	live_check(!strstr(strstr(said(guard), "status 9") + 1, "status 9"), "twice");
}

/* --- web hooks ----------------------------------------------------------------------------- */

static struct live_process *server_start(int *ret_port)
{
	const struct live_spawn spec = {.events = EVENTS_ON_STDOUT};
	struct live_process *server = live_spawn_argv(
		&spec, (const char *const[]){live_python(), live_workload("hook_server.py"), NULL});

	*ret_port = (int)live_int(live_event(server, "listening", 0), "port");
	return server;
}

/* A save that is posted there; the guard is ended. */
static struct live_process *post_to(const char *url, json_t **ret_verdict)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "posted", LIMIT);
	struct live_process *guard = live_watch("--cgroup", cgroup->rel, "--webhook", url);

	*ret_verdict =
		live_expect_victim_saved(guard, live_victim(cgroup, "--comm", "posted"), cgroup);
	live_stop(guard);
	live_check(!strstr((guard->output[0] ?: ""), "/secret") && !strstr(said(guard), "/secret"),
		   "where it goes is a secret");
	return guard;
}

Test(notify, a_web_hook_gets_the_verdict)
{
	int port;
	struct live_process *server = server_start(&port), *guard;
	const json_t *post;
	json_t *verdict;

	guard = post_to(live_format("http://127.0.0.1:%d/secret?a=b", port), &verdict);
	post = live_event(server, "post", 0);
	live_expect_text(post, "path", "/secret?a=b");
	live_expect_text(post, "type", "application/json");
	live_expect_text(post, "body.event", "verdict");
	live_expect_text(post, "body.id", live_text(verdict, "id"));
	live_check(strstr(live_text(post, "body.text"), "saved"), "no text for people");
	live_check(live_count_events(server, "post", 0) == 1, "more than the verdict");
	live_check(!strstr(said(guard), "web hook"), "%s", said(guard));
}

Test(notify, a_web_hook_is_not_sent_on)
{
	int port;
	struct live_process *server = server_start(&port), *guard;
	json_t *verdict;

	guard = post_to(live_format("http://127.0.0.1:%d/moved", port), &verdict);
	live_event(server, "post", 0);
	live_check(strstr(said(guard), "the answer has status 302: redirections are not"), "?");
	live_check(!live_count_events(server, "get", 0), "it went there");
}

Test(notify, a_web_hook_that_nobody_answers_changes_nothing)
{
	json_t *verdict;
	struct live_process *guard = post_to("http://127.0.0.1:1/secret", &verdict);

	live_check(strstr(said(guard), "a web hook ended with status 1: apoptosis-post: "), "?");
}

/* --- the daemon ---------------------------------------------------------------------------- */

Test(notify, the_daemon_is_configured_and_says_which_guard_it_was)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "configured", LIMIT);
	const char *dir = shared_dir();
	const char *script = live_path("hook.sh");
	struct live_process *guard;
	FILE *out = fopen(script, "w");

	live_check(out && fprintf(out, "#!/bin/sh\n%s\n", clerk(dir)) > 0 && fclose(out) == 0 &&
			   chmod(script, 0755) == 0,
		   "%s: %m", script);
	guard = live_daemon(live_format("airbag = off\nhook = %s\nhook-events = verdict\n"
					"[guard mine]\ncgroup = %s\n",
					script, cgroup->rel));
	live_expect_victim_saved(guard, live_victim(cgroup, "--comm", "mine"), cgroup);
	live_stop(guard);
	expect_line(text_of(dir, "verdict.facts"), "APOPTOSIS_GUARD=mine");
}

static struct live_process *check_config(const char *text)
{
	const char *path = live_path("apoptosis.conf");

	live_write_config(path, text);
	return live_tool("check-config", "-c", path);
}

Test(notify, check_config_knows_users_and_keeps_secrets)
{
	struct live_process *process = check_config("hook = true\nhook-user = no-such-user\n");

	live_check(live_exit_code(process) == EXIT_USAGE &&
			   strstr(said(process), "hook-user 'no-such-user'"),
		   "%s", said(process));
	process = check_config("webhook = ftp://host/token\n");
	live_check(live_exit_code(process) == EXIT_USAGE &&
			   strstr(said(process), "webhook: give an http or https URL") &&
			   !strstr(said(process), "token"),
		   "%s", said(process));
	process = live_tool("watch", "--all", "--webhook", "file:///token");
	live_check(live_exit_code(process) == EXIT_USAGE && !strstr(said(process), "token"), "%s",
		   said(process));
}
