/* SPDX-License-Identifier: BSD-2-Clause */
/* The history of the daemon: what spikes came to is there for months, whatever becomes of its file. */
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "events.h"

TestSuite(history, .init = live_setup, .fini = live_teardown, .timeout = 600);

#define LIMIT (64 * MIB)

static struct live_process *daemon_with(const char *history, const char *more)
{
	return live_daemon(live_format("history = %s\n%s", history, more));
}

static void expect_saved(struct live_process *guard, const char *name)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, name, LIMIT);

	live_expect_victim_saved(guard, live_victim(cgroup, "--rate", "0"), cgroup);
}

/* `apoptosis history --json` of that file. */
static json_t *read_history(const char *path)
{
	struct live_process *process = live_tool("history", "--history", path, "--json");
	json_t *document;

	live_check(live_exit_code(process) == 0, "it ended with %d: %s", live_exit_code(process),
		   process->output[1]);
	document = json_loads(process->output[0], 0, NULL);
	live_check(document, "no JSON: %s", process->output[0]);
	return document;
}

Test(history, verdicts_are_there_after_the_daemon_has_ended)
{
	const char *path = live_path("history.db"), *guard_name = "[guard ones]\ncgroup = *-one\n";
	struct live_process *guard = daemon_with(path, guard_name), *process;
	json_t *document;

	expect_saved(guard, "one");
	expect_saved(guard, "other");
	live_stop(guard);
	guard = daemon_with(path, guard_name);
	expect_saved(guard, "one");
	live_stop(guard);
	document = read_history(path);
	live_expect_int(document, "all.verdicts.saved", 3);
	live_expect_int(document, "all.saved.cases", 3);
	live_expect_int(document, "all.latency_us.known", 3);
	live_check(live_int(document, "all.lent_bytes") > 0, "nothing was lent");
	live_expect_text(document, "guards.0.guard", "ones");
	live_expect_int(document, "guards.0.verdicts.saved", 2);
	live_check(json_is_null(live_member(document, "guards.1.guard")), "it has a name");
	json_decref(document);
	process = live_tool("history", "--history", path, "--csv");
	live_check(strstr(process->output[0], ",saved,\"ones\",\"/"), "it says: %s",
		   process->output[0]);
	process = live_tool("history", "--history", path);
	live_check(strstr(process->output[0], "\nones "), "it says: %s", process->output[0]);
}

/* Until there is room again. */
Test(history, a_full_disk_is_told_of_and_changes_nothing_else)
{
	const char *dir = live_tmpfs(1), *path = live_format("%s/history.db", dir);
	const char *filler = live_format("%s/filler", dir);
	int fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	static const char block[4096];
	struct live_process *guard;
	json_t *document;

	live_check(fd >= 0, "%s: %m", filler);
	while (write(fd, block, sizeof(block)) > 0)
		;
	close(fd);
	guard = daemon_with(path, "");
	expect_saved(guard, "full");
	live_wait_output(guard, 1, "cannot write the history to");
	live_check(unlink(filler) == 0, "%s: %m", filler);
	expect_saved(guard, "room");
	live_wait_output(guard, 1, "the history is written again");
	live_stop(guard);
	document = read_history(path);
	live_expect_int(document, "all.verdicts.saved", 1);
	json_decref(document);
}

Test(history, a_file_that_is_none_of_ours_is_left_alone_and_told_of)
{
	const char *path = live_path("history.db");
	struct live_process *guard, *process;
	sqlite3 *handle;

	live_check(sqlite3_open(path, &handle) == SQLITE_OK &&
			   sqlite3_exec(handle, "CREATE TABLE mine (a); PRAGMA user_version = 99",
					NULL, NULL, NULL) == SQLITE_OK,
		   "%s", sqlite3_errmsg(handle));
	sqlite3_close(handle);
	guard = daemon_with(path, "");
	expect_saved(guard, "newer");
	live_wait_output(guard, 1, "it is of a newer version");
	live_stop(guard);
	process = live_tool("history", "--history", path);
	live_check(live_exit_code(process) == 2, "it ended with %d", live_exit_code(process));
	process = live_tool("history", "--history", live_path("absent.db"));
	live_check(live_exit_code(process) == 2, "it ended with %d", live_exit_code(process));
	live_wait_output(process, 1, "give the --history that it was given");
}
