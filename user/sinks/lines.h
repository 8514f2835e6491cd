/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sink of a terminal or a pipe: each event one line, for people or as JSON, whole and at once, so
 * that a reader sees it when it happens. Nothing waits for the reader: one that does not read loses
 * lines, which is logged when it begins and counted when it ends.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/incident.h"
#include "core/status.h"
#include "output/comeback.h"

struct lines {
	FILE *out; /* borrowed; written to by its descriptor only */
	bool json;
	bool colour;
	bool quiet;	  /* for people: only incidents */
	uint64_t dropped; /* lines since `out` last took one; 0 at first, as is `torn` */
	bool torn;	  /* the last line ends in the middle */
};

/* What cannot be written is logged. */
void lines_ready(struct lines *lines, const struct ready *ready);
void lines_status(struct lines *lines, const struct status *status);
void lines_incident(struct lines *lines, const struct incident *incident);
void lines_comeback(struct lines *lines, const struct comeback_event *event);
