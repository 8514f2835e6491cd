// SPDX-License-Identifier: BSD-2-Clause
#include "engine/metrics_server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/unix_socket.h"
#include "base/util.h"
#include "engine/microhttpd.h"

#define CLIENTS_MAX 8
#define QUIET_S 5 /* without a byte */
#define PATIENCE_NS (10 * NSEC_PER_SEC)
#define REQUEST_BYTES_MAX (16UL * 1024) /* and its answer's head */
#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct client {
	int fd; /* the library's; -1: none */
	uint64_t since_ns;
};

struct metrics_server {
	struct metrics_server_config config;
	struct microhttpd http;
	struct MHD_Daemon *daemon;
	int dirfd;	  /* of the socket's path; -1: it is a port */
	const char *name; /* there, once it is bound */
	uv_poll_t *poll;
	uv_timer_t *timer;
	struct client clients[CLIENTS_MAX];
	bool has_room; /* one of them has gone just now */
};

/* --- requests ------------------------------------------------------------------------------ */

/* Takes the text. */
static enum MHD_Result reply(struct metrics_server *server, struct MHD_Connection *connection,
			     unsigned int status, char *text)
{
	const struct microhttpd *http = &server->http;
	struct MHD_Response *response =
		text ? http->create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE)
		     : NULL;
	enum MHD_Result r;

	if (!response) {
		free(text);
		return MHD_NO; /* the connection ends */
	}
	http->add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, CONTENT_TYPE);
	/* One request each: who is connected and quiet would take the place of others. */
	http->add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		http->add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET");
	r = http->queue_response(connection, status, response);
	http->destroy_response(response);
	return r;
}

static enum MHD_Result on_request(void *userdata, struct MHD_Connection *connection,
				  const char *url, const char *method, const char *version,
				  const char *upload, size_t *upload_size, void **context)
{
	struct metrics_server *server = userdata;
	char *text;

	(void)version;
	(void)upload;
	(void)upload_size;
	(void)context;
	if (strcmp(url, "/metrics") != 0)
		return reply(server, connection, MHD_HTTP_NOT_FOUND,
			     strdup("only /metrics is here\n"));
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0)
		return reply(server, connection, MHD_HTTP_METHOD_NOT_ALLOWED,
			     strdup("only GET is answered\n"));
	text = server->config.text(server->config.userdata);
	return text ? reply(server, connection, MHD_HTTP_OK, text)
		    : reply(server, connection, MHD_HTTP_INTERNAL_SERVER_ERROR,
			    strdup("the accounts cannot be read\n"));
}

static void on_client(void *userdata, struct MHD_Connection *connection, void **context,
		      enum MHD_ConnectionNotificationCode what)
{
	struct metrics_server *server = userdata;
	const union MHD_ConnectionInfo *info =
		server->http.get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	int from = what == MHD_CONNECTION_NOTIFY_STARTED ? -1 : info ? info->connect_fd : -1;

	(void)context;
	for (size_t i = 0; info && i < CLIENTS_MAX; i++) {
		if (server->clients[i].fd != from)
			continue;
		server->clients[i].fd = what == MHD_CONNECTION_NOTIFY_STARTED ? info->connect_fd
									      : -1;
		server->clients[i].since_ns = clock_ns(CLOCK_MONOTONIC);
		server->has_room |= what == MHD_CONNECTION_NOTIFY_CLOSED;
		return;
	}
}

/* --- the loop ------------------------------------------------------------------------------ */

/* Has those end whose time is over. When the next one's is, in ms; UINT64_MAX: there is none. */
static uint64_t end_late(struct metrics_server *server)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC), next_ns = UINT64_MAX;

	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct client *client = &server->clients[i];
		uint64_t age_ns = now_ns - client->since_ns;

		if (client->fd < 0)
			continue;
		if (age_ns >= PATIENCE_NS)
			shutdown(client->fd, SHUT_RDWR); /* the library sees that */
		else
			next_ns = MIN(next_ns, PATIENCE_NS - age_ns);
	}
	return next_ns == UINT64_MAX ? UINT64_MAX : next_ns / NSEC_PER_MSEC + 1;
}

static void on_time(uv_timer_t *timer);

static void go_on(struct metrics_server *server)
{
	MHD_UNSIGNED_LONG_LONG quiet_ms;
	uint64_t next_ms;

	server->has_room = false;
	server->http.run(server->daemon);
	/* Those who wait to be let in are looked for at the beginning of a run. */
	next_ms = server->has_room ? 0 : end_late(server);
	if (server->http.get_timeout(server->daemon, &quiet_ms) == MHD_YES)
		next_ms = MIN(next_ms, (uint64_t)quiet_ms);
	if (next_ms == UINT64_MAX)
		uv_timer_stop(server->timer);
	else
		uv_timer_start(server->timer, on_time, next_ms, 0);
}

static void on_time(uv_timer_t *timer)
{
	go_on(timer->data);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	go_on(poll->data);
}

/* --- the socket ---------------------------------------------------------------------------- */

/* For everybody who may pass through its directory, as the file of metrics is. */
static int bind_path(struct metrics_server *server)
{
	const char *path = server->config.address.path, *slash = strrchr(path, '/');
	_cleanup_free_ char *directory = strndup(path, (size_t)(slash - path) + 1);
	int fd;

	if (!directory)
		return -ENOMEM;
	server->dirfd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (server->dirfd < 0)
		return -errno;
	fd = unix_socket_bind(server->dirfd, slash + 1, 0666);
	if (fd >= 0)
		server->name = slash + 1;
	return fd;
}

static int bind_port(const struct listen_address *address)
{
	const int on = 1;
	_cleanup_close_ int fd =
		socket(address->port.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* After a reload connections of before may not be over for the kernel. */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, &address->port.any, address->size))
		return -errno;
	return TAKE_FD(fd);
}

__attribute__((format(printf, 2, 0))) static void on_log(void *userdata, const char *format,
							 va_list arguments)
{
	char line[256];

	(void)userdata;
	vsnprintf(line, sizeof(line), format, arguments);
	line[strcspn(line, "\n")] = '\0';
	log_debug("metrics: %s", line);
}

/* Takes the socket. */
static int start_daemon(struct metrics_server *server, int fd)
{
	const union MHD_DaemonInfo *info;

	server->daemon = server->http.start_daemon(
		MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, server,
		MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CLIENTS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)QUIET_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_BYTES_MAX,
		MHD_OPTION_NOTIFY_CONNECTION, on_client, server, MHD_OPTION_END);
	if (!server->daemon)
		return -EIO;
	info = server->http.get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	server->poll = info ? loop_poll_new(server->config.loop, info->epoll_fd, on_ready, server)
			    : NULL;
	return server->poll ? 0 : -ENOMEM;
}

static int start(struct metrics_server *server)
{
	_cleanup_close_ int fd = -1;

	if (microhttpd_load(&server->http))
		return -ENOPKG;
	server->timer = loop_timer_new(server->config.loop, server);
	if (!server->timer)
		return -ENOMEM;
	fd = server->config.address.path ? bind_path(server) : bind_port(&server->config.address);
	if (fd < 0)
		return fd;
	if (listen(fd, CLIENTS_MAX))
		return -errno;
	return start_daemon(server, TAKE_FD(fd));
}

int metrics_server_new(struct metrics_server **ret, const struct metrics_server_config *config)
{
	struct metrics_server *server = calloc(1, sizeof(*server));
	int r;

	if (!server)
		return -ENOMEM;
	server->config = *config;
	server->dirfd = -1;
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		server->clients[i].fd = -1;
	r = start(server);
	if (r)
		server = metrics_server_free(server);
	*ret = server;
	return r;
}

struct metrics_server *metrics_server_free(struct metrics_server *server)
{
	if (!server)
		return NULL;
	loop_poll_drop(server->poll);
	loop_timer_drop(server->timer);
	if (server->daemon)
		server->http.stop_daemon(server->daemon);
	if (server->name)
		unlinkat(server->dirfd, server->name, 0);
	close_fd(server->dirfd);
	free(server);
	return NULL;
}
