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

/* The answer, a new reference. The exit status: EXIT_RUNTIME after a line that says why. */
int client_ask(struct client *client, enum control_request request, json_t **ret);
