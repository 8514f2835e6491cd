/* SPDX-License-Identifier: BSD-2-Clause */
/* `apoptosis run`: starts a command guarded, as its parent or as the init of its container. */
#pragma once

/*
 * argv[0] is "run". The command's exit status (128 + N if signal N ended it, 127 not found, 126
 * not executable); 2 bad usage, 3 no protection here: then the command was not started.
 */
int cmd_run(int argc, char **argv);
