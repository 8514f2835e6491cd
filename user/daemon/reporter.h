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

struct reporter {
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
int reporter_open_dir(const char *path, int *ret_dirfd);

void reporter_ready(struct reporter *reporter, const struct ready *ready);
void reporter_status(struct reporter *reporter, const struct status *status);
/* A trip, warning, verdict or OOM kill. One that is closed also becomes a file, before its line. */
void reporter_incident(struct reporter *reporter, const struct incident *incident);
/* Writes the file of a closed incident, again if it is there: with what has been found out since. */
void reporter_file(const struct reporter *reporter, const struct incident *incident);
