/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The entries of the subcommands: argv[0] is the name of the subcommand, the result the exit
 * status: 0; or EXIT_RUNTIME, EXIT_USAGE, EXIT_CANNOT of base/util.h. `run` returns its command's
 * instead (128 + N if signal N ended it, 127 not found, 126 not executable), `doctor` 1 where
 * protection is partial.
 */
#pragma once

#include "core/commands.h"

#define COMMAND_DECLARE(upper, lower, ...) int cmd_##lower(int argc, char **argv);
COMMANDS_EACH(COMMAND_DECLARE)
#undef COMMAND_DECLARE
