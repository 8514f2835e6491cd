/* SPDX-License-Identifier: BSD-2-Clause */
/* The history: its rows, their file, and what they come to. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "core/history.h"
#include "output/history.h"
#include "sinks/history_db.h"
#include "unit/fixture.h"
#include "unit/json_line.h"

#define NOON 1769860800ULL /* 2026-01-31 12:00:00 UTC */
#define DAY 86400ULL
#define MIB (1024ULL * 1024)

static struct history_row row_of(const char *guard, enum verdict verdict, uint64_t day,
				 uint64_t latency_us)
{
	struct history_row row = {
		.realtime_ns = (NOON + day * DAY) * NSEC_PER_SEC,
		.id = 7 + day,
		.verdict = verdict,
		.cgroup = "/a",
		.comm = "server",
		.latency_ns = latency_us * NSEC_PER_USEC,
		.lent_bytes = MIB,
	};

	snprintf(row.guard, sizeof(row.guard), "%s", guard);
	return row;
}

/* --- sums ---------------------------------------------------------------------------------- */

static struct history *some(void)
{
	static const struct {
		const char *guard;
		enum verdict verdict;
		uint64_t day, latency_us;
	} rows[] = {
		{"", VERDICT_SAVED, 0, 40},	  {"web", VERDICT_SAVED, 0, 10},
		{"web", VERDICT_ENDED, 0, 0},	  {"web", VERDICT_SAVED, 2, 30},
		{"web", VERDICT_NEEDLESS, 2, 20},
	};
	struct history *history = history_new();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct history_row row =
			row_of(rows[i].guard, rows[i].verdict, rows[i].day, rows[i].latency_us);

		cr_assert_eq(history_add(history, &row), 0);
	}
	return history;
}

Test(history, rows_are_summed_up_by_guard_and_by_day)
{
	struct history *history = some();
	const struct history_sum *all = history_all(history), *sums;
	size_t count;

	cr_expect_eq(all->verdicts[VERDICT_SAVED], 3);
	cr_expect_eq(history_cases(all), 4, "a needless one is no case");
	cr_expect_eq(all->lent_bytes, 5 * MIB);
	sums = history_guards(history, &count);
	cr_assert_eq(count, 2);
	cr_expect_str_eq(sums[0].name, "");
	cr_expect_str_eq(sums[1].name, "web");
	cr_expect_eq(sums[1].verdicts[VERDICT_SAVED], 2);
	cr_expect_eq(sums[1].verdicts[VERDICT_NEEDLESS], 1);
	sums = history_days(history, &count);
	cr_assert_eq(count, 2, "days without a row are left out");
	cr_expect_str_eq(sums[0].name, "2026-01-31");
	cr_expect_str_eq(sums[1].name, "2026-02-02");
	cr_expect_eq(sums[1].verdicts[VERDICT_SAVED], 1);
	history_free(history);
}

Test(history, latencies_are_of_those_that_are_known)
{
	struct history *history = some();
	const struct history_sum *all = history_all(history);
	struct history_sum none = {};

	cr_expect_eq(all->latency_count, 4);
	cr_expect_eq(history_latency_ns(all, 50), 20 * NSEC_PER_USEC);
	cr_expect_eq(history_latency_ns(all, 51), 30 * NSEC_PER_USEC);
	cr_expect_eq(history_latency_ns(all, 100), 40 * NSEC_PER_USEC);
	cr_expect_eq(history_latency_ns(all, 0), 10 * NSEC_PER_USEC);
	cr_expect_eq(history_latency_ns(&none, 99), 0);
	history_free(history);
}

static void expect_rate(uint64_t saved, uint64_t missed, double rate, double low, double high)
{
	struct history_sum sum = {.verdicts = {[VERDICT_SAVED] = saved, [VERDICT_MISSED] = missed}};
	struct history_rate is = history_saved(&sum);

	cr_expect_float_eq(is.rate, rate, 1e-4, "%f", is.rate);
	cr_expect_float_eq(is.low, low, 1e-4, "%f", is.low);
	cr_expect_float_eq(is.high, high, 1e-4, "%f", is.high);
}

/* As R says it: prop.test(22, 22, correct = FALSE) and so on. */
Test(history, the_interval_of_the_saved_rate_is_that_of_wilson)
{
	expect_rate(0, 0, 0, 0, 1);
	expect_rate(22, 0, 1, 0.8513, 1);
	expect_rate(0, 10, 0, 0, 0.2775);
	expect_rate(90, 10, 0.9, 0.8256, 0.9448);
}

Test(history, a_row_is_made_of_an_incident)
{
	struct incident *incident = incident_new();
	struct history_row row;
	char path[2 * HISTORY_CGROUP_LEN];

	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	path[sizeof(path) - 2] = 'z';
	*incident = (struct incident){
		.id = 9,
		.realtime_ns = 5,
		.judged_ns = 6,
		.verdict = VERDICT_TOO_LATE,
		.limit_cgroup = strdup(path),
		.target = {.comm = strdup("server")},
		.crossed_ns = 100,
		.signal_ns = 110,
		.delivered_ns = 150,
		.exit_ns = 410,
		.airbag_bytes = MIB,
		.loan = {.lent_bytes = 2 * MIB},
	};
	row = history_row(incident, NULL);
	cr_expect_eq(row.realtime_ns, 6);
	cr_expect_eq(row.id, 9);
	cr_expect_eq(row.latency_ns, 50);
	cr_expect_eq(row.shutdown_ns, 300);
	cr_expect_eq(row.lent_bytes, 2 * MIB);
	cr_expect_str_eq(row.guard, "");
	cr_expect_str_eq(row.comm, "server");
	cr_expect(strlen(row.cgroup) == HISTORY_CGROUP_LEN - 1 &&
		  row.cgroup[HISTORY_CGROUP_LEN - 2] == 'z');
	incident_free(incident);
}

/* --- forms --------------------------------------------------------------------------------- */

static char *text_of(struct history *history)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	cr_assert_eq(history_text(file, history, false), 0);
	fclose(file);
	return text;
}

Test(history, as_tables)
{
	struct history *history = some();
	_cleanup_free_ char *text = text_of(history);

	cr_expect_str_eq(
		text,
		"GUARD                   SAVED    ENDED TOO LATE  IGNORED   MISSED NEEDLESS  DRY "
		"RUN  SAVED RATE (95 %)    TOLD p50      p99       LENT\n"
		"(defaults)                  1        0        0        0        0        0        "
		"0  100.0 % (20.7-100.0)    40 us    40 us    1.0 MiB\n"
		"web                         2        1        0        0        0        1        "
		"0  66.7 % (20.8-93.9)      20 us    30 us    4.0 MiB\n"
		"(all)                       3        1        0        0        0        1        "
		"0  75.0 % (30.1-95.4)      20 us    40 us    5.0 MiB\n"
		"\n"
		"DAY (UTC)               SAVED    ENDED TOO LATE  IGNORED   MISSED NEEDLESS  DRY "
		"RUN  SAVED RATE (95 %)    TOLD p50      p99       LENT\n"
		"2026-01-31                  2        1        0        0        0        0        "
		"0  66.7 % (20.8-93.9)      10 us    40 us    3.0 MiB\n"
		"2026-02-02                  1        0        0        0        0        1        "
		"0  100.0 % (20.7-100.0)    20 us    30 us    2.0 MiB\n",
		"%s", text);
	history_free(history);
}

Test(history, nothing_yet)
{
	struct history *history = history_new();
	_cleanup_free_ char *text = text_of(history), *json = json_line(history_json(history));

	cr_expect_str_eq(text, "no verdicts yet\n");
	cr_expect(strstr(json, "\"guards\":[],\"days\":[]") && strstr(json, "\"saved\":null"), "%s",
		  json);
	history_free(history);
}

Test(history, as_json)
{
	struct history *history = some();
	_cleanup_free_ char *text = json_line(history_json(history));

	cr_expect(strstr(text, "{\"guard\":null,\"verdicts\":{\"saved\":1,\"ended\":0,"), "%s",
		  text);
	cr_expect(strstr(text, "{\"day\":\"2026-02-02\",\"verdicts\""), "%s", text);
	cr_expect(strstr(text, "\"latency_us\":{\"p50\":20.0,\"p95\":30.0,\"p99\":30.0,"
			       "\"p100\":30.0,\"known\":3}"),
		  "%s", text);
	history_free(history);
}

Test(history, as_lines_for_spreadsheets)
{
	struct history_row row = row_of("we\"b", VERDICT_TOO_LATE, 0, 0);
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	snprintf(row.comm, sizeof(row.comm), "=cmd,\n");
	row.shutdown_ns = 1500 * NSEC_PER_USEC;
	cr_expect_eq(history_csv(file, NULL), 0);
	cr_expect_eq(history_csv(file, &row), 0);
	fclose(file);
	cr_expect_str_eq(
		text,
		"time,id,verdict,guard,cgroup,process,latency_us,shutdown_ms,lent_bytes\r\n"
		"2026-01-31T12:00:00.000000Z,0000000000000007,too late,\"we\"\"b\",\"/a\","
		"\"'=cmd,\\n\",,1.500,1048576\r\n",
		"%s", text);
}

/* --- the file ------------------------------------------------------------------------------ */

static char dir[] = "/tmp/apo-history-XXXXXX", path[64];

static void make_dir(void)
{
	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/history.db", dir);
}

static void remove_dir(void)
{
	static const char *const names[] = {"history.db", "history.db-wal", "history.db-shm"};
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unlinkat(fd, names[i], 0);
	close(fd);
	rmdir(dir);
}

#define FileTest(name) Test(history_db, name, .init = make_dir, .fini = remove_dir)

static struct history_db *opened(bool to_write, int expected)
{
	struct history_db *db = NULL;
	const char *why = NULL;

	cr_assert_eq(history_db_open(&db, path, to_write, &why), expected, "%s", why);
	return db;
}

struct rows {
	struct history_row rows[8];
	size_t count;
};

static int collect(const struct history_row *row, void *userdata)
{
	struct rows *rows = userdata;

	rows->rows[rows->count++] = *row;
	return 0;
}

static struct rows read_since(uint64_t since_ns)
{
	struct history_db *db = opened(false, 0);
	struct rows rows = {};
	const char *why = NULL;

	cr_assert_eq(history_db_each(db, since_ns, collect, &rows, &why), 0, "%s", why);
	history_db_close(db);
	return rows;
}

#define ROWS_MAX 1000

static void add(struct history_db *db, uint64_t day)
{
	struct history_row row = row_of("web", VERDICT_DRY_RUN, day, day);
	const char *why = NULL;

	cr_assert_eq(history_db_add(db, &row, ROWS_MAX, &why), 0, "%s", why);
}

/* As a person with sqlite3 would. */
static void by_hand(const char *sql)
{
	sqlite3 *handle;

	cr_assert_eq(sqlite3_open(path, &handle), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK, "%s",
		     sqlite3_errmsg(handle));
	sqlite3_close(handle);
}

FileTest(what_is_written_is_read_while_it_is_written)
{
	struct history_db *db = opened(true, 0);
	struct history_row first = row_of("web", VERDICT_DRY_RUN, 0, 0);
	struct rows rows;
	struct stat st;

	add(db, 0);
	add(db, 1);
	rows = read_since(0);
	cr_assert_eq(rows.count, 2);
	cr_expect(memcmp(&rows.rows[0], &first, sizeof(first)) == 0);
	rows = read_since((NOON + DAY) * NSEC_PER_SEC);
	cr_assert_eq(rows.count, 1);
	cr_expect_eq(rows.rows[0].latency_ns, NSEC_PER_USEC);
	history_db_close(db);
	db = opened(true, 0);
	add(db, 2);
	history_db_close(db);
	cr_expect_eq(read_since(0).count, 3);
	cr_expect(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600, "%o", st.st_mode);
}

FileTest(its_directory_is_made)
{
	char inner[80];
	struct stat st;

	snprintf(inner, sizeof(inner), "%s/inner", dir);
	snprintf(path, sizeof(path), "%s/inner/history.db", dir);
	history_db_close(opened(true, 0));
	cr_expect(stat(inner, &st) == 0 && (st.st_mode & 0777) == 0700, "%o", st.st_mode);
	unlink(path);
	rmdir(inner);
}

FileTest(the_oldest_go)
{
	struct history_db *db = opened(true, 0);
	struct rows rows;

	for (uint64_t day = 0; day < 3; day++)
		add(db, day);
	/* Rows 1, 2, and 1003: the next is 1004. */
	by_hand("UPDATE incidents SET number = 1003 WHERE number = 3");
	add(db, 3);
	history_db_close(db);
	rows = read_since(0);
	cr_assert_eq(rows.count, 2);
	cr_expect_eq(rows.rows[0].id, 9);
	cr_expect_eq(rows.rows[1].id, 10);
}

FileTest(what_is_none_of_ours_is_left_as_it_is)
{
	FILE *file;

	opened(false, -ENOENT);
	history_db_close(opened(true, 0));
	by_hand("PRAGMA user_version = 2");
	opened(true, -EINVAL);
	opened(false, -EINVAL);
	unlink(path);
	by_hand("CREATE TABLE mine (a)");
	opened(true, -EINVAL);
	opened(false, -EINVAL);
	unlink(path);
	file = fopen(path, "w");
	for (int i = 0; i < 1000; i++)
		fputs("no database\n", file);
	fclose(file);
	opened(true, -EINVAL);
	opened(false, -EINVAL);
}
