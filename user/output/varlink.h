/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages of Varlink, the protocol of systemd's services: JSON objects, each ended by NUL. As much of it as a service
 * of one method needs. Pure.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

#define VARLINK_MESSAGE_MAX 8192 /* with its NUL, of those that we take */

/*
 * A call, `size` bytes without the NUL: its method, "io.systemd.oom.Prekill.Notify", and its parameters, both as long
 * as the document, which is the caller's. NULL: it is none.
 */
json_t *varlink_call(const char *text, size_t size, const char **ret_method,
		     const json_t **ret_parameters);

/* Answers, with their NUL at the end, allocated; NULL: no memory. That it is done; and that it cannot be. */
char *varlink_done(void);
/* name: "org.varlink.service.MethodNotFound"; of which parameter, by its name (NULL: of none), and its value. */
char *varlink_error(const char *name, const char *parameter, const char *value);
