/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who hears of incidents. Each sink is a module: report_dir, termination, journald, lines, notifier, pressure; here is
 * which
 * of them hear of what, and in which order. Part of the slow path. Nothing waits for a reader, and a
 * failure to write is logged and changes nothing else.
 */
#pragma once

#include <stdbool.h>

#include "core/incident.h"
#include "core/status.h"
#include "core/policy_set.h"
#include "output/comeback.h"
#include "sinks/history_sink.h"
#include "sinks/lines.h"
#include "sinks/metrics_file.h"
#include "sinks/notifier.h"
#include "sinks/pressure.h"
#include "sinks/report_dir.h"

struct sinks {
	struct lines lines;
	int report_dirfd; /* of report_dir_open(); -1: no files */
	struct report_bounds report_bounds;
	struct history_sink *history;		  /* NULL: none is kept */
	struct notifier *notifier;		  /* NULL: no hooks */
	struct pressure *pressure;		  /* NULL: nobody can watch */
	struct history_row recent[STATUS_RECENT]; /* the last verdicts, the oldest first */
	size_t recent_count;
	struct measures measures;
	struct metrics_file *metrics; /* NULL: none are written */
	const char *metrics_unserved; /* see struct status_self */
	/* After each trip, warning, verdict and OOM kill; NULL: nobody wants to know. */
	void (*on_incident)(void *userdata);
	void *userdata;
	bool terminates; /* what happens to our command is the end of a container, perhaps */
};

/*
 * The directory of reports (NULL: none are kept). One that is wanted, and cannot be written, is an error; else there
 * are none then, which is logged. The exit status.
 */
int sinks_open_reports(struct sinks *sinks, const char *dir, bool is_wanted,
		       const struct report_bounds *bounds);
/* The file of the history. What goes wrong is logged. */
void sinks_open_history(struct sinks *sinks, const char *path, uint32_t rows_max);
/* The file of the metrics, likewise. */
void sinks_open_metrics(struct sinks *sinks, const char *path);
/* What it has been given is written first. */
void sinks_close_history(struct sinks *sinks);

/* Those who can give memory back. What goes wrong is logged. */
void sinks_open_pressure(struct sinks *sinks, const struct pressure_config *config);
/* Hooks, if they are wanted. What goes wrong is logged. */
void sinks_open_notifier(struct sinks *sinks, uv_loop_t *loop,
			 const struct notifier_config *config);
/* Hooks that run are killed, who watches is let go: before the loop is closed. */
void sinks_close_notifier(struct sinks *sinks);
/* From now on hooks that wait or run have some seconds; whether there are any. */
void sinks_end_notifier(const struct sinks *sinks);
/* It was no end. */
void sinks_return_notifier(const struct sinks *sinks);
bool sinks_are_busy(const struct sinks *sinks);

void sinks_ready(struct sinks *sinks, const struct ready *ready);
void sinks_status(struct sinks *sinks, const struct status *status);
/*
 * A trip, warning, verdict or OOM kill. One that is closed becomes a file first, then the termination
 * message, then a message in the journal; then comes its line, unless the journal would have it twice. Hooks
 * are told last.
 */
void sinks_incident(struct sinks *sinks, const struct incident *incident);
/* The loan of a closed incident is over: its file says so. */
void sinks_payback(const struct sinks *sinks, uint64_t id, const struct loan_facts *loan);
/* What became of the service of a closed incident: its file, then the journal and the line, as above. */
void sinks_comeback(struct sinks *sinks, const struct comeback_event *event);
/* Writes the file of a closed incident, again if it is there: with what has been found out since. */
void sinks_file(const struct sinks *sinks, const struct incident *incident);
