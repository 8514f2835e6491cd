/* SPDX-License-Identifier: BSD-2-Clause */
/* Where metrics are served: a socket in the file system, or a port of this machine that only it reaches. Pure. */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

struct listen_address {
	const char *path; /* whole, of a socket; points into the text. NULL: a port */
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} port;
	socklen_t size; /* of that */
};

/*
 * "unix:/PATH", "127.0.0.1:PORT", "[::1]:PORT". 0; -EINVAL, and where that is known static text about it in *ret_why.
 */
int listen_address_parse(const char *text, struct listen_address *ret, const char **ret_why);
