/* SPDX-License-Identifier: BSD-2-Clause */
/* One daemon at a time, by a lock on a file of the runtime directory. */
#pragma once

/*
 * The descriptor holds the lock until it is closed, or this process becomes another program; -1, with a warning, where
 * there is no runtime directory. 0, or the exit status after a line that says why.
 */
int only_one_lock(int *ret_fd);
