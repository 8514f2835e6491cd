/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Answers GET /metrics by HTTP, and nothing else. On the engine's loop, which no client can hold up: eight of them at a
 * time, each for one request and ten seconds at most; who does not get on is let go of. It wakes the loop only for
 * clients.
 */
#pragma once

#include <uv.h>

#include "core/listen_address.h"

struct metrics_server;

struct metrics_server_config {
	uv_loop_t *loop;	       /* borrowed */
	struct listen_address address; /* its path: borrowed */
	/* The text, which is given away; NULL: it cannot be had. */
	char *(*text)(void *userdata);
	void *userdata;
};

/*
 * Takes the place of a socket that was left at the path. 0 or -errno: -EEXIST, there is something else at that path;
 * -ENOPKG, libmicrohttpd is not there.
 */
int metrics_server_new(struct metrics_server **ret, const struct metrics_server_config *config);
/* Before the loop is closed. The socket goes. Takes NULL. Returns NULL. */
struct metrics_server *metrics_server_free(struct metrics_server *server);
