/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files NAME.conf of several directories, taken together in the order of their names, as systemd takes its drop-ins: of
 * one name the first directory's counts, and one that is empty, or a link to /dev/null, masks the others.
 */
#pragma once

#include <stddef.h>

/*
 * Calls fn for each file that counts; dir is the index of its directory. dirfds: open directories, -1: none there.
 * Ends with what fn returns, if that is not 0. 0 or -errno.
 */
typedef int (*drop_in_fn)(int dirfd, size_t dir, const char *name, void *userdata);
int drop_ins_each(const int dirfds[], size_t count, drop_in_fn fn, void *userdata);
