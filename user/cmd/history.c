// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "cmd/common.h"
#include "output/history.h"
#include "output/json.h"
#include "sinks/history_db.h"

/* What is wrong with a file that cannot be read. The exit status. */
static int refuse(const char *path, int error, const char *why)
{
	log_error("cannot read the history in %s: %s; %s", path, why,
		  error == -ENOENT
			  ? "the daemon keeps it from its first verdict on: give the --history "
			    "that it was given, or ask as root"
			  : "give a file that the daemon of this version has written");
	return error == -EIO || error == -ENOMEM ? EXIT_RUNTIME : EXIT_USAGE;
}

/* userdata: nothing. */
static int print_row(const struct history_row *row, void *userdata)
{
	(void)userdata;
	return history_csv(stdout, row);
}

static int add_row(const struct history_row *row, void *userdata)
{
	return history_add(userdata, row);
}

/* As sums, after all rows are read. */
static int print_sums(struct history *history, bool json)
{
	return json ? json_write_line_new(stdout, history_json(history))
		    : history_text(stdout, history, common_terminal().colour);
}

static int show(struct history_db *db, const char *path, const struct options *options)
{
	struct history *history = history_new();
	uint64_t now_ns = clock_ns(CLOCK_REALTIME);
	uint64_t since_ns = options->since_ns ? sat_sub(now_ns, options->since_ns) : 0;
	const char *why = NULL;
	int r = history ? 0 : -ENOMEM;

	if (!r && options->csv)
		r = history_csv(stdout, NULL);
	if (!r)
		r = history_db_each(db, since_ns, options->csv ? print_row : add_row, history,
				    &why);
	if (!r && !options->csv)
		r = print_sums(history, options->json);
	history_free(history);
	return why ? refuse(path, r, why) : common_written(r);
}

int cmd_history(int argc, char **argv)
{
	struct history_db *db = NULL;
	struct options options;
	const char *path, *why;
	int r, status = common_options(COMMAND_HISTORY, argc, argv, &options);

	if (status >= 0)
		return status;
	path = options.history ?: HISTORY_FILE_DEFAULT;
	r = history_db_open(&db, path, false, &why);
	status = r ? refuse(path, r, why) : show(db, path, &options);
	history_db_close(db);
	return status;
}
