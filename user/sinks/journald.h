/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sink of the system's log: the journal, with fields of its own (docs/events.md), or else syslog.
 * Never waits; a log that is not there, or does not take it, is passed over.
 */
#pragma once

#include <stdbool.h>

#include "core/incident.h"

/* line: for people, one line. Returns whether the journal has it. */
bool journald_incident(const struct incident *incident, const char *line);

/* Whether what is written to this descriptor ends up in the journal. */
bool journald_reads(int fd);
