/* SPDX-License-Identifier: BSD-2-Clause */
/* What hooks are told, and what becomes of a command that is run for one. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "core/notify.h"
#include "output/notification.h"
#include "sinks/notify_process.h"

#define PATIENCE_MS 60000

/* --- of which events, and what ------------------------------------------------------------- */

Test(notify, events_are_a_set_of_names)
{
	static const char *const refused[] = {"",    ",",     "trip,",	    ",trip", "trips",
					      "tri", "ready", "trip, warn", "TRIP"};
	unsigned int events = 7;

	cr_expect_eq(notify_events_parse("oom_kill,warn", &events), 0);
	cr_expect(notify_events_have(events, "warn"));
	cr_expect(notify_events_have(events, "oom_kill"));
	cr_expect_not(notify_events_have(events, "trip"));
	cr_expect_not(notify_events_have(events, "verdict"));
	cr_expect_not(notify_events_have(events, "after"));
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		cr_expect_eq(notify_events_parse(refused[i], &events), -EINVAL, "%s", refused[i]);
	cr_expect(notify_events_have(events, "warn"), "what it was stays");
}

static const char *variable(const struct notification *notification, const char *name)
{
	for (char *const *at = notification->environment; *at; at++)
		if (strncmp(*at, name, strlen(name)) == 0 && (*at)[strlen(name)] == '=')
			return *at + strlen(name) + 1;
	return NULL;
}

Test(notify, a_hook_is_told_facts_and_the_event)
{
	static const struct recording recording = {};
	const struct incident incident = {
		.id = 0xab12,
		.verdict = VERDICT_TOO_LATE,
		.reason = "it was killed",
		.need_bytes = 100,
		.limit_bytes = 200,
		.limit_cgroup = "/shop",
		.grower = {.pid = 7,
			   .comm = "a\n$(b)",
			   .cgroup = "/shop/web.service",
			   .unit = "user@1.service",
			   .user_unit = "web.service"},
		.recording = &recording,
	};
	static const char *const expected[][2] = {
		{"APOPTOSIS_EVENT", "verdict"},	     {"APOPTOSIS_ID", "000000000000ab12"},
		{"APOPTOSIS_VERDICT", "too late"},   {"APOPTOSIS_REASON", "it was killed"},
		{"APOPTOSIS_GUARD", "shop"},	     {"APOPTOSIS_PID", "7"},
		{"APOPTOSIS_COMM", "a\\n$(b)"},	     {"APOPTOSIS_CGROUP", "/shop/web.service"},
		{"APOPTOSIS_CONTAINER_ID", ""},	     {"APOPTOSIS_UNIT", "web.service"},
		{"APOPTOSIS_LIMIT_CGROUP", "/shop"}, {"APOPTOSIS_LIMIT_BYTES", "200"},
		{"APOPTOSIS_NEED_BYTES", "100"},
	};
	struct notification notification;
	json_t *document;

	cr_assert_eq(notification_make(&incident, "shop", &notification), 0);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		const char *value = variable(&notification, expected[i][0]);

		cr_assert_not_null(value, "%s", expected[i][0]);
		cr_expect_str_eq(value, expected[i][1], "%s", expected[i][0]);
	}
	document = json_loads(notification.json, 0, NULL);
	cr_expect_str_eq(json_string_value(json_object_get(document, "event")), "verdict");
	cr_expect_str_eq(json_string_value(json_object_get(document, "text")),
			 variable(&notification, "APOPTOSIS_TEXT"));
	cr_expect(json_is_null(json_object_get(document, "allocations")) ||
			  !json_object_get(document, "allocations"),
		  "who allocated may be megabytes");
	cr_expect_eq(notification.json[strlen(notification.json) - 1], '\n');
	json_decref(document);
	notification_clear(&notification);
}

Test(notify, what_is_not_known_is_empty)
{
	const struct incident incident = {.limit_bytes = APO_UNLIMITED,
					  .missing = INCIDENT_MISSING_TRIP};
	struct notification notification;

	cr_assert_eq(notification_make(&incident, NULL, &notification), 0);
	cr_expect_str_eq(variable(&notification, "APOPTOSIS_GUARD"), "");
	cr_expect_str_eq(variable(&notification, "APOPTOSIS_COMM"), "");
	cr_expect_str_eq(variable(&notification, "APOPTOSIS_LIMIT_BYTES"), "");
	cr_expect_str_eq(variable(&notification, "APOPTOSIS_NEED_BYTES"), "");
	notification_clear(&notification);
}

/* --- a command ----------------------------------------------------------------------------- */

static struct notify_result run(const char *script, unsigned int patience_ms)
{
	char *const argv[] = {(char[]){"/bin/sh"}, (char[]){"-c"}, (char *)script, NULL};
	const struct notify_plan plan = {
		.uid = geteuid(),
		.gid = getegid(),
		.patience_ms = patience_ms,
		.argv = argv,
	};
	struct notify_result result;

	cr_assert_eq(notify_process_run(&plan, &result), 0);
	cr_expect(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "somebody is left");
	return result;
}

/* For so long that it comes to say "ready". */
static struct notify_result run_past(const char *script)
{
	struct notify_result result = {};

	for (unsigned int ms = 20; strncmp(result.said, "ready\n", 6) != 0; ms *= 2)
		result = run(script, ms);
	return result;
}

Test(notify, a_command_ends_as_a_shell_says_it)
{
	struct notify_result result = run("echo of use; echo and more >&2; exit 3", PATIENCE_MS);

	cr_expect_eq(result.status, 3);
	cr_expect_str_eq(result.said, "of use\nand more\n");
	cr_expect_not(result.is_overdue);
	cr_expect_eq(run("kill -USR1 $$", PATIENCE_MS).status, 128 + SIGUSR1);
}

Test(notify, a_command_that_is_not_there)
{
	char *const argv[] = {(char[]){"/nonexistent/program"}, NULL};
	struct notify_result result;

	cr_assert_eq(notify_process_run(&(const struct notify_plan){.uid = geteuid(),
								    .gid = getegid(),
								    .patience_ms = PATIENCE_MS,
								    .argv = argv},
					&result),
		     0);
	cr_expect_eq(result.status, 127);
	cr_expect_str_eq(result.said, "cannot run /nonexistent/program: No such file or directory");
}

Test(notify, a_command_has_no_more_than_it_should)
{
	struct notify_result result;
	int fd = fcntl(STDIN_FILENO, F_DUPFD, 50); /* as if somebody had forgotten O_CLOEXEC */

	result = run("[ -e /proc/self/fd/50 ] && echo leaks; "
		     "sed -n 's/^NoNewPrivs:\\t//p; s/^CapEff:\\t//p' /proc/self/status; "
		     "[ $(ps -o sid= -p $$ 2>/dev/null || echo $$) -eq $$ ] && pwd",
		     PATIENCE_MS);
	close(fd);
	if (geteuid() == 0) /* root has them from the beginning of any program */
		cr_expect(strstr(result.said, "\n1\n/\n"), "%s", result.said);
	else
		cr_expect_str_eq(result.said, "0000000000000000\n1\n/\n");
}

Test(notify, root_gives_up_what_it_is)
{
	char *const argv[] = {(char[]){"/bin/sh"}, (char[]){"-c"},
			      (char[]){"sed -n '/^Uid/p; /^Gid/p; /^Groups/p; /^Cap[PEA]/p' "
				       "/proc/self/status"},
			      NULL};
	const struct notify_plan plan = {
		.uid = 65534, .gid = 65533, .patience_ms = PATIENCE_MS, .argv = argv};
	struct notify_result result;

	if (geteuid() != 0)
		cr_skip_test("only root can change user");
	cr_assert_eq(notify_process_run(&plan, &result), 0);
	cr_expect_str_eq(result.said, "Uid:\t65534\t65534\t65534\t65534\n"
				      "Gid:\t65533\t65533\t65533\t65533\n"
				      "Groups:\t \n"
				      "CapPrm:\t0000000000000000\n"
				      "CapEff:\t0000000000000000\n"
				      "CapAmb:\t0000000000000000\n");
}

Test(notify, a_flood_of_output_is_read_and_forgotten)
{
	struct notify_result result =
		run("head -c 10000000 /dev/zero | tr '\\0' x; echo; exit 4", PATIENCE_MS);

	cr_expect_eq(result.status, 4);
	cr_expect_eq(strlen(result.said), sizeof(result.said) - 1);
}

Test(notify, one_that_hangs_is_ended)
{
	struct notify_result result = run_past("trap 'echo told; exit 5' TERM; echo ready; "
					       "while :; do sleep 1000 & wait; done");

	cr_expect(result.is_overdue);
	cr_expect_eq(result.status, 5);
	cr_expect_str_eq(result.said, "ready\ntold\n");
}

Test(notify, one_that_hears_nothing_is_killed_with_all_it_has_started)
{
	struct notify_result result =
		run_past("trap '' TERM; (trap '' TERM; while :; do sleep 1; done) & echo ready; "
			 "while :; do sleep 1; done");

	cr_expect(result.is_overdue);
	cr_expect_eq(result.status, 128 + SIGKILL);
}

Test(notify, what_it_has_left_is_awaited)
{
	struct notify_result result =
		run("setsid sh -c 'read x < /dev/null; echo done' & exit 0", PATIENCE_MS);

	cr_expect_not(result.is_overdue);
	cr_expect_str_eq(result.said, "done\n");
}

Test(notify, a_daemon_that_it_has_left_is_killed)
{
	struct notify_result result =
		run_past("setsid sh -c 'trap \"\" TERM; setsid sleep 1000 & echo ready; "
			 "while :; do sleep 1; done' & exit 0");

	cr_expect(result.is_overdue);
}
