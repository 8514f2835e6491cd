/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets with a name in a directory, however long its path is. */
#pragma once

#include <sys/stat.h>
#include <sys/un.h>

/* By the descriptor of its directory, as long as that is open. */
struct sockaddr_un unix_socket_address(int dirfd, const char *name);

/*
 * A socket of streams that is not listening yet, in the place of one that was left there: who connects meets the one
 * or the other. A descriptor that does not block, or -errno: -EEXIST, there is something else of that name.
 */
int unix_socket_bind(int dirfd, const char *name, mode_t mode);
