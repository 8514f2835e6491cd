// SPDX-License-Identifier: BSD-2-Clause
#include "engine/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/freshness.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/runtime_dir.h"
#include "base/unix_socket.h"
#include "base/util.h"
#include "output/control.h"
#include "output/json.h"

#define CLIENTS_MAX 16
#define PATIENCE_MS 10000     /* with one that does not read what it has asked for */
#define PART 10		      /* of a CPU that answers take at most */
#define AGAIN_MS 100	      /* without memory for a client */
#define CONNECT_PATIENCE_S 30 /* with a daemon that is very busy */

struct client {
	struct client *next;
	struct control *control;
	uv_pipe_t pipe;
	uv_write_t write;
	uv_timer_t *patience;
	uint64_t active_ns;
	char *answer; /* in flight; NULL: none */
	bool is_last; /* nothing is read after it */
	size_t size;
	char line[CONTROL_LINE_MAX]; /* what has come of requests */
};

struct control {
	struct control_config config;
	int dirfd; /* of the socket */
	uv_pipe_t *listener;
	uv_timer_t *turn; /* for the next who has connected */
	struct client *clients;
	char *status; /* the last answer */
	struct freshness freshness;
};

/* --- clients ------------------------------------------------------------------------------- */

static void free_client(uv_handle_t *handle)
{
	struct client *client = handle->data;

	free(client->answer);
	free(client);
}

/* The handle goes when the loop has let go of it, with what is in flight. */
static void drop(struct client *client)
{
	struct client **link = &client->control->clients;

	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	client->patience = loop_timer_drop(client->patience);
	uv_close((uv_handle_t *)&client->pipe, free_client);
}

static void on_impatient(uv_timer_t *timer)
{
	log_info("a client of the control socket does not read: it is let go of");
	drop(timer->data);
}

static void go_on(struct client *client);

static void on_written(uv_write_t *write, int status)
{
	struct client *client = write->data;

	if (uv_is_closing((uv_handle_t *)&client->pipe))
		return;
	free(client->answer);
	client->answer = NULL;
	uv_timer_stop(client->patience);
	if (status || client->is_last)
		drop(client);
	else
		go_on(client);
}

/* Takes the text; NULL: there was no memory for it. */
static void answer(struct client *client, char *text)
{
	uv_buf_t buffer = uv_buf_init(text, text ? (unsigned int)strlen(text) : 0);

	client->answer = text;
	client->write.data = client;
	uv_read_stop((uv_stream_t *)&client->pipe);
	if (!text || uv_write(&client->write, (uv_stream_t *)&client->pipe, &buffer, 1, on_written))
		drop(client);
	else
		uv_timer_start(client->patience, on_impatient, PATIENCE_MS, 0);
}

/* Takes the document. */
static char *line_of(json_t *document)
{
	char *text = document ? json_line_text(document) : NULL;

	json_decref(document);
	return text;
}

/* As it was asked for last, if that was just now. */
static char *status_line(struct control *control)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);

	if (!control->status || !freshness_holds(&control->freshness, PART, now_ns)) {
		free(control->status);
		control->status = line_of(control->config.status(control->config.userdata));
		control->freshness = freshness_since(now_ns);
	}
	return control->status ? strdup(control->status) : NULL;
}

static void answer_error(struct client *client, const char *error)
{
	answer(client, line_of(control_error_json(clock_ns(CLOCK_REALTIME), error)));
}

static void answer_request(struct client *client, const char *line, size_t size)
{
	_cleanup_free_ char *error = NULL;
	enum control_request request;
	char *text;

	if (control_parse(line, size, &request, &error)) {
		answer_error(client, error ?: "out of memory");
		return;
	}
	text = status_line(client->control); /* it is the only one */
	if (text)
		answer(client, text);
	else
		answer_error(client, "the accounts cannot be read: the log says why");
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct client *client = handle->data;

	(void)suggested;
	*buffer = uv_buf_init(client->line + client->size,
			      (unsigned int)(sizeof(client->line) - client->size));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
	struct client *client = stream->data;

	(void)buffer;
	if (n < 0) {
		drop(client);
		return;
	}
	client->size += (size_t)n;
	client->active_ns = clock_ns(CLOCK_MONOTONIC);
	go_on(client);
}

/* The next request, if it is there; else waits for it. */
static void go_on(struct client *client)
{
	const char *end = memchr(client->line, '\n', client->size);
	char line[CONTROL_LINE_MAX];
	size_t size;

	if (!end && client->size == sizeof(client->line)) {
		client->is_last = true;
		answer_error(client, "the request has no end: give one JSON object in a line");
		return;
	}
	if (!end) {
		int r = uv_read_start((uv_stream_t *)&client->pipe, on_alloc, on_read);

		if (r && r != UV_EALREADY) /* the rest of a request comes by itself */
			drop(client);
		return;
	}
	size = (size_t)(end - client->line);
	memcpy(line, client->line, size);
	client->size -= size + 1;
	memmove(client->line, end + 1, client->size);
	answer_request(client, line, size);
}

/* --- the socket ---------------------------------------------------------------------------- */

/* Where there are too many, the one that has been quiet longest makes room. */
static void make_room(struct control *control)
{
	struct client *quietest = control->clients;
	size_t count = 0;

	for (struct client *client = control->clients; client; client = client->next) {
		count++;
		if (client->active_ns < quietest->active_ns)
			quietest = client;
	}
	if (count >= CLIENTS_MAX)
		drop(quietest);
}

static struct client *client_new(struct control *control)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	client->patience = loop_timer_new(control->config.loop, client);
	if (!client->patience || uv_pipe_init(control->config.loop, &client->pipe, 0)) {
		loop_timer_drop(client->patience);
		free(client);
		return NULL;
	}
	client->pipe.data = client;
	client->control = control;
	client->active_ns = clock_ns(CLOCK_MONOTONIC);
	client->next = control->clients;
	control->clients = client;
	return client;
}

/* The listener waits until this is done, and where it cannot be done now, it is tried again. */
static void on_turn(uv_timer_t *timer)
{
	struct control *control = timer->data;
	struct client *client;

	make_room(control);
	client = client_new(control);
	if (!client)
		uv_timer_start(control->turn, on_turn, AGAIN_MS, 0);
	else if (uv_accept((uv_stream_t *)control->listener, (uv_stream_t *)&client->pipe))
		drop(client);
	else
		go_on(client);
}

/*
 * One in each turn of the loop: who connects and goes away all the time would else be served without end, by what is
 * given back only then.
 */
static void on_connection(uv_stream_t *listener, int status)
{
	struct control *control = listener->data;

	if (!status)
		uv_timer_start(control->turn, on_turn, 0, 0);
}

/* The directory can be passed through by the group, what else is in it remains root's. */
static int give_to_group(int dirfd, const char *name, gid_t group)
{
	int r = file_give_to_group(dirfd, name, group) ?: file_give_to_group(dirfd, "", group);

	if (!r && (fchmodat(dirfd, name, 0660, 0) || fchmod(dirfd, 0710)))
		r = -errno;
	return r;
}

/* Root's alone, then the group's: where that cannot be, root is answered all the same. */
static int set_owner(int dirfd, const char *name, gid_t group)
{
	int r;

	if (fchmodat(dirfd, name, 0600, 0))
		return -errno;
	r = group == CONTROL_NO_GROUP ? 0 : give_to_group(dirfd, name, group);
	if (r)
		log_warn("only root may ask for the status: cannot give the socket to group %u: %s",
			 (unsigned int)group, strerror(-r));
	return 0;
}

static int bind_socket(int dirfd, gid_t group)
{
	int fd = unix_socket_bind(dirfd, CONTROL_SOCKET, 0600), r;

	if (fd < 0)
		return fd;
	r = set_owner(dirfd, CONTROL_SOCKET, group);
	if (!r)
		return fd;
	unlinkat(dirfd, CONTROL_SOCKET, 0);
	close(fd);
	return r;
}

/* The socket of the program before this one, if that is what it is, with the group of now. */
static int take_socket(const struct control *control)
{
	int fd = control->config.fd, is_listening = 0;
	socklen_t size = sizeof(is_listening);

	if (fd < 0)
		return -ENOENT;
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size) || !is_listening ||
	    set_owner(control->dirfd, CONTROL_SOCKET, control->config.group)) {
		close(fd);
		return -ENOENT;
	}
	return fd;
}

static int start(struct control *control)
{
	int fd, r = runtime_dir_open(true, &control->dirfd);

	if (r) {
		close_fd(control->config.fd);
		return r;
	}
	control->turn = loop_timer_new(control->config.loop, control);
	if (!control->turn) {
		close_fd(control->config.fd);
		return -ENOMEM;
	}
	fd = take_socket(control);
	if (fd < 0)
		fd = bind_socket(control->dirfd, control->config.group);
	if (fd < 0)
		return fd;
	control->listener = calloc(1, sizeof(*control->listener));
	r = control->listener ? uv_pipe_init(control->config.loop, control->listener, 0) : -ENOMEM;
	if (r) {
		free(control->listener);
		control->listener = NULL;
		close(fd);
		return r;
	}
	control->listener->data = control;
	r = uv_pipe_open(control->listener, fd);
	if (r)
		close(fd);
	return r ?: uv_listen((uv_stream_t *)control->listener, CLIENTS_MAX, on_connection);
}

int control_new(struct control **ret, const struct control_config *config)
{
	struct control *control = calloc(1, sizeof(*control));
	int r;

	if (!control)
		return -ENOMEM;
	control->config = *config;
	control->dirfd = -1;
	r = start(control);
	if (r) {
		control_free(control);
		return r;
	}
	*ret = control;
	return 0;
}

/* Its descriptor; -1: there is none. */
static int set_flags(const struct control *control, int flags)
{
	uv_os_fd_t fd;

	if (!control || uv_fileno((const uv_handle_t *)control->listener, &fd) ||
	    fcntl(fd, F_SETFD, flags))
		return -1;
	return fd;
}

int control_leave(struct control *control)
{
	return set_flags(control, 0);
}

void control_return(struct control *control)
{
	set_flags(control, FD_CLOEXEC);
}

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

struct control *control_free(struct control *control)
{
	if (!control)
		return NULL;
	while (control->clients)
		drop(control->clients);
	if (control->listener) {
		unlinkat(control->dirfd, CONTROL_SOCKET, 0);
		uv_close((uv_handle_t *)control->listener, free_handle);
	}
	loop_timer_drop(control->turn);
	close_fd(control->dirfd);
	free(control->status);
	free(control);
	return NULL;
}

/* --- the other side ------------------------------------------------------------------------ */

int control_connect(void)
{
	const struct timeval patience = {.tv_sec = CONNECT_PATIENCE_S};
	_cleanup_close_ int dirfd = -1, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	int r = fd < 0 ? -errno : runtime_dir_pass(&dirfd);

	if (r)
		return r;
	address = unix_socket_address(dirfd, CONTROL_SOCKET);
	/* It bounds connect(2) as well: of one that hangs the queue is full at last. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
	    connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		return -errno;
	return TAKE_FD(fd);
}
