/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finishes the reports of closed incidents: has the places in them named, which takes a while, and
 * writes the file again. Slow path, on the engine's loop.
 */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "core/incident.h"
#include "daemon/recorder.h"
#include "daemon/reporter.h"

struct namer;

/* NULL: no memory. */
struct namer *namer_new(uv_loop_t *loop, struct reporter *reporter);
/* Gives up what is still unnamed. Takes NULL. The loop must be run once more after it. */
struct namer *namer_free(struct namer *namer);

/* Takes both, whatever happens. The incident is closed and its file written, without names. */
void namer_take(struct namer *namer, struct incident *incident, struct capture *capture);
bool namer_is_busy(const struct namer *namer);
