/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a process may still do that is about to read what is not to be trusted: compute, use the
 * descriptors it has, and end.
 */
#pragma once

#include <stdbool.h>

/*
 * For good. Bounds memory, time and output; gives up user, groups and capabilities as far as there
 * is one that allows it; and all system calls but those that reading and answering take. False: it
 * could still act as root.
 */
bool privileges_drop(void);
