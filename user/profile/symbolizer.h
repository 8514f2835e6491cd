/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Gives the places of a recording their names. The work is done by apoptosis-symbols, a program
 * without privileges, at idle priority, that is killed when it takes too long: the files are the
 * target's, and not to be trusted. Slow path, asynchronous, on the engine's loop.
 */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "profile/profiler.h"

/*
 * Called from the loop: the recording has names, or its `trouble` says why not, and the symbolizer is no
 * more. With is_stuck it is called once more when that is so: its process has been killed and does not
 * end, because a file system does not answer. The capture is not touched any more then.
 */
typedef void (*symbolizer_fn)(bool is_stuck, void *userdata);

struct symbolizer;

/* NULL: it could not be started; `trouble` says why, and done is not called. */
struct symbolizer *symbolizer_start(uv_loop_t *loop, struct capture *capture, symbolizer_fn done,
				    void *userdata);
/* Ends it without a call of done; takes NULL. */
void symbolizer_stop(struct symbolizer *symbolizer);
