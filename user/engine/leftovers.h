/* SPDX-License-Identifier: BSD-2-Clause */
/* What an instance that was killed has left, for where no other one follows. */
#pragma once

/*
 * Removes the programs that are kept below that directory (NULL: nowhere), and puts back what limits are still raised.
 * 1: there was something of the former; 0; or -errno, of the former too.
 */
int leftovers_remove(const char *pin_dir);
