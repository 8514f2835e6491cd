/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks the daemon that runs here, by its control socket. */
#pragma once

#include <jansson.h>

#include "output/control.h"

struct client;

/* An exit status: EXIT_ABSENT, EXIT_DENIED, after a line that says what to do; EXIT_RUNTIME. */
int client_open(struct client **ret);
/* Takes NULL. Returns NULL. */
struct client *client_close(struct client *client);

/* The answer, a new reference. The exit status, as above, without a line: that is client_why(). */
int client_ask(struct client *client, enum control_request request, json_t **ret);
/* What is wrong and what to do, of the last request that failed; the client's, until the next. */
const char *client_why(const struct client *client);
