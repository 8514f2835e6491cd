/* SPDX-License-Identifier: BSD-2-Clause */
/* Metrics: that they say what has happened, and that nothing they are read by or written to changes anything else. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "base/util.h"
#include "events.h"

TestSuite(metrics, .init = live_setup, .fini = live_teardown, .timeout = 600);

#define LIMIT (64 * MIB)

static struct live_cgroup *expect_saved(struct live_process *guard, const char *name)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, name, LIMIT);

	live_expect_victim_saved(guard, live_victim(cgroup, "--rate", "0"), cgroup);
	return cgroup;
}

/* Waits until the file has that line. Its text, that lives as long as the test. */
static const char *wait_for_line(const char *path, const char *line)
{
	uint64_t deadline = live_deadline();

	for (;;) {
		_cleanup_free_ char *text = NULL;

		if (!file_read(AT_FDCWD, path, &text, NULL) && text_has_word(text, "\n", line))
			return live_format("%s", text);
		live_pump(deadline, line);
	}
}

static void expect_line(const char *text, const char *line)
{
	live_check(text_has_word(text, "\n", line), "no line '%s' in\n%s", line, text);
}

/* The value of a series; it fails the test where there is none. */
static double value_of(const char *text, const char *series)
{
	const char *at = strstr(text, live_format("\n%s ", series));

	live_check(at, "no %s in\n%s", series, text);
	return strtod(at + 1 + strlen(series), NULL);
}

/* --- the file ------------------------------------------------------------------------------ */

Test(metrics, a_spike_is_in_the_file_soon_and_the_file_goes_at_the_end)
{
	const char *path = live_path("apoptosis.prom"), *text, *series;
	struct live_cgroup *calm = live_cgroup(NULL, "calm", LIMIT);
	struct live_process *victim = live_victim(calm, "--max", "40M", "--hold"), *guard;
	struct stat info;

	live_wait_ready(victim);
	guard = live_daemon(live_format("metrics-textfile = %s\n", path));
	wait_for_line(path, "apoptosis_verdicts_total{verdict=\"saved\"} 0");
	expect_saved(guard, "spike");
	text = wait_for_line(path, "apoptosis_verdicts_total{verdict=\"saved\"} 1");
	expect_line(text, "apoptosis_build_info{mode=\"daemon\",version=\"" APO_VERSION "\"} 1");
	expect_line(text, "apoptosis_signal_latency_seconds_count 1");
	expect_line(text, "apoptosis_shutdown_seconds_count 1");
	expect_line(text, "apoptosis_trips_total{rule=\"reserve\"} 1");
	expect_line(text, "apoptosis_oom_kills_total{preceded_by_trip=\"false\"} 0");
	expect_line(text, "apoptosis_ringbuf_events_lost_total 0");
	live_check(value_of(text, "apoptosis_airbag_raises_total") >= 1, "nothing was raised");
	series = live_format("apoptosis_guard_need_bytes{cgroup=\"%s\"}", calm->rel);
	live_check(value_of(text, series) >= 40 * MIB && value_of(text, series) < 48 * MIB,
		   "it needs %f", value_of(text, series));
	live_check(stat(path, &info) == 0 && (info.st_mode & 07777) == 0644, "mode %o",
		   info.st_mode);
	live_expect_ended_as_told(victim);
	live_stop(guard);
	live_check(access(path, F_OK) < 0, "the file is there still");
}

/* The largest is killed for what another one grows by, too slowly to be a spike. */
Test(metrics, a_kill_without_a_trip_is_counted_as_such)
{
	const char *path = live_path("apoptosis.prom"), *text;
	struct live_cgroup *cgroup = live_cgroup(NULL, "missed", LIMIT);
	struct live_process *guard =
		live_watch("--cgroup", cgroup->rel, "--metrics-textfile", path);
	struct live_process *big = live_victim(cgroup, "--max", "40M", "--hold");

	live_wait_ready(big);
	live_wait_exit(live_victim(cgroup, "--deaf", "--rate", "10", "--max", "30M"));
	live_wait_exit(big);
	live_event(guard, "oom_kill", big->pid);
	text = wait_for_line(path, "apoptosis_verdicts_total{verdict=\"missed\"} 1");
	expect_line(text, "apoptosis_oom_kills_total{preceded_by_trip=\"false\"} 1");
	expect_line(text, "apoptosis_oom_kills_total{preceded_by_trip=\"true\"} 0");
	live_stop(guard);
}

Test(metrics, a_reload_leaves_the_file_and_counts_anew)
{
	const char *path = live_path("apoptosis.prom");
	struct live_process *guard = live_daemon(live_format("metrics-textfile = %s\n", path));

	expect_saved(guard, "spike");
	wait_for_line(path, "apoptosis_verdicts_total{verdict=\"saved\"} 1");
	live_signal(guard, SIGHUP);
	wait_for_line(path, "apoptosis_verdicts_total{verdict=\"saved\"} 0");
	live_stop(guard);
	live_check(access(path, F_OK) < 0, "the file is there still");
}

Test(metrics, a_directory_that_is_missing_is_told_of_and_changes_nothing_else)
{
	const char *dir = live_path("missing"), *path = live_format("%s/apoptosis.prom", dir);
	struct live_process *guard = live_daemon(live_format("metrics-textfile = %s\n", path));

	live_wait_output(guard, 1, "cannot write the metrics to");
	expect_saved(guard, "one");
	live_signal(guard, SIGUSR1);
	live_expect_text(live_event(guard, "status", 0), "self.metrics_trouble",
			 "No such file or directory");
	live_check(mkdir(dir, 0755) == 0, "%s: %m", dir);
	expect_saved(guard, "two");
	live_wait_output(guard, 1, "the metrics are written again");
	expect_line(wait_for_line(path, "apoptosis_verdicts_total{verdict=\"saved\"} 2"),
		    "apoptosis_signal_latency_seconds_count 2");
	live_check(json_is_null(live_member(live_stop(guard), "self.metrics_trouble")),
		   "status says that there is trouble");
}

Test(metrics, watch_writes_them_too)
{
	const char *path = live_path("apoptosis.prom"), *text;
	struct live_cgroup *cgroup = live_cgroup(NULL, "watched", LIMIT);
	struct live_process *guard =
		live_watch("--cgroup", cgroup->rel, "--metrics-textfile", path);

	text = wait_for_line(path, "apoptosis_guards{mode=\"reserve\"} 1");
	live_check(value_of(text, live_format("apoptosis_guard_reserve_bytes{cgroup=\"%s\"}",
					      cgroup->rel)) > 0,
		   "%s", text);
	live_stop(guard);
}

/* --- HTTP ---------------------------------------------------------------------------------- */

static int connect_path(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	live_check(strlen(path) < sizeof(address.sun_path), "%s is too long", path);
	memcpy(address.sun_path, path, strlen(path));
	live_check(fd >= 0 && !connect(fd, (const struct sockaddr *)&address, sizeof(address)),
		   "%s: %m", path);
	return fd;
}

/* -1: nobody listens there. */
static int connect_port(in_port_t port)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
					    .sin_port = htons(port),
					    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (!connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		return fd;
	close(fd);
	return -1;
}

/* One that nobody has at the moment. */
static in_port_t free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	live_check(!bind(fd, (const struct sockaddr *)&address, size) &&
			   !getsockname(fd, (struct sockaddr *)&address, &size),
		   "no port: %m");
	return ntohs(address.sin_port);
}

static void send_text(int fd, const char *text)
{
	live_check(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text), "send: %m");
}

/* All that comes until the other side ends it; it lives as long as the test. Closes the connection. */
static const char *read_all(int fd)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	char part[4096];
	ssize_t n;

	while ((n = read(fd, part, sizeof(part))) > 0)
		fwrite(part, 1, (size_t)n, out);
	fclose(out);
	close(fd);
	return live_format("%s", text);
}

static const char *request(int fd, const char *line)
{
	send_text(fd, live_format("%s HTTP/1.1\r\nHost: x\r\n\r\n", line));
	return read_all(fd);
}

static void expect_answer(int fd, const char *line, const char *status)
{
	const char *answer = request(fd, line);

	live_check(strncmp(answer, status, strlen(status)) == 0, "%s: %s", line, answer);
}

Test(metrics, a_socket_answers_for_metrics_and_for_nothing_else)
{
	const char *path = live_path("metrics.sock"), *text;
	struct live_process *guard = live_daemon(live_format("metrics-listen = unix:%s\n", path));
	struct stat info;

	expect_saved(guard, "spike");
	text = request(connect_path(path), "GET /metrics");
	live_check(strncmp(text, "HTTP/1.1 200 ", 13) == 0 &&
			   strstr(text, "\r\nContent-Type: text/plain; version=0.0.4; "
					"charset=utf-8\r\n"),
		   "it says: %s", text);
	expect_line(text, "apoptosis_verdicts_total{verdict=\"saved\"} 1");
	expect_line(text, "apoptosis_signal_latency_seconds_count 1");
	live_check(value_of(text, "process_resident_memory_bytes") > 0, "it takes nothing");
	expect_answer(connect_path(path), "GET /", "HTTP/1.1 404 ");
	expect_answer(connect_path(path), "POST /metrics", "HTTP/1.1 405 ");
	expect_answer(connect_path(path), "HEAD /metrics", "HTTP/1.1 405 ");
	expect_answer(connect_path(path), "nonsense", "HTTP/1.1 4");
	live_check(stat(path, &info) == 0 && (info.st_mode & 07777) == 0666, "mode %o",
		   info.st_mode);
	/* The next program has the socket. */
	live_signal(guard, SIGHUP);
	live_wait_output(guard, 1, "starting anew");
	while (live_count_events(guard, "ready", 0) < 2)
		live_pump(live_deadline(), "the next program");
	text = request(connect_path(path), "GET /metrics");
	expect_line(text, "apoptosis_verdicts_total{verdict=\"saved\"} 0");
	live_stop(guard);
	live_check(access(path, F_OK) < 0, "the socket is there still");
}

/* More of them than are served; one that goes on byte by byte; one that does not read. */
Test(metrics, clients_that_stall_delay_no_save_and_are_let_go_of)
{
	const char *path = live_path("metrics.sock");
	struct live_process *guard = live_daemon(live_format("metrics-listen = unix:%s\n", path));
	int stalled[12], slow;

	for (size_t i = 0; i < ARRAY_SIZE(stalled); i++) {
		stalled[i] = connect_path(path);
		send_text(stalled[i],
			  i % 2 ? "GET /metrics HTT" : "GET /metrics HTTP/1.1\r\nHost: x\r\n");
	}
	expect_saved(guard, "spike");
	/* It waits until those before it are gone. */
	slow = connect_path(path);
	expect_line(request(slow, "GET /metrics"), "apoptosis_verdicts_total{verdict=\"saved\"} 1");
	for (size_t i = 0; i < ARRAY_SIZE(stalled); i++)
		read_all(stalled[i]);
	live_stop(guard);
}

Test(metrics, one_that_never_ends_its_request_is_let_go_of)
{
	const char *path = live_path("metrics.sock");
	struct live_process *guard = live_daemon(live_format("metrics-listen = unix:%s\n", path));
	int fd = connect_path(path);
	uint64_t deadline = live_deadline();

	send_text(fd, "GET /metrics HTTP/1.1\r\nX: ");
	while (send(fd, "x", 1, MSG_NOSIGNAL) == 1)
		live_pump(deadline, "the connection to end");
	close(fd);
	expect_line(request(connect_path(path), "GET /metrics"),
		    "apoptosis_verdicts_total{verdict=\"saved\"} 0");
	live_stop(guard);
}

Test(metrics, a_port_is_served_to_this_machine_alone)
{
	in_port_t port = free_port();
	struct live_process *guard = live_daemon(
				    live_format("metrics-listen = 127.0.0.1:%u\n", port)),
			    *other;

	expect_line(request(connect_port(port), "GET /metrics"),
		    "apoptosis_verdicts_total{verdict=\"saved\"} 0");
	/* The same port again. */
	other = live_watch("--all", "--metrics-listen", live_format("127.0.0.1:%u", port));
	live_wait_output(other, 1, "cannot serve metrics on");
	live_expect_text(live_stop(other), "self.metrics_unserved",
			 live_format("127.0.0.1:%u: Address already in use", port));
	live_stop(guard);
	other = live_tool("watch", "--all", "--metrics-listen", "0.0.0.0:9100");
	live_check(live_exit_code(other) == 2 &&
			   strstr(other->output[1],
				  "only this machine may ask; give unix:/PATH, 127.0.0.1:PORT"),
		   "it ended with %d: %s", live_exit_code(other), other->output[1]);
}

/* --- the node exporter --------------------------------------------------------------------- */

/* Waits until it says that; its text, which lives as long as the test. */
static const char *wait_for_exporter(in_port_t port, const char *line)
{
	uint64_t deadline = live_deadline();

	for (;;) {
		int fd = connect_port(port);
		const char *text = fd < 0 ? "" : request(fd, "GET /metrics HTTP/1.0\r\nX:");

		if (text_has_word(text, "\n", line))
			return text;
		live_pump(deadline, line);
	}
}

Test(metrics, the_node_exporter_reads_the_file_beside_its_own)
{
	const char *program = live_program("prometheus-node-exporter");
	const char *dir = live_path("textfile"), *text;
	struct live_process *guard, *exporter;
	in_port_t port = free_port();

	if (!program)
		live_skip("node-exporter", "prometheus-node-exporter is not installed");
	live_check(mkdir(dir, 0755) == 0, "%s: %m", dir);
	guard = live_daemon(live_format("metrics-textfile = %s/apoptosis.prom\n", dir));
	exporter = live_start(NULL, program, "--collector.disable-defaults", "--collector.textfile",
			      live_format("--collector.textfile.directory=%s", dir),
			      live_format("--web.listen-address=127.0.0.1:%u", port));
	expect_saved(guard, "spike");
	text = wait_for_exporter(port, "apoptosis_verdicts_total{verdict=\"saved\"} 1");
	expect_line(text, "node_textfile_scrape_error 0");
	expect_line(text, "apoptosis_signal_latency_seconds_count 1");
	live_check(value_of(text, "process_resident_memory_bytes") !=
			   value_of(text, "apoptosis_process_resident_memory_bytes"),
		   "they are one process");
	live_stop(guard);
	live_signal(exporter, SIGTERM);
	live_wait_exit(exporter);
}
