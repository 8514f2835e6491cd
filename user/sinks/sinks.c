// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/sinks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "output/event.h"
#include "sinks/journald.h"
#include "sinks/termination.h"

int sinks_open_reports(struct sinks *sinks, const char *dir, bool is_wanted,
		       const struct report_bounds *bounds)
{
	int r = !dir	    ? 0
		: is_wanted ? report_dir_open(dir, &sinks->report_dirfd)
			    : report_dir_open_default(&sinks->report_dirfd);

	sinks->report_bounds = *bounds;
	if (!r)
		return 0;
	if (is_wanted) {
		log_error("cannot write reports to %s: %s (--report-dir wants a directory that is "
			  "writable)",
			  dir, strerror(-r));
		return EXIT_USAGE;
	}
	log_info("no reports are kept: cannot write to %s: %s (--report-dir names another place)",
		 dir, strerror(-r));
	return 0;
}

void sinks_open_history(struct sinks *sinks, const char *path, uint32_t rows_max)
{
	int r = history_sink_new(&sinks->history, path, rows_max);

	if (r)
		log_warn("no history is kept: %s, ignoring", strerror(-r));
}

void sinks_open_metrics(struct sinks *sinks, const char *path)
{
	int r = metrics_file_new(&sinks->metrics, path);

	if (r)
		log_warn("no metrics are written: %s, ignoring", strerror(-r));
}

void sinks_close_history(struct sinks *sinks)
{
	sinks->history = history_sink_free(sinks->history);
}

void sinks_open_pressure(struct sinks *sinks, const struct pressure_config *config)
{
	int r;

	if (config->fd < 0) {
		pressure_let_go(config->watchers_fd);
		return;
	}
	r = pressure_new(&sinks->pressure, config);
	if (r)
		log_warn("nobody is told when memory gets scarce: %s, ignoring", strerror(-r));
}

void sinks_open_notifier(struct sinks *sinks, uv_loop_t *loop, const struct notifier_config *config)
{
	int r = config->command || config->url ? notifier_new(&sinks->notifier, loop, config) : 0;

	if (r)
		log_warn("no hooks are run: %s, ignoring", strerror(-r));
}

void sinks_close_notifier(struct sinks *sinks)
{
	sinks->notifier = notifier_free(sinks->notifier);
	sinks->pressure = pressure_free(sinks->pressure);
}

void sinks_end_notifier(const struct sinks *sinks)
{
	if (sinks->notifier)
		notifier_end(sinks->notifier);
}

void sinks_return_notifier(const struct sinks *sinks)
{
	if (sinks->notifier)
		notifier_return(sinks->notifier);
	pressure_return(sinks->pressure);
}

bool sinks_are_busy(const struct sinks *sinks)
{
	return sinks->notifier && notifier_is_busy(sinks->notifier);
}

static int print_incident(FILE *file, const void *incident)
{
	return event_message(file, incident);
}

static int print_comeback(FILE *file, const void *event)
{
	return comeback_line(file, event, false);
}

/* A line without colour and line break. */
static int line_of(const void *event, int (*print)(FILE *file, const void *event), char **ret)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *memory = open_memstream(&text, &size);
	int r = memory ? print(memory, event) : -ENOMEM;

	if (memory && fclose(memory) && !r)
		r = -ENOMEM;
	if (r)
		return r;
	text[strcspn(text, "\n")] = '\0';
	*ret = TAKE_PTR(text);
	return 0;
}

/* Returns whether the journal has it. */
static bool tell_system(const struct sinks *sinks, const struct incident *incident)
{
	_cleanup_free_ char *line = NULL;
	int r = line_of(incident, print_incident, &line);

	if (r) {
		log_warn("cannot write an event to the journal: %s, ignoring", strerror(-r));
		return false;
	}
	if (sinks->terminates)
		termination_write(line);
	return journald_incident(incident, line);
}

void sinks_file(const struct sinks *sinks, const struct incident *incident)
{
	if (sinks->report_dirfd >= 0 && incident->verdict != VERDICT_OPEN)
		report_dir_write(sinks->report_dirfd, incident, &sinks->report_bounds);
}

void sinks_payback(const struct sinks *sinks, uint64_t id, const struct loan_facts *loan)
{
	if (sinks->report_dirfd >= 0)
		report_dir_amend(sinks->report_dirfd, id, &(const struct amendment){.loan = loan});
}

/* Whether its line would be there twice. */
static bool is_in_lines(const struct sinks *sinks, bool in_journal)
{
	return in_journal && !sinks->lines.json && journald_reads(fileno(sinks->lines.out));
}

void sinks_comeback(struct sinks *sinks, const struct comeback_event *event)
{
	_cleanup_free_ char *line = NULL;
	bool in_journal = false;

	if (sinks->report_dirfd >= 0)
		report_dir_amend(sinks->report_dirfd, event->id,
				 &(const struct amendment){.comeback = event->comeback});
	if (!line_of(event, print_comeback, &line))
		in_journal = journald_comeback(event, line);
	if (!is_in_lines(sinks, in_journal))
		lines_comeback(&sinks->lines, event);
}

static void remember(struct sinks *sinks, const struct incident *incident)
{
	struct history_row row = history_row(incident, incident->guard);

	if (sinks->history)
		history_sink_add(sinks->history, &row);
	measures_close(&sinks->measures, &row);
	if (sinks->recent_count == STATUS_RECENT) {
		sinks->recent_count--;
		memmove(sinks->recent, sinks->recent + 1, sinks->recent_count * sizeof(row));
	}
	sinks->recent[sinks->recent_count++] = row;
}

void sinks_incident(struct sinks *sinks, const struct incident *incident)
{
	bool in_journal = false;

	if (incident->verdict == VERDICT_OPEN && incident->rule == APO_RULE_WARN) {
		if (sinks->pressure) /* before anybody who may take his time */
			pressure_tell(sinks->pressure, incident->limit_cgroup);
		if (incident->is_unasked)
			return;
	}
	sinks_file(sinks, incident);
	if (incident->verdict == VERDICT_OPEN) {
		measures_open(&sinks->measures, incident->rule);
	} else {
		remember(sinks, incident);
		in_journal = tell_system(sinks, incident);
	}
	if (!is_in_lines(sinks, in_journal))
		lines_incident(&sinks->lines, incident);
	if (sinks->on_incident)
		sinks->on_incident(sinks->userdata);
	if (sinks->notifier)
		notifier_tell(sinks->notifier, incident, incident->guard);
}

void sinks_ready(struct sinks *sinks, const struct ready *ready)
{
	lines_ready(&sinks->lines, ready);
}

void sinks_status(struct sinks *sinks, const struct status *status)
{
	lines_status(&sinks->lines, status);
}
