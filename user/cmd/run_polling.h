/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last rung of `run`: where the kernel side cannot be had, the command runs all the same, and the memory of the
 * cgroup we are in is looked at now and then (core/polling.h). Whoever may run the command may do that. The command
 * itself is signalled, once for each crossing of the reserve; there is no loan, and no record of who has grown.
 */
#pragma once

#include <signal.h>

#include "core/options.h"

/* mask: that the command is to have. The exit status: that of the command, or as `run` has it. */
int run_polling(const struct options *options, const sigset_t *mask);
