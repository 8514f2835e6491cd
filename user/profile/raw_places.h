/* SPDX-License-Identifier: BSD-2-Clause */
/* What is known of stacks that nobody has unwound: the place at which each was sampled. */
#pragma once

#include "profile/profiler.h"

/*
 * Gives each stack of a recording that has no places the innermost one, if it is in a mapping that is
 * known: an address, a module and the offset in its file.
 */
void raw_places_take(struct capture *capture);
