/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Gives the places of a recording their names. The work is done by apoptosis-symbols, a program
 * without privileges, at idle priority, that is killed when it takes too long: the files are the
 * target's, and not to be trusted. Slow path, asynchronous, on the engine's loop.
 */
#pragma once

#include <uv.h>

#include "profile/profiler.h"

/*
 * Called once, from the loop: with names, or with the recording's `trouble` saying why not.
 */
typedef void (*symbolizer_fn)(void *userdata);

struct symbolizer;

/* NULL: it could not be started; `trouble` says why, and done is not called. */
struct symbolizer *symbolizer_start(uv_loop_t *loop, struct capture *capture, symbolizer_fn done,
				    void *userdata);
/* Ends it without a call of done; takes NULL. For one whose done has been called: nothing to do. */
void symbolizer_stop(struct symbolizer *symbolizer);
