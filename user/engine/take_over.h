/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Incidents that an instance has left open that is gone: what was written of each (engine/handover.h) becomes an
 * open incident of ours, by our policies. Its target is held again, its loan kept, its grace ended in time.
 */
#pragma once

#include "engine/open_incident.h"

/* In front of the list. Once, at the start. */
void take_over_all(const struct open_config *config, struct open_incident **list);
