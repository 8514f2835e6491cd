/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is said on the control socket (docs/control.md): a request is one JSON object in one line, as in
 * {"request": "status"}, the answer another one; any number of them, one after the other. Whoever may connect may
 * ask; what a line is, is not trusted.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define CONTROL_SOCKET "control.sock" /* in the runtime directory */
#define CONTROL_LINE_MAX 4096	      /* of a request, with its end */

enum control_request {
	CONTROL_STATUS = 0, /* the status event */
	CONTROL_REQUESTS,
};

/* The request as a line. The caller frees it. NULL: no memory. */
char *control_request_line(enum control_request request);

/*
 * What is asked for by a line without its end. 0; -EINVAL with what is wrong and what to ask for in *ret_error
 * (freed by the caller); -ENOMEM.
 */
int control_parse(const char *line, size_t size, enum control_request *ret, char **ret_error);

/* {"event": "error", ...}: the answer to what cannot be answered. A new reference; NULL: no memory. */
json_t *control_error_json(uint64_t realtime_ns, const char *error);
