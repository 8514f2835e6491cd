/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Gives up privileges before untrusted files are read. Afterwards the process can compute, use the
 * descriptors it has, and end.
 */
#pragma once

#include <stdbool.h>

/*
 * Bounds memory, time and output; gives up capabilities, user and groups, these two where that is
 * permitted; and allows only the system calls that reading and replying take. There is no way back.
 * False: the process could still act as root.
 */
bool privileges_drop(void);
