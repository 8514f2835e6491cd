/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Metrics for those who collect them: has the file written every quarter of a minute and a second after an incident, and
 * answers who asks by HTTP. On the engine's loop, which it wakes only where somebody wants them. Reading the accounts
 * takes a tenth of a CPU at most, however many limits there are and however often somebody asks.
 */
#pragma once

#include <uv.h>

#include "engine/overview.h"
#include "sinks/sinks.h"

struct exporter;

/* All is borrowed. */
struct exporter_config {
	uv_loop_t *loop;
	const struct overview *overview;
	struct sinks *sinks;
	const char *textfile; /* whole path; NULL: none */
	const char *listen;   /* an address (core/listen_address.h); NULL: nobody is answered */
};

/* 0 or -ENOMEM; what cannot be written is logged. */
int exporter_new(struct exporter **ret, const struct exporter_config *config);
/* Before exec(3): the file stays as it is. exporter_return(): we go on. Take NULL. */
void exporter_leave(struct exporter *exporter);
void exporter_return(struct exporter *exporter);
/* Before the loop is closed. The file goes. Takes NULL. Returns NULL. */
struct exporter *exporter_free(struct exporter *exporter);
