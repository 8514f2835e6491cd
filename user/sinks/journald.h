/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sink of the system's log: the journal, with fields of its own (docs/reports.md), or else syslog.
 * Never waits; a log that is not there, or does not take it, is passed over.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "core/incident.h"
#include "output/comeback.h"

/* The entry, in the journal's own protocol. line: for people, one line. */
void journald_print(FILE *file, const struct incident *incident, const char *line);

/* What became of the service of an incident, as above. */
void journald_print_comeback(FILE *file, const struct comeback_event *event, const char *line);

/* Return whether the journal has it. */
bool journald_incident(const struct incident *incident, const char *line);
bool journald_comeback(const struct comeback_event *event, const char *line);

/* Whether what is written to this descriptor ends up in the journal. */
bool journald_reads(int fd);
