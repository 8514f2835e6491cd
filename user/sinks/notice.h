/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of an incident, told where people look: the system's log, and in a container of
 * Kubernetes the termination message of the container. Slow path; never waits, and whoever does not
 * listen is no error.
 */
#pragma once

#include <stdbool.h>

#include "core/incident.h"

/*
 * To the journal, with fields of its own (docs/events.md), or else to syslog. True: the journal has
 * it.
 */
bool notice_log(const struct incident *incident);

/*
 * To /dev/termination-log, if that is there: `kubectl describe pod` shows it. The last incident
 * wins.
 */
void notice_termination(const struct incident *incident);

/* Whether what is written to this descriptor ends up in the journal. */
bool notice_is_journal(int fd);
