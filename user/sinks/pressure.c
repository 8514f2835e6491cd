// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/pressure.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"

#define WATCHERS_MAX 256
#define HEARD_MAX 4096 /* bytes: a program has nothing to say */
#define ANCESTORS_MAX 256
#define STATUS_SIZE 2048 /* of /proc, in whose first lines PPid is */

struct watcher {
	struct watcher *next;
	struct pressure *pressure;
	int fd;
	size_t heard; /* bytes of it */
	uv_poll_t *poll;
};

struct pressure {
	uv_loop_t *loop;
	int fd;
	uv_poll_t *poll;
	struct watcher *watchers;
	size_t count;
};

/* --- the socket ---------------------------------------------------------------------------- */

static int open_below(const char *directory, struct pressure_socket *ret)
{
	struct pressure_socket socket_made = PRESSURE_SOCKET_NONE;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int r;

	if (snprintf(socket_made.directory, sizeof(socket_made.directory),
		     "%s/apoptosis-watch-XXXXXX", directory) >= (int)sizeof(socket_made.directory))
		return -ENAMETOOLONG;
	if (!mkdtemp(socket_made.directory))
		return -errno;
	snprintf(socket_made.path, sizeof(socket_made.path), "%s/pressure", socket_made.directory);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_made.path);
	socket_made.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (socket_made.fd < 0 ||
	    bind(socket_made.fd, (const struct sockaddr *)&address, sizeof(address)) ||
	    chmod(socket_made.path, 0666) || chmod(socket_made.directory, 0711) ||
	    listen(socket_made.fd, WATCHERS_MAX)) {
		r = -errno;
		pressure_socket_close(&socket_made);
		return r;
	}
	*ret = socket_made;
	return 0;
}

int pressure_socket_open(const char *const directories[], struct pressure_socket *ret)
{
	int r = -ENOENT;

	for (; r && *directories; directories++)
		r = open_below(*directories, ret);
	return r;
}

void pressure_socket_close(struct pressure_socket *socket)
{
	close_fd(socket->fd);
	if (*socket->path)
		unlink(socket->path);
	if (*socket->directory)
		rmdir(socket->directory);
	*socket = PRESSURE_SOCKET_NONE;
}

/* --- who watches --------------------------------------------------------------------------- */

static pid_t parent_of(pid_t pid)
{
	char path[32], status[STATUS_SIZE];
	const char *line;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (file_read_into(AT_FDCWD, path, status, sizeof(status)) < 0)
		return 0;
	line = strstr(status, "\nPPid:");
	return line ? (pid_t)strtol(line + strlen("\nPPid:"), NULL, 10) : 0;
}

/* We started it, or an ancestor of it; orphans among these become our children. */
static bool is_descendant(pid_t pid)
{
	for (int i = 0; i < ANCESTORS_MAX && pid > 0; i++) {
		if (pid == getpid())
			return true;
		pid = parent_of(pid);
	}
	return false;
}

static bool may_watch(const struct pressure *pressure, int fd)
{
	struct ucred peer = {};
	socklen_t size = sizeof(peer);

	return pressure->count < WATCHERS_MAX &&
	       getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       is_descendant(peer.pid);
}

static void watcher_free(struct watcher *watcher)
{
	struct watcher **link = &watcher->pressure->watchers;

	while (*link != watcher)
		link = &(*link)->next;
	*link = watcher->next;
	watcher->pressure->count--;
	loop_poll_drop(watcher->poll);
	close_fd(watcher->fd);
	free(watcher);
}

/* It has gone, or written something. */
static void on_heard(uv_poll_t *poll, int status, int events)
{
	struct watcher *watcher = poll->data;
	char text[512];
	ssize_t n = recv(watcher->fd, text, sizeof(text), MSG_DONTWAIT);

	(void)status;
	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	watcher->heard += n > 0 ? (size_t)n : 0;
	if (n <= 0 || watcher->heard > HEARD_MAX)
		watcher_free(watcher);
}

/* Takes the descriptor. */
static void let_in(struct pressure *pressure, int fd)
{
	struct watcher *watcher = calloc(1, sizeof(*watcher));

	if (!watcher) {
		close_fd(fd);
		return;
	}
	*watcher = (struct watcher){.next = pressure->watchers, .pressure = pressure, .fd = fd};
	pressure->watchers = watcher;
	pressure->count++;
	watcher->poll = loop_poll_new(pressure->loop, fd, on_heard, watcher);
	if (!watcher->poll)
		watcher_free(watcher);
}

/* One in a turn of the loop. Who is not let in sees the end of the connection. */
static void on_connect(uv_poll_t *poll, int status, int events)
{
	struct pressure *pressure = poll->data;
	int fd = accept4(pressure->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)status;
	(void)events;
	if (fd < 0 || file_keep(&fd))
		return;
	if (may_watch(pressure, fd))
		let_in(pressure, fd);
	else
		close_fd(fd);
}

/* --- the whole ----------------------------------------------------------------------------- */

int pressure_new(struct pressure **ret, uv_loop_t *loop, int fd)
{
	struct pressure *pressure = calloc(1, sizeof(*pressure));

	if (!pressure)
		return -ENOMEM;
	*pressure = (struct pressure){.loop = loop, .fd = fd};
	pressure->poll = loop_poll_new(loop, fd, on_connect, pressure);
	if (!pressure->poll) {
		free(pressure);
		return -ENOMEM;
	}
	*ret = pressure;
	return 0;
}

struct pressure *pressure_free(struct pressure *pressure)
{
	if (!pressure)
		return NULL;
	while (pressure->watchers)
		watcher_free(pressure->watchers);
	loop_poll_drop(pressure->poll);
	free(pressure);
	return NULL;
}

void pressure_tell(struct pressure *pressure)
{
	struct watcher *next;

	log_debug("memory is getting scarce: %zu processes are told", pressure->count);
	for (struct watcher *watcher = pressure->watchers; watcher; watcher = next) {
		next = watcher->next;
		/* Full: it has not read yet what it was told before. */
		if (send(watcher->fd, "\n", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
		    errno != EAGAIN && errno != EINTR)
			watcher_free(watcher);
	}
}
