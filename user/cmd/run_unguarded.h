/* SPDX-License-Identifier: BSD-2-Clause */
/* `run` where nothing can be guarded, as there is no limit: the command runs all the same, as under any init of a container. */
#pragma once

#include <signal.h>

#include "core/options.h"

/* The command's exit status, or ours where it could not be started. mask: that it is to have. */
int run_unguarded(const struct options *options, const sigset_t *mask);
