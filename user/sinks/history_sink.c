// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/history_sink.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/outbox.h"
#include "base/util.h"
#include "base/wake.h"
#include "base/worker.h"
#include "sinks/history_db.h"

#define STACK_BYTES (256UL * 1024)

_Static_assert(sizeof(struct history_row) <= PIPE_BUF, "a row is written whole");

struct history_sink {
	struct worker worker;
	struct outbox rows;
	char *path;
	uint32_t rows_max;
	const char *trouble;   /* atomic */
	struct history_db *db; /* the thread's; NULL: not open */
};

/* Said when it begins and when it ends, since it may be so for each row. */
static void set_trouble(struct history_sink *sink, const char *why)
{
	const char *before = __atomic_load_n(&sink->trouble, __ATOMIC_RELAXED);

	if (why && !before)
		log_warn("cannot write the history to %s: %s: verdicts are missing there from now "
			 "on, all else goes on",
			 sink->path, why);
	else if (!why && before)
		log_warn("the history is written again");
	__atomic_store_n(&sink->trouble, why, __ATOMIC_RELAXED);
}

/* What cannot be written now is tried anew with the next row: the disk may have been full. */
static void write_row(struct history_sink *sink, const struct history_row *row)
{
	const char *why = NULL;
	int r = sink->db ? 0 : history_db_open(&sink->db, sink->path, true, &why);

	if (!r)
		r = history_db_add(sink->db, row, sink->rows_max, &why);
	if (r)
		sink->db = history_db_close(sink->db);
	set_trouble(sink, r ? why : NULL);
}

static void *work(void *userdata)
{
	struct history_sink *sink = userdata;
	struct pollfd fds[] = {{.fd = sink->worker.wake_fd, .events = POLLIN},
			       {.fd = outbox_fd(&sink->rows), .events = POLLIN}};
	struct history_row row;

	(void)sched_setscheduler(0, SCHED_BATCH, &(const struct sched_param){});
	while (worker_goes_on(&sink->worker)) {
		poll(fds, ARRAY_SIZE(fds), -1);
		if (fds[0].revents)
			wake_clear(sink->worker.wake_fd);
		while (outbox_take(&sink->rows, &row))
			write_row(sink, &row);
		worker_turned(&sink->worker);
	}
	while (outbox_take(&sink->rows, &row))
		write_row(sink, &row);
	sink->db = history_db_close(sink->db);
	return NULL;
}

static int start(struct history_sink *sink, const char *path)
{
	int r = outbox_open(&sink->rows, sizeof(struct history_row));

	sink->path = strdup(path);
	if (!r && !sink->path)
		r = -ENOMEM;
	return r	 ?: worker_open(&sink->worker, "apo-history")
			 ?: worker_start(&sink->worker, STACK_BYTES, work, sink);
}

int history_sink_new(struct history_sink **ret, const char *path, uint32_t rows_max)
{
	struct history_sink *sink = calloc(1, sizeof(*sink));
	int r;

	if (!sink)
		return -ENOMEM;
	sink->worker = WORKER_NONE;
	sink->rows = OUTBOX_NONE;
	sink->rows_max = rows_max;
	r = start(sink, path);
	if (r)
		sink = history_sink_free(sink);
	*ret = sink;
	return r;
}

struct history_sink *history_sink_free(struct history_sink *sink)
{
	if (!sink)
		return NULL;
	worker_close(&sink->worker);
	outbox_close(&sink->rows);
	free(sink->path);
	free(sink);
	return NULL;
}

void history_sink_add(struct history_sink *sink, const struct history_row *row)
{
	uint64_t lost = outbox_lost(&sink->rows);

	outbox_put(&sink->rows, row);
	if (!lost && outbox_lost(&sink->rows))
		log_warn("the disk is too slow for the history in %s: verdicts are missing there",
			 sink->path);
}

const char *history_sink_trouble(const struct history_sink *sink)
{
	const char *why = __atomic_load_n(&sink->trouble, __ATOMIC_RELAXED);

	return why			  ? why
	       : outbox_lost(&sink->rows) ? "the disk was too slow for some verdicts"
					  : NULL;
}
