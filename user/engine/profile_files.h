/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The profiles that are installed (docs/profiles.md): files ending in .conf of lib/apoptosis/profiles.d where
 * the program is installed, and of /etc/apoptosis/profiles.d, of which one takes the place of another of its
 * name, in the order of their names.
 */
#pragma once

#include "core/profiles.h"

#define PROFILES_DIR_OWN "/etc/apoptosis/profiles.d"

/*
 * Reads those of a directory, or, where dir is NULL, those that are installed, of which there may be none.
 * Warns of what makes no sense, and goes on without. 0; or, after an error that is logged, an exit status:
 * EXIT_USAGE for a directory that was named.
 */
int profile_files_read(const char *dir, struct profiles **ret);
