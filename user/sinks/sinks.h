/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where events go: one line each, for people or as JSON, and one file per incident. Part of the
 * slow path; a failure to write is logged and changes nothing else. A reader that does not read
 * loses lines, never files: nothing waits for it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/incident.h"
#include "core/status.h"

struct sinks {
	FILE *out; /* borrowed; written to by its descriptor only */
	bool json;
	bool colour;
	bool quiet;	  /* only incidents */
	bool terminates;  /* what happens to our command is the end of a container, perhaps */
	int report_dirfd; /* of reports.h; -1: no files */
	uint64_t dropped; /* lines since `out` last took one */
	bool torn;	  /* the last line ends in the middle */
};

/*
 * Opens the report directory (made if missing, mode 0700) and tries it with a file. -errno; logs
 * nothing.
 */
int sinks_open_dir(const char *path, int *ret_dirfd);

void sinks_ready(struct sinks *sinks, const struct ready *ready);
void sinks_status(struct sinks *sinks, const struct status *status);
/* A trip, warning, verdict or OOM kill. One that is closed also becomes a file, before its line. */
void sinks_incident(struct sinks *sinks, const struct incident *incident);
/* Writes the file of a closed incident, again if it is there: with what has been found out since. */
void sinks_file(const struct sinks *sinks, const struct incident *incident);
