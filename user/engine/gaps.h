/* SPDX-License-Identifier: BSD-2-Clause */
/* What is guarded less than was asked for, for a status event. Silent. */
#pragma once

#include "core/status.h"
#include "engine/guards.h"

/* Fills in the gaps. 0 or -ENOMEM; release with gaps_clear() in either case. */
int gaps_read(const struct guards *guards, struct status *status);
void gaps_clear(struct status *status);
