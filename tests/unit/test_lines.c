/* SPDX-License-Identifier: BSD-2-Clause */
#include "sinks/lines.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"

static int reader;
static struct lines lines;
static char taken[256 * 1024];

/* A pipe of one page: it has room for one line, and then for none until it is read. */
static void setup(void)
{
	int ends[2];

	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	cr_assert_gt(fcntl(ends[1], F_SETPIPE_SZ, 1), 0);
	cr_assert_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	reader = ends[0];
	lines.out = fdopen(ends[1], "w");
	cr_assert_not_null(lines.out);
}

static void teardown(void)
{
	fclose(lines.out);
	close(reader);
}

TestSuite(lines, .init = setup, .fini = teardown);

/* What is in the pipe now. */
static const char *take(void)
{
	size_t done = 0;
	ssize_t n;

	while ((n = read(reader, taken + done, sizeof(taken) - 1 - done)) > 0)
		done += (size_t)n;
	taken[done] = '\0';
	return taken;
}

/* A kill by the kernel, that no trip preceded, of a process of that name. */
static void write_incident(char *comm)
{
	const struct incident incident = {
		.id = 17,
		.verdict = VERDICT_MISSED,
		.reason = "nobody was there",
		.grower = {.pid = 1234, .comm = comm},
	};

	lines_incident(&lines, &incident);
}

static const struct ready ready = {.mode = "all", .version = "1"};

/* Whether it is one whole line with that in it. */
static bool is_line_with(const char *text, const char *part)
{
	const char *end = strchr(text, '\n');

	return end && !end[1] && strstr(text, part);
}

Test(lines, an_event_is_one_line_for_people_or_as_json)
{
	write_incident("server");
	cr_expect(is_line_with(take(), "server[1234]"), "%s", taken);
	cr_expect_neq(taken[0], '{');
	lines.json = true;
	write_incident("server");
	cr_expect(is_line_with(take(), "\"id\":\"0000000000000011\""), "%s", taken);
	cr_expect_eq(taken[0], '{');
}

Test(lines, quiet_leaves_incidents_and_json_keeps_all)
{
	const struct status status = {.page_bytes = 4096};

	lines.quiet = true;
	lines_ready(&lines, &ready);
	lines_status(&lines, &status);
	cr_expect_str_empty(take());
	write_incident("server");
	cr_expect(is_line_with(take(), "server[1234]"), "%s", taken);
	lines.json = true;
	lines_ready(&lines, &ready);
	cr_expect(is_line_with(take(), "\"event\":\"ready\""), "%s", taken);
	lines_status(&lines, &status);
	cr_expect(is_line_with(take(), "\"event\":\"status\""), "%s", taken);
}

Test(lines, nobody_who_reads_loses_lines_and_holds_nobody_up)
{
	write_incident("first");
	write_incident("second");
	write_incident("third");
	cr_expect_eq(lines.dropped, 2);
	cr_expect(is_line_with(take(), "first"), "%s", taken);
	write_incident("fourth");
	cr_expect(is_line_with(take(), "fourth"), "%s", taken);
	cr_expect_eq(lines.dropped, 0);
}

Test(lines, a_line_that_was_cut_short_is_ended_before_the_next)
{
	size_t page_bytes = sysconf(_SC_PAGESIZE);
	_cleanup_free_ char *comm = calloc(3, page_bytes);
	const char *rest;

	cr_assert_not_null(comm);
	memset(comm, 'a', 3 * page_bytes - 1);
	cr_assert_gt(fcntl(fileno(lines.out), F_SETPIPE_SZ, 2 * page_bytes), 0);
	lines.json = true;
	write_incident(comm);
	cr_expect_eq(lines.dropped, 1);
	cr_expect(lines.torn);
	cr_expect_null(strchr(take(), '\n'));
	write_incident("next");
	cr_expect_not(lines.torn);
	rest = take();
	cr_expect_eq(rest[0], '\n');
	cr_expect(is_line_with(rest + 1, "\"next\""), "%s", rest);
}

Test(lines, a_reader_that_is_gone_is_no_end)
{
	signal(SIGPIPE, SIG_IGN);
	close(reader);
	write_incident("server");
	cr_expect_eq(lines.dropped, 0, "it does not count as one that may read again");
	reader = open("/dev/null", O_RDONLY | O_CLOEXEC);
}
