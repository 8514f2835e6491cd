/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file of the history, an SQLite database of one table: docs/history.md. Who writes holds up nobody who reads, and
 * the other way round (a write-ahead log). Rows take some 200 bytes each.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/history.h"

#define HISTORY_FILE_DEFAULT "/var/lib/apoptosis/history.db"
#define HISTORY_ROWS_DEFAULT 100000U

struct history_db;

/*
 * Opens it by its whole path; to write makes it (mode 0600), and the directory that it is in. What is wrong in *ret_why, static text; the
 * result is 0 or -errno: -ENOENT, there is none; -EINVAL, it is of a newer version, or no database of ours; -EIO.
 */
int history_db_open(struct history_db **ret, const char *path, bool to_write, const char **ret_why);
/* Takes NULL. Returns NULL. */
struct history_db *history_db_close(struct history_db *db);

/*
 * Of more than rows_max rows the oldest go. 0 or -EIO, with what is wrong in *ret_why, static text: the disk is full, for
 * one.
 */
int history_db_add(struct history_db *db, const struct history_row *row, uint32_t rows_max,
		   const char **ret_why);
/* Calls fn for each row since then, in the order of their verdicts. As above, or what fn returns but 0. */
int history_db_each(struct history_db *db, uint64_t since_realtime_ns,
		    int (*fn)(const struct history_row *row, void *userdata), void *userdata,
		    const char **ret_why);
