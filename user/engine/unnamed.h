/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Closed incidents whose process is still being looked at: they are reported, and are reported anew when
 * what is found out has come.
 */
#pragma once

#include "core/incident.h"
#include "profile/inspector.h"
#include "profile/profiler.h"

struct unnamed;

/* Takes the incident and its capture, if there is one, back: with what was found. */
typedef void (*unnamed_fn)(struct incident *incident, struct capture *capture, void *userdata);

/* Takes all of it; without memory they are let go. */
void unnamed_add(struct unnamed **list, struct inspection *inspection, struct incident *incident,
		 struct capture *capture, unnamed_fn fn, void *userdata);
/* NULL: not among them. */
struct incident *unnamed_find(struct unnamed *list, uint64_t id);
/* Nobody waits any more. */
void unnamed_clear(struct unnamed **list);
