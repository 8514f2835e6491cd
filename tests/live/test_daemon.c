/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `daemon`: what a configuration says, done for cgroups that are there and for those made later. It guards this
 * whole machine while it runs, so the tests are short.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "events.h"

TestSuite(daemon, .init = live_setup, .fini = live_teardown, .timeout = 600);

#define LIMIT (64 * MIB)

static const char *config_file(const char *text)
{
	const char *path = live_path("apoptosis.conf");
	FILE *file = fopen(path, "w");

	live_check(file && fputs(text, file) >= 0 && fclose(file) == 0, "%s: %m", path);
	return path;
}

/* By that signal, which its guard names. */
static void expect_saved_by(struct live_process *guard, struct live_process *victim,
			    const struct live_cgroup *cgroup, const char *signal)
{
	live_expect_text(live_event(guard, "trip", victim->pid), "action.signal", signal);
	live_wait_exit(victim);
	live_check(live_exit_code(victim) == 0, "it ended with %d", live_exit_code(victim));
	live_check(live_kernel_events(cgroup).oom_kills == 0, "it was killed by the kernel");
	live_expect_text(live_event(guard, "verdict", victim->pid), "verdict", "saved");
	live_expect_limit_back(cgroup, LIMIT);
}

/* A new cgroup, its victim, and the signal that it gets. */
static void expect_signal(struct live_process *guard, const struct live_cgroup *parent,
			  const char *name, const char *signal)
{
	struct live_cgroup *cgroup = live_cgroup(parent, name, LIMIT);
	struct live_process *victim = live_victim(cgroup, "--rate", "0", "--handle-int");

	expect_saved_by(guard, victim, cgroup, signal);
}

Test(daemon, cgroups_made_later_have_the_guard_that_is_for_them)
{
	struct live_process *guard = live_daemon("[guard ints]\ncgroup = *-int\nsignal = INT\n"
						 "[guard hups]\ncgroup = *-int-but\npriority = 1\n"
						 "signal = TERM\n");

	for (unsigned int i = 0; i < live_repeat(); i++) {
		expect_signal(guard, NULL, "int", "INT");
		expect_signal(guard, NULL, "other", "TERM");
		expect_signal(guard, NULL, "int-but", "TERM");
	}
	live_stop(guard);
}

/* Reports say which guard it was, and are found by it. */
Test(daemon, reports_are_listed_by_guard)
{
	const char *dir = live_path("reports"), *listed;
	struct live_process *list,
		*guard = live_daemon(live_format(
			"[reports]\ndir = %s\n[guard ints]\ncgroup = *-int\nsignal = INT\n", dir));

	expect_signal(guard, NULL, "int", "INT");
	expect_signal(guard, NULL, "other", "TERM");
	live_stop(guard);
	list = live_tool("report", "list", "--json", "--guard", "ints", "--report-dir", dir);
	live_wait_exit(list);
	listed = list->output[0];
	live_check(listed && strstr(listed, "\"guard\":\"ints\"") &&
			   strchr(listed, '\n')[1] == '\0',
		   "it lists: %s", listed);
	list = live_tool("report", "list", "--json", "--guard", "others", "--report-dir", dir);
	live_wait_exit(list);
	live_check(!list->output[0] || !*list->output[0], "it lists: %s", list->output[0]);
}

/* Of cgroups that are there: the nearest that a guard is for, at or above. */
Test(daemon, cgroups_that_are_there_have_the_guard_that_is_for_them)
{
	struct live_cgroup *outer = live_cgroup(NULL, "outer", 0);
	struct live_cgroup *inner = live_cgroup(outer, "inner", LIMIT), *other;
	struct live_process *guard, *victim;

	other = live_cgroup(outer, "special", LIMIT);
	guard = live_daemon("[guard outer]\ncgroup = *-outer\nsignal = INT\n"
			    "[guard special]\ncgroup = *-special\npriority = 1\nsignal = TERM\n");
	victim = live_victim(inner, "--rate", "0", "--handle-int");
	expect_saved_by(guard, victim, inner, "INT");
	victim = live_victim(other, "--rate", "0", "--handle-int");
	expect_saved_by(guard, victim, other, "TERM");
	live_stop(guard);
}

/* Its own business: the kernel kills it, and nothing is said of it but that. */
Test(daemon, who_is_not_to_be_guarded_is_left_alone)
{
	struct live_process *guard = live_daemon("[guard off]\ncgroup = *-off\nenabled = no\n");
	struct live_cgroup *cgroup = live_cgroup(NULL, "off", LIMIT);
	struct live_process *victim = live_victim(cgroup, "--rate", "0");

	live_wait_exit(victim);
	live_check(live_kernel_events(cgroup).oom_kills == 1, "it was not killed by the kernel");
	live_check(live_limit(cgroup) == LIMIT, "it was lent");
	expect_signal(guard, NULL, "on", "TERM");
	live_check(!live_find_event(guard, "trip", victim->pid, 0), "it tripped");
	live_stop(guard);
}

static void ask_for(const struct live_cgroup *cgroup, const char *guard)
{
	live_check(!fsetxattr(cgroup->fd, "user.apoptosis.guard", guard, strlen(guard), 0),
		   "setxattr: %m");
}

/* Of cgroups that are there and of later ones: by an attribute, as far as the operator lets it. */
Test(daemon, who_asks_for_a_guard_has_it)
{
	struct live_cgroup *before = live_cgroup(NULL, "before", LIMIT), *later, *off, *inner;
	struct live_process *guard, *victim;

	ask_for(before, "gentle");
	guard = live_daemon("[guard gentle]\nselectable = yes\nsignal = INT\n"
			    "[guard off]\nselectable = yes\nenabled = no\n"
			    "[guard own]\ncgroup = /of-the-operator\nsignal = INT\n");
	victim = live_victim(before, "--rate", "0", "--handle-int");
	expect_saved_by(guard, victim, before, "INT");

	later = live_cgroup(NULL, "later", LIMIT);
	ask_for(later, "gentle");
	inner = live_cgroup(later, "inner", 0);
	victim = live_victim(inner, "--rate", "0", "--handle-int");
	expect_saved_by(guard, victim, later, "INT");

	/* That guard is not for whoever asks. */
	later = live_cgroup(NULL, "later", LIMIT);
	ask_for(later, "own");
	victim = live_victim(later, "--rate", "0", "--handle-int");
	expect_saved_by(guard, victim, later, "TERM");

	off = live_cgroup(NULL, "off", LIMIT);
	ask_for(off, "off");
	victim = live_victim(off, "--rate", "0");
	live_wait_exit(victim);
	live_check(live_kernel_events(off).oom_kills == 1, "it was not killed by the kernel");
	live_check(!live_find_event(guard, "trip", victim->pid, 0), "it tripped");
	live_stop(guard);
}

/* Slow enough that what it has become is known before it is in need. */
static struct live_process *users_victim(const struct live_cgroup *cgroup, uid_t user,
					 const char *name)
{
	static const char *const copy = "test -e other || cp victim other; exec ./%s --state "
					"state --result result --handle-int --rate 50";
	const char *dir = live_home(user);
	const struct live_spawn spec = {.cgroup = cgroup, .user = user, .directory = dir};

	return live_spawn_argv(&spec, (const char *const[]){"/bin/sh", "-ec",
							    live_format(copy, name), NULL});
}

/* By what the main process is called and whose it is, and only if it is both. */
Test(daemon, main_process_and_its_user_have_a_guard)
{
	static const struct {
		uid_t user;
		const char *name, *signal;
	} cases[] = {{12345, "victim", "INT"}, {12345, "other", "TERM"}, {54321, "victim", "TERM"}};
	struct live_process *guard = live_daemon("[guard a]\ncommand = victi?\nuid = 7 12345\n"
						 "signal = INT\n");

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct live_cgroup *cgroup = live_cgroup(NULL, "service", LIMIT);

		expect_saved_by(guard, users_victim(cgroup, cases[i].user, cases[i].name), cgroup,
				cases[i].signal);
	}
	live_stop(guard);
}

Test(daemon, thousand_cgroups_come_and_go_beside_it)
{
	struct live_process *guard = live_daemon("[guard many]\ncgroup = *-many*\nsignal = INT\n");

	const struct live_cgroup *parent = live_cgroup(NULL, "parent", 0);

	for (unsigned int i = 0; i < live_bulk(1000); i++) {
		live_check(mkdirat(parent->fd, "x-many", 0755) == 0, "mkdir: %m");
		live_check(unlinkat(parent->fd, "x-many", AT_REMOVEDIR) == 0, "rmdir: %m");
	}
	expect_signal(guard, NULL, "many", "INT");
	live_check(json_array_size(live_member(live_stop(guard), "gaps")) == 0, "there are gaps");
}

static json_t *document_of(const char *const args[], int code);

static json_t *rehearsal_of(const char *which, const char *file)
{
	json_t *said = document_of(
		(const char *const[]){"trip", "--dry-run", which, "-c", file, "--json", NULL}, 0);

	live_expect_text(said, "guard", "ints");
	live_expect_int(said, "limit.lends_bytes", LIMIT / 2);
	live_expect_text(said, "target.signal", "INT");
	return said;
}

/* What is rehearsed is what is done: for a process, or the largest below a cgroup, by the guard that is for it. */
Test(daemon, trip_is_as_it_was_rehearsed)
{
	const char *text = "[guard ints]\ncgroup = *-rehearsed\nsignal = INT\nairbag-max = 50%\n"
			   "[guard none]\ncgroup = *-none\nenabled = no\n";
	const char *file = config_file(text);
	struct live_cgroup *cgroup = live_cgroup(NULL, "rehearsed", LIMIT);
	struct live_cgroup *inner = live_cgroup(cgroup, "inner", 0);
	struct live_cgroup *none = live_cgroup(NULL, "none", LIMIT);
	const struct live_spawn spec = {.cgroup = inner, .wants_stdin = true};
	struct live_process *large = live_victim(inner, "--max", "20M", "--hold");
	struct live_process *victim =
		live_victim_argv(&spec, (const char *const[]){"--handle-int", "--rate", "100",
							      "--wait-stdin", NULL});
	struct live_process *guard, *tool;

	live_wait_ready(large);
	live_expect_int(rehearsal_of(cgroup->rel, file), "target.pid", large->pid);
	live_expect_int(rehearsal_of(live_format("%d", (int)victim->pid), file), "target.pid",
			victim->pid);
	guard = live_daemon(text);
	live_release(victim);
	expect_saved_by(guard, victim, cgroup, "INT");
	tool = live_tool("trip", "--dry-run", none->rel, "-c", file);
	live_check(live_exit_code(tool) == 2, "it ends with %d", live_exit_code(tool));
	live_wait_output(tool, 1, "is not guarded: enabled = no of [guard none]");
	live_stop(guard);
}

static void expect_refused(const char *text, const char *named)
{
	struct live_process *process = live_tool("daemon", "-c", config_file(text));

	live_check(live_exit_code(process) == 2, "it ends with %d", live_exit_code(process));
	live_wait_output(process, 1, named);
}

Test(daemon, does_not_start_with_mistakes)
{
	expect_refused(
		"[guard a]\ncgroup = /a\nairbg = auto\n",
		"apoptosis.conf:3: [guard a] airbg 'auto': there is no such key; the nearest is "
		"airbag");
	expect_refused("nonsense\n", "apoptosis.conf:1:");
}

/* What a program reads of it. */
static json_t *document_of(const char *const args[], int code)
{
	struct live_process *process = live_tool_to_end(args);
	json_t *document = json_loads(process->output[0], 0, NULL);

	live_check(live_exit_code(process) == code, "it ends with %d", live_exit_code(process));
	live_check(document, "no JSON: %s", process->output[0]);
	return document;
}

Test(daemon, configuration_is_told_as_json)
{
	const char *bad = config_file("[guard a]\ncgroup = /a\nairbg = auto\n");
	const char *good = config_file("[guard a]\ncgroup = /a\ngrace = 7s\n");
	json_t *document;

	document = document_of((const char *[]){"check-config", "--json", "-c", bad, NULL}, 2);
	live_check(json_array_size(live_member(document, "mistakes")) == 1, "not one mistake");
	document = document_of((const char *[]){"check-config", "--json", "-c", good, NULL}, 0);
	live_check(json_array_size(live_member(document, "mistakes")) == 0, "a mistake");
	document = document_of((const char *[]){"config", "show", "--json", "-c", good,
						"--effective", "/a/b", NULL},
			       0);
	live_expect_text(document, "guard", "a");
	live_expect_text(document, "for", "/a");
	live_expect_text(document, "cgroup", "/a/b");
	document = document_of((const char *[]){"config", "show", "--json", "-c", good, NULL}, 0);
	live_check(json_array_size(live_member(document, "guards")) == 2, "not two guards");
}
