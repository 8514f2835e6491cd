/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/listen_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"

#define UNIX "unix:"
#define V4 "127.0.0.1:"
#define V6 "[::1]:"
#define PORT_MAX 65535

static int parse_path(const char *path, struct listen_address *ret, const char **ret_why)
{
	if (*path != '/' || text_ends_with(path, "/")) {
		*ret_why = "it is no whole path";
		return -EINVAL;
	}
	*ret = (struct listen_address){.path = path};
	return 0;
}

static int parse_port(const char *text, in_port_t *ret)
{
	uint64_t port;

	if (parse_u64(text, &port) || !port || port > PORT_MAX)
		return -EINVAL;
	*ret = htons((uint16_t)port);
	return 0;
}

int listen_address_parse(const char *text, struct listen_address *ret, const char **ret_why)
{
	struct listen_address address = {0};
	in_port_t port;

	if (text_starts_with(text, UNIX))
		return parse_path(text + strlen(UNIX), ret, ret_why);
	if (text_starts_with(text, V4)) {
		if (parse_port(text + strlen(V4), &port))
			return -EINVAL;
		address.port.v4 = (struct sockaddr_in){
			.sin_family = AF_INET,
			.sin_port = port,
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		};
		address.size = sizeof(address.port.v4);
	} else if (text_starts_with(text, V6)) {
		if (parse_port(text + strlen(V6), &port))
			return -EINVAL;
		address.port.v6 = (struct sockaddr_in6){
			.sin6_family = AF_INET6,
			.sin6_port = port,
			.sin6_addr = IN6ADDR_LOOPBACK_INIT,
		};
		address.size = sizeof(address.port.v6);
	} else {
		if (strchr(text, ':'))
			*ret_why = "only this machine may ask";
		return -EINVAL;
	}
	*ret = address;
	return 0;
}
