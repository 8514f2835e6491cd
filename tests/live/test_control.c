/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket of the daemon, and `status`, which asks by it: judged by what a person reads there, and by
 * whether a spike is saved and the daemon ends as ever, whatever its clients do.
 */
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "events.h"

TestSuite(control, .init = live_setup, .fini = live_teardown, .timeout = 600);

#define LIMIT (64 * MIB)
#define GROUP 7777
#define OTHER 8888
#define ABSENT 7
#define DENIED 4

static struct live_process *start(const char *file)
{
	const struct live_spawn spec = {.events = EVENTS_ON_STDOUT};
	struct live_process *guard = live_tool_argv(
		&spec, (const char *const[]){"daemon", "-c", file, (const char *)NULL});

	live_event(guard, "ready", 0);
	return guard;
}

/* `apoptosis status --json` as that user, to its end. */
static struct live_process *ask_as(uid_t user, int code)
{
	const struct live_spawn spec = {.user = user, .events = EVENTS_ON_STDOUT};
	struct live_process *process = live_tool_argv(
		&spec, (const char *const[]){"status", "--json", (const char *)NULL});

	live_wait_exit(process);
	live_check(live_exit_code(process) == code, "it ended with %d: %s", live_exit_code(process),
		   process->output[1]);
	return process;
}

static const json_t *ask(void)
{
	return live_event(ask_as(0, 0), "status", 0);
}

/* What a status says of the limit of that cgroup; NULL: nothing. */
static const json_t *limit_of(const json_t *status, const struct live_cgroup *cgroup)
{
	const json_t *limit;
	size_t i;

	json_array_foreach (live_member(status, "limits"), i, limit)
		if (strcmp(live_text(limit, "cgroup"), cgroup->rel) == 0)
			return limit;
	return NULL;
}

static void expect_saved(struct live_process *guard)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "spike", LIMIT);

	live_expect_victim_saved(guard, live_victim(cgroup, "--rate", "0"), cgroup);
}

/* --- what is seen -------------------------------------------------------------------------- */

Test(control, status_tells_of_each_limit_its_need_its_guard_and_its_verdicts)
{
	struct live_cgroup *calm = live_cgroup(NULL, "calm", LIMIT);
	struct live_cgroup *dry = live_cgroup(NULL, "dry", LIMIT);
	struct live_process *guard, *victim = live_victim(calm, "--max", "40M", "--hold");
	const json_t *status, *limit;

	live_wait_ready(victim);
	guard = live_daemon("[guard tries]\ncgroup = *-dry\ndry-run = yes\n");
	live_wait_exit(live_victim(dry, "--rate", "0")); /* which the kernel kills */
	expect_saved(guard);
	status = ask();
	live_expect_text(status, "self.mode", "daemon");
	live_expect_int(status, "self.pid", guard->pid);
	live_check(json_is_null(live_member(status, "self.configuration_refused")), "refused");
	live_expect_int(status, "verdicts.saved", 1);
	/* Nobody has grown there since the start. */
	limit = limit_of(status, calm);
	live_check(limit, "nothing is said of %s", calm->rel);
	live_expect_text(limit, "mode", "lends");
	live_check(json_is_null(live_member(limit, "guard")), "it has a guard of its own");
	live_check(live_int(limit, "need_bytes") >= (json_int_t)(40 * MIB) &&
			   live_int(limit, "need_bytes") + live_int(limit, "headroom_bytes") ==
				   LIMIT,
		   "it needs %" JSON_INTEGER_FORMAT, live_int(limit, "need_bytes"));
	limit = limit_of(status, dry);
	live_check(limit, "nothing is said of %s", dry->rel);
	live_expect_text(limit, "guard", "tries");
	live_expect_text(limit, "mode", "dry run");
	live_expect_int(limit, "oom_kills", 1);
	live_expect_ended_as_told(victim);
	live_stop(guard);
}

/* Who has grown is gone: what is needed is not what it needed. */
Test(control, status_tells_of_what_is_needed_now)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "spike", LIMIT);
	struct live_process *guard = live_daemon("");
	uint64_t deadline = live_deadline();
	const json_t *limit;

	live_expect_victim_saved(guard, live_victim(cgroup, "--rate", "0"), cgroup);
	do {
		live_pump(deadline, "the memory to be given back");
		limit = limit_of(ask(), cgroup);
		live_check(limit, "nothing is said of it");
	} while (live_int(limit, "need_bytes") > (json_int_t)(8 * MIB));
	live_check(live_int(limit, "peak_need_bytes") >= (json_int_t)LIMIT, "the peak is gone");
	live_stop(guard);
}

Test(control, status_tells_why_a_configuration_was_not_taken)
{
	const char *file = live_path("apoptosis.conf");
	struct live_process *guard, *check;

	live_write_config(file, "");
	guard = start(file);
	live_write_config(file, "signal = NONSENSE\n");
	live_signal(guard, SIGHUP);
	live_wait_output(guard, 1, "stays as it was");
	live_check(strstr(live_text(ask(), "self.configuration_refused"),
			  ": [defaults] signal 'NONSENSE'"),
		   "it says: %s", live_text(ask(), "self.configuration_refused"));
	live_write_config(file, "control-group = nobody-knows-it\n");
	live_signal(guard, SIGHUP);
	live_wait_output(guard, 1, "control-group 'nobody-knows-it': there is no such group");
	expect_saved(guard);
	live_stop(guard);
	check = live_tool("check-config", "-c", file);
	live_check(live_exit_code(check) == 2 &&
			   strstr(check->output[1], "control-group 'nobody-knows-it'"),
		   "it ended with %d: %s", live_exit_code(check), check->output[1]);
	/* A group is not worth a machine that nobody guards. */
	guard = start(file);
	live_wait_output(guard, 1, "only root may ask for the status");
	ask();
	live_stop(guard);
}

Test(control, status_finds_the_daemon_again_after_a_reload)
{
	const char *path = live_format("%s/control.sock", getenv("RUNTIME_DIRECTORY"));
	struct stat before, after;
	const char *file = live_path("apoptosis.conf");
	struct live_process *guard;

	live_write_config(file, "");
	guard = start(file);
	live_write_config(file, "signal = INT\n");
	live_check(stat(path, &before) == 0, "%s: %m", path);
	live_signal(guard, SIGHUP);
	live_wait_output(guard, 1, "starting anew");
	live_expect_int(ask(), "self.pid", guard->pid);
	/* It is the same socket: who connects meanwhile waits. */
	live_check(stat(path, &after) == 0 && after.st_ino == before.st_ino, "it is another one");
	live_stop(guard);
}

Test(control, status_is_for_people_too)
{
	struct live_process *guard = live_daemon(""), *process = live_tool("status");

	live_check(live_exit_code(process) == 0, "it ended with %d", live_exit_code(process));
	live_check(strstr(process->output[0], "NEED") && strstr(process->output[0], "verdicts:") &&
			   !strchr(process->output[0], '\033'),
		   "it says: %s", process->output[0]);
	live_stop(guard);
}

Test(control, top_prints_what_there_is)
{
	struct live_cgroup *calm = live_cgroup(NULL, "calm", LIMIT);
	struct live_process *guard = live_daemon(""), *process;

	expect_saved(guard);
	process = live_tool("top", "--once");
	live_check(live_exit_code(process) == 0, "it ended with %d: %s", live_exit_code(process),
		   process->output[1]);
	live_check(strstr(process->output[0], calm->rel) &&
			   strstr(process->output[0], "saved     victim") &&
			   !strchr(process->output[0], '\033'),
		   "it says: %s", process->output[0]);
	process = live_tool("top");
	live_check(live_exit_code(process) == 2 && strstr(process->output[1], "give --once"),
		   "it ended with %d: %s", live_exit_code(process), process->output[1]);
	live_stop(guard);
}

/* Until that is on the screen. */
static void read_screen(int terminal, FILE *all, const char *const *text, const char *wanted)
{
	uint64_t deadline = live_deadline();
	char part[4096];

	do {
		ssize_t n = read(terminal, part, sizeof(part));

		live_check(n >= 0 || errno == EAGAIN, "it has ended: %s", *text);
		if (n > 0)
			fwrite(part, 1, (size_t)n, all);
		fflush(all);
		live_pump(deadline, wanted);
	} while (!strstr(*text, wanted));
}

static void type(int terminal, const char *keys)
{
	live_check(write(terminal, keys, strlen(keys)) == (ssize_t)strlen(keys), "write: %m");
}

/* On a terminal of 80 columns and 24 rows. */
Test(control, top_shows_screens_and_obeys_keys)
{
	const struct winsize size = {.ws_col = 80, .ws_row = 24};
	const char *tool = getenv("APOPTOSIS");
	struct live_process *guard = live_daemon("");
	char *text = NULL;
	size_t length;
	FILE *all = open_memstream(&text, &length);
	int terminal, status;
	pid_t pid;

	live_cgroup(NULL, "calm", LIMIT);
	live_cgroup(NULL, "other", LIMIT);
	pid = forkpty(&terminal, NULL, NULL, &size);
	live_check(pid >= 0, "forkpty: %m");
	if (!pid) {
		setenv("TERM", "xterm", 1);
		execl(tool, tool, "top", "--interval", "200ms", (const char *)NULL);
		_exit(127);
	}
	fcntl(terminal, F_SETFL, O_NONBLOCK);
	read_screen(terminal, all, (const char *const *)&text, "LAST INCIDENTS");
	read_screen(terminal, all, (const char *const *)&text, "-other");
	type(terminal, "s");
	read_screen(terminal, all, (const char *const *)&text, "need");
	type(terminal, "/calm\n\n");
	read_screen(terminal, all, (const char *const *)&text, "guarded by");
	type(terminal, "q");
	live_check(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0,
		   "it ended with %d: %s", status, text);
	close(terminal);
	fclose(all);
	free(text);
	live_stop(guard);
}

/* --- who may ------------------------------------------------------------------------------- */

/* So that another user can get there at all, as to /run: those directories are the tests' own. */
static void open_the_way(void)
{
	const char *top = getenv("APO_LIVE_TESTS");
	char *path = live_format("%s", getenv("RUNTIME_DIRECTORY"));

	do {
		struct stat st;

		*strrchr(path, '/') = '\0';
		live_check(stat(path, &st) == 0 && chmod(path, st.st_mode | S_IXOTH) == 0, "%s: %m",
			   path);
	} while (strlen(path) >= strlen(top));
}

Test(control, who_may_ask_is_root_and_the_group_that_is_named)
{
	struct live_process *guard = live_daemon(live_format("control-group = %d\n", GROUP));

	open_the_way();
	live_event(ask_as(GROUP, 0), "status", 0);
	ask_as(OTHER, DENIED);
	ask();
	live_stop(guard);
	guard = live_daemon("");
	ask_as(GROUP, DENIED);
	live_stop(guard);
}

Test(control, where_no_daemon_runs_that_is_said)
{
	struct live_process *guard;
	const char *file = live_path("apoptosis.conf");

	ask_as(0, ABSENT);
	live_write_config(file, "");
	guard = start(file);
	live_signal(guard, SIGKILL); /* which leaves the socket */
	live_wait_exit(guard);
	ask_as(0, ABSENT);
	guard = start(file);
	ask();
	live_stop(guard);
	ask_as(0, ABSENT);
}

Test(control, what_is_in_its_place_stays_and_is_told_of)
{
	const char *path = live_format("%s/control.sock", getenv("RUNTIME_DIRECTORY"));
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	struct live_process *guard;
	struct stat st;

	live_check(fd >= 0 && write(fd, "mine", 4) == 4, "%s: %m", path);
	close(fd);
	guard = live_daemon("");
	live_wait_output(guard, 1, "control.sock in the runtime directory is no socket");
	expect_saved(guard);
	live_stop(guard);
	live_check(stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 4, "it is gone");
}

/* --- clients that mean harm, or are broken ------------------------------------------------- */

/* By a descriptor that stays open. */
static struct sockaddr_un address_of_daemon(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int dirfd = open(getenv("RUNTIME_DIRECTORY"), O_PATH | O_DIRECTORY);

	live_check(dirfd >= 0, "the runtime directory: %m");
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/control.sock",
		 dirfd);
	return address;
}

static int connect_to_daemon(void)
{
	const struct sockaddr_un address = address_of_daemon();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	live_check(fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0,
		   "connect: %m");
	return fd;
}

static void write_to(int fd, const char *text, size_t size)
{
	while (size > 0) {
		ssize_t n = send(fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n <= 0)
			return; /* it takes no more, or has let go of us */
		text += n;
		size -= (size_t)n;
	}
}

/* All of what it answers, to its end. */
static const char *answers(int fd, const char *text)
{
	char *all = NULL;
	size_t size;
	FILE *memory = open_memstream(&all, &size);
	char part[4096];
	ssize_t n;

	write_to(fd, text, strlen(text));
	shutdown(fd, SHUT_WR);
	while ((n = read(fd, part, sizeof(part))) > 0)
		fwrite(part, 1, (size_t)n, memory);
	fclose(memory);
	close(fd);
	text = live_format("%s", all);
	free(all);
	return text;
}

Test(control, what_is_no_request_is_answered_so)
{
	struct live_process *guard = live_daemon("");
	static char endless[8192];
	const char *text = answers(connect_to_daemon(), "nonsense\n{\"request\":\"status\"}\n");
	const char *second = strchr(text, '\n');

	live_check(strstr(text, "\"event\":\"error\"") && second &&
			   strstr(second, "\"event\":\"status\""),
		   "it says: %s", text);
	memset(endless, 'a', sizeof(endless) - 1);
	text = answers(connect_to_daemon(), endless);
	live_check(strstr(text, "the request has no end"), "it says: %s", text);
	live_stop(guard);
}

/* What is asked for all the time is a little older than that. */
static void await_saved(json_int_t count)
{
	uint64_t deadline = live_deadline();

	while (live_int(ask(), "verdicts.saved") != count)
		live_pump(deadline, "the status to tell of the save");
}

Test(control, a_request_may_come_in_pieces)
{
	struct live_process *guard = live_daemon("");
	int fd = connect_to_daemon();
	static const char *const parts[] = {"{\"request\":", "\"status\"}"};
	const char *text;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		write_to(fd, parts[i], strlen(parts[i]));
		await_saved(0); /* it has been round since */
	}
	text = answers(fd, "\n");
	live_check(strstr(text, "\"event\":\"status\""), "it says: %s", text);
	live_stop(guard);
}

static void knock(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (!connect(fd, (const struct sockaddr *)address, sizeof(*address)))
		write_to(fd, "{", 1);
	close(fd);
}

/* Who connects and goes away as fast as it can; the watchdog of a service would not be fed by a loop that it holds. */
Test(control, who_comes_and_goes_all_the_time_holds_up_nobody)
{
	enum { KNOCKERS = 4 };
	struct live_process *guard = live_daemon("");
	const struct sockaddr_un address = address_of_daemon();
	pid_t pids[KNOCKERS];

	for (size_t i = 0; i < KNOCKERS; i++) {
		pids[i] = fork();
		live_check(pids[i] >= 0, "fork: %m");
		if (pids[i])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			knock(&address);
	}
	for (unsigned int i = 0; i < live_repeat(); i++)
		expect_saved(guard);
	await_saved(live_repeat());
	live_stop(guard); /* at once, for all that */
	for (size_t i = 0; i < KNOCKERS; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
}

/* Those that never read, in the middle of a request, or with thousands of them: and more than there is room for. */
Test(control, clients_that_stall_hold_up_nobody)
{
	enum { CLIENTS = 60, REQUESTS = 2000 };
	static const char request[] = "{\"request\":\"status\"}\n";
	struct live_process *guard = live_daemon("");
	int clients[CLIENTS];

	for (size_t i = 0; i < CLIENTS; i++) {
		clients[i] = connect_to_daemon();
		for (size_t j = 0; i % 2 && j < REQUESTS; j++)
			write_to(clients[i], request, sizeof(request) - 1);
		write_to(clients[i], request, 7);
	}
	expect_saved(guard);
	await_saved(1);
	for (size_t i = 0; i < CLIENTS; i += 3)
		close(clients[i]);
	expect_saved(guard);
	await_saved(2);
	live_stop(guard);
}
