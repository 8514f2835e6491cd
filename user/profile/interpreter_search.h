/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds out where the structures of an interpreter are in a process, by the files that it runs: apoptosis-symbols
 * reads them. As yet CPython's.
 */
#pragma once

#include <uv.h>

#include "apoptosis/abi_profile.h"
#include "profile/snapshot.h"

struct interpreter_search;

/* The start of the process is left out. NULL: nothing was found out. */
typedef void (*interpreter_search_fn)(const struct apo_python *found, void *userdata);

/* NULL: it runs no file that is called like one, or nobody can be asked: two searches may run at a time. */
struct interpreter_search *interpreter_search(uv_loop_t *loop, const struct snapshot *snapshot,
					      interpreter_search_fn done, void *userdata);
/* Without an answer, if there was none yet. Takes NULL. Returns NULL. */
struct interpreter_search *interpreter_search_drop(struct interpreter_search *search);
