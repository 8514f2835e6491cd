// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/history_db.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"

#define VERSION 1    /* of the table; another one is another number here and a step in prepare() */
#define BUSY_MS 2000 /* another writer, such as a person with sqlite3 */
#define CACHE_KIB "256" /* of the 2 MiB that it would take */

struct history_db {
	sqlite3 *handle;
	sqlite3_stmt *insert, *prune;
};

static const char table[] =
	"BEGIN IMMEDIATE; "
	"CREATE TABLE IF NOT EXISTS incidents ("
	"number INTEGER PRIMARY KEY AUTOINCREMENT, time_ns INTEGER NOT NULL, id INTEGER NOT NULL, "
	"verdict TEXT NOT NULL, guard TEXT NOT NULL, cgroup TEXT NOT NULL, comm TEXT NOT NULL, "
	"latency_ns INTEGER, shutdown_ns INTEGER, lent_bytes INTEGER NOT NULL);"
	"CREATE INDEX IF NOT EXISTS incidents_by_time ON incidents (time_ns); "
	"PRAGMA user_version = 1; COMMIT";

/* 0, or the error with its words. */
static int result(int code, const char **ret_why)
{
	if (code == SQLITE_OK || code == SQLITE_DONE || code == SQLITE_ROW)
		return 0;
	*ret_why = sqlite3_errstr(code);
	return code == SQLITE_CANTOPEN				 ? -ENOENT
	       : code == SQLITE_NOTADB || code == SQLITE_CORRUPT ? -EINVAL
								 : -EIO;
}

static int execute(struct history_db *db, const char *sql, const char **ret_why)
{
	return result(sqlite3_exec(db->handle, sql, NULL, NULL, NULL), ret_why);
}

static int read_number(struct history_db *db, const char *sql, int *ret, const char **ret_why)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		*ret = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	return result(code, ret_why);
}

/* A file that is new has neither a version nor a schema. */
static int check_version(struct history_db *db, bool to_write, const char **ret_why)
{
	int version = 0, schema = 0;
	int r = read_number(db, "PRAGMA user_version", &version, ret_why)
			?: read_number(db, "PRAGMA schema_version", &schema, ret_why);
	bool is_new = !version && !schema;

	if (r || version == VERSION || (is_new && to_write))
		return r;
	*ret_why = version > VERSION ? "it is of a newer version" : "it is no history";
	return -EINVAL;
}

/*
 * The log is written through when it is taken into the file, not at each row: after a loss of power the last rows may
 * be missing, and the file is whole.
 */
static int prepare_to_write(struct history_db *db, const char **ret_why)
{
	int r = execute(db,
			"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; "
			"PRAGMA cache_size = -" CACHE_KIB "; PRAGMA journal_size_limit = 1048576;",
			ret_why)
			?: execute(db, table, ret_why);
	int code;

	if (r)
		return r;
	code = sqlite3_prepare_v2(db->handle,
				  "INSERT INTO incidents VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, "
				  "?8, ?9)",
				  -1, &db->insert, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_prepare_v2(db->handle,
					  "DELETE FROM incidents WHERE number <= "
					  "last_insert_rowid() - ?1",
					  -1, &db->prune, NULL);
	return result(code, ret_why);
}

/* SQLite would make it readable for all. Its directory is made, too, if only that is missing. */
static int make_file(const char *path, const char **ret_why)
{
	_cleanup_free_ char *dir = strndup(path, (size_t)(strrchr(path, '/') - path));
	int fd;

	if (dir && *dir && mkdir(dir, 0700) && errno != EEXIST) {
		*ret_why = strerrordesc_np(errno);
		return -errno;
	}
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		*ret_why = strerrordesc_np(errno);
		return -errno;
	}
	close(fd);
	return 0;
}

static int open_file(struct history_db *db, const char *path, bool to_write, const char **ret_why)
{
	int flags = to_write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
	int r = to_write ? make_file(path, ret_why) : 0;

	if (!r)
		r = result(sqlite3_open_v2(path, &db->handle, flags | SQLITE_OPEN_NOMUTEX, NULL),
			   ret_why);
	if (!r)
		r = result(sqlite3_busy_timeout(db->handle, BUSY_MS), ret_why);
	if (!r)
		r = check_version(db, to_write, ret_why);
	if (!r && to_write)
		r = prepare_to_write(db, ret_why);
	return r;
}

int history_db_open(struct history_db **ret, const char *path, bool to_write, const char **ret_why)
{
	struct history_db *db = calloc(1, sizeof(*db));
	int r;

	*ret_why = "out of memory";
	if (!db)
		return -ENOMEM;
	r = open_file(db, path, to_write, ret_why);
	if (r)
		db = history_db_close(db);
	*ret = db;
	return r;
}

struct history_db *history_db_close(struct history_db *db)
{
	if (!db)
		return NULL;
	sqlite3_finalize(db->insert);
	sqlite3_finalize(db->prune);
	sqlite3_close(db->handle);
	free(db);
	return NULL;
}

/* --- rows ---------------------------------------------------------------------------------- */

enum column { TIME = 1, ID, VERDICT, GUARD, CGROUP, COMM, LATENCY, SHUTDOWN, LENT };

/* 0 is not known. */
static int bind_span(sqlite3_stmt *statement, enum column column, uint64_t ns)
{
	return ns ? sqlite3_bind_int64(statement, column, (sqlite3_int64)ns)
		  : sqlite3_bind_null(statement, column);
}

static int bind_text(sqlite3_stmt *statement, enum column column, const char *text)
{
	return sqlite3_bind_text(statement, column, text, -1, SQLITE_STATIC);
}

static int bind_row(sqlite3_stmt *statement, const struct history_row *row)
{
	int code = sqlite3_bind_int64(statement, TIME, (sqlite3_int64)row->realtime_ns);

	code = code ?: sqlite3_bind_int64(statement, ID, (sqlite3_int64)row->id);
	code = code ?: bind_text(statement, VERDICT, verdict_name(row->verdict));
	code = code ?: bind_text(statement, GUARD, row->guard);
	code = code ?: bind_text(statement, CGROUP, row->cgroup);
	code = code ?: bind_text(statement, COMM, row->comm);
	code = code ?: bind_span(statement, LATENCY, row->latency_ns);
	code = code ?: bind_span(statement, SHUTDOWN, row->shutdown_ns);
	return code ?: sqlite3_bind_int64(statement, LENT, (sqlite3_int64)row->lent_bytes);
}

static int run(sqlite3_stmt *statement, const char **ret_why)
{
	int r = result(sqlite3_step(statement), ret_why);

	sqlite3_reset(statement);
	return r;
}

int history_db_add(struct history_db *db, const struct history_row *row, uint32_t rows_max,
		   const char **ret_why)
{
	int r = result(bind_row(db->insert, row), ret_why) ?: run(db->insert, ret_why);

	if (!r)
		r = result(sqlite3_bind_int64(db->prune, 1, rows_max), ret_why);
	return r ?: run(db->prune, ret_why);
}

static void copy_text(char *to, size_t size, sqlite3_stmt *statement, enum column column)
{
	const char *text = (const char *)sqlite3_column_text(statement, column);

	snprintf(to, size, "%s", text ?: "");
}

static enum verdict verdict_of(const char *name)
{
	for (enum verdict verdict = VERDICT_OPEN; verdict < VERDICTS; verdict++)
		if (name && strcmp(verdict_name(verdict), name) == 0)
			return verdict;
	return VERDICT_OPEN;
}

static struct history_row row_of(sqlite3_stmt *statement)
{
	struct history_row row = {
		.realtime_ns = (uint64_t)sqlite3_column_int64(statement, TIME),
		.id = (uint64_t)sqlite3_column_int64(statement, ID),
		.verdict = verdict_of((const char *)sqlite3_column_text(statement, VERDICT)),
		.latency_ns = (uint64_t)sqlite3_column_int64(statement, LATENCY),
		.shutdown_ns = (uint64_t)sqlite3_column_int64(statement, SHUTDOWN),
		.lent_bytes = (uint64_t)sqlite3_column_int64(statement, LENT),
	};

	copy_text(row.guard, sizeof(row.guard), statement, GUARD);
	copy_text(row.cgroup, sizeof(row.cgroup), statement, CGROUP);
	copy_text(row.comm, sizeof(row.comm), statement, COMM);
	return row;
}

int history_db_each(struct history_db *db, uint64_t since_realtime_ns,
		    int (*fn)(const struct history_row *row, void *userdata), void *userdata,
		    const char **ret_why)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(db->handle,
				      "SELECT * FROM incidents WHERE time_ns >= ?1 ORDER BY number",
				      -1, &statement, NULL);
	int r = 0;

	if (code == SQLITE_OK)
		code = sqlite3_bind_int64(statement, 1, (sqlite3_int64)since_realtime_ns);
	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	while (!r && code == SQLITE_ROW) {
		struct history_row row = row_of(statement);

		r = fn(&row, userdata);
		code = sqlite3_step(statement);
	}
	sqlite3_finalize(statement);
	return r ?: result(code, ret_why);
}
