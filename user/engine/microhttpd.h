/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libmicrohttpd, loaded only where it is asked for: with it comes a library for TLS and what that needs, nearly 3 MiB in a
 * process that else takes 7, and every command and helper of this program would start with it.
 */
#pragma once

#include <microhttpd.h>

#define MICROHTTPD_SONAME "libmicrohttpd.so.12"

/* Its functions, by their names without MHD_. */
#define MICROHTTPD_EACH(f)                                                                   \
	f(start_daemon) f(stop_daemon) f(run) f(get_timeout) f(get_daemon_info)              \
		f(get_connection_info) f(create_response_from_buffer) f(add_response_header) \
			f(queue_response) f(destroy_response)

struct microhttpd {
	void *handle;
#define MICROHTTPD_MEMBER(name) __typeof__(&MHD_##name) name;
	MICROHTTPD_EACH(MICROHTTPD_MEMBER)
#undef MICROHTTPD_MEMBER
};

/* 0; -ENOENT: it is not there, or lacks one of them. It stays loaded. */
int microhttpd_load(struct microhttpd *ret);
