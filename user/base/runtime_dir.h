/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * $RUNTIME_DIRECTORY, as systemd names it, or /run/apoptosis: what is kept until the next boot, which is root's: raised
 * limits, open trips, the lock of the daemon, its socket.
 */
#pragma once

#include <stdbool.h>

/* For who writes there; with `make` it is made if need be (mode 0700). -errno: it cannot be made or written. */
int runtime_dir_open(bool make, int *ret_dirfd);
/* For who may only pass through it: O_PATH. -errno. */
int runtime_dir_pass(int *ret_dirfd);
