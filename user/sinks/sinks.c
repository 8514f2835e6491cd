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
#include "sinks/report_dir.h"
#include "sinks/termination.h"

/* The line that people see, without colour and line break. */
static int line_of(const struct incident *incident, char **ret)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *memory = open_memstream(&text, &size);
	int r = memory ? event_line(memory, incident, false) : -ENOMEM;

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
	int r = line_of(incident, &line);

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
		report_dir_write(sinks->report_dirfd, incident);
}

void sinks_payback(const struct sinks *sinks, uint64_t id, const struct loan_facts *loan)
{
	if (sinks->report_dirfd >= 0)
		report_dir_amend(sinks->report_dirfd, id, loan);
}

void sinks_incident(struct sinks *sinks, const struct incident *incident)
{
	bool in_journal = false;

	sinks_file(sinks, incident);
	if (incident->verdict != VERDICT_OPEN)
		in_journal = tell_system(sinks, incident);
	if (in_journal && !sinks->lines.json && journald_reads(fileno(sinks->lines.out)))
		return; /* it would be there twice */
	lines_incident(&sinks->lines, incident);
}

void sinks_ready(struct sinks *sinks, const struct ready *ready)
{
	lines_ready(&sinks->lines, ready);
}

void sinks_status(struct sinks *sinks, const struct status *status)
{
	lines_status(&sinks->lines, status);
}
