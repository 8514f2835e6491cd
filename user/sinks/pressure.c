// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/pressure.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/unix_socket.h"
#include "base/util.h"

#define WATCHERS_MAX 256      /* of one command, or of one cgroup, */
#define WATCHERS_MAX_USER 512 /* of one user, but for root, */
#define WATCHERS_MAX_ALL 4096 /* and in all */
#define HEARD_MAX 4096	      /* bytes: a program has nothing to say */
#define ANCESTORS_MAX 256
#define STATUS_SIZE 2048 /* of /proc, in whose first lines PPid is */

struct watcher {
	struct watcher *next;
	struct pressure *pressure;
	int fd;
	size_t heard; /* bytes of it */
	uv_poll_t *poll;
	char *cgroup; /* NULL: it is of the command */
	uid_t uid;
};

struct pressure {
	struct pressure_config config;
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

/* Others may pass through, and find nothing out. */
static int open_directory(const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *directory = slash ? strndup(path, (size_t)(slash - path)) : NULL;
	int fd;

	if (!directory)
		return slash ? -ENOMEM : -EINVAL;
	if (mkdir(directory, 0711) == 0)
		(void)chmod(directory, 0711); /* whatever the umask is */
	fd = open(*directory ? directory : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*ret_name = slash + 1;
	return fd < 0 ? -errno : fd;
}

int pressure_socket_open_at(const char *path, struct pressure_socket *ret)
{
	struct pressure_socket made = PRESSURE_SOCKET_NONE;
	const char *name;
	_cleanup_close_ int dirfd = open_directory(path, &name);

	if (dirfd < 0)
		return dirfd;
	if (snprintf(made.path, sizeof(made.path), "%s", path) >= (int)sizeof(made.path))
		return -ENAMETOOLONG;
	made.fd = unix_socket_bind(dirfd, name, 0666);
	if (made.fd < 0)
		return made.fd;
	if (listen(made.fd, WATCHERS_MAX)) {
		int r = -errno;

		pressure_socket_close(&made);
		return r;
	}
	*ret = made;
	return 0;
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

/* Whether there is room for one more of a cgroup and of a user. */
static bool has_room(const struct pressure *pressure, const char *cgroup, uid_t uid)
{
	size_t of_cgroup = 0, of_user = 0;

	for (struct watcher *watcher = pressure->watchers; watcher; watcher = watcher->next) {
		of_cgroup += watcher->cgroup && !strcmp(watcher->cgroup, cgroup);
		of_user += uid && watcher->uid == uid;
	}
	return of_cgroup < WATCHERS_MAX && of_user < WATCHERS_MAX_USER &&
	       pressure->count < WATCHERS_MAX_ALL;
}

static bool read_peer(int fd, struct ucred *ret)
{
	socklen_t size = sizeof(*ret);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret, &size) == 0;
}

/* *ret_cgroup: what it watches, if that is not the command. */
static bool may_watch(const struct pressure *pressure, const struct ucred *peer, char **ret_cgroup)
{
	const struct pressure_config *config = &pressure->config;

	if (!config->is_for_all)
		return pressure->count < WATCHERS_MAX && is_descendant(peer->pid);
	return !config->cgroup_of(peer->pid, ret_cgroup, config->userdata) &&
	       has_room(pressure, *ret_cgroup, peer->uid);
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
	free(watcher->cgroup);
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

/* Takes the descriptor and the cgroup. */
static void watcher_new(struct pressure *pressure, int fd, char *cgroup, uid_t uid)
{
	struct watcher *watcher = calloc(1, sizeof(*watcher));

	if (!watcher) {
		free(cgroup);
		close_fd(fd);
		return;
	}
	*watcher = (struct watcher){.next = pressure->watchers,
				    .pressure = pressure,
				    .fd = fd,
				    .cgroup = cgroup,
				    .uid = uid};
	pressure->watchers = watcher;
	pressure->count++;
	watcher->poll = loop_poll_new(pressure->config.loop, fd, on_heard, watcher);
	if (!watcher->poll)
		watcher_free(watcher);
}

/* If it may watch. Takes the descriptor: who is not let in sees the end of the connection. */
static void let_in(struct pressure *pressure, int fd)
{
	char *cgroup = NULL;
	struct ucred peer;

	if (read_peer(fd, &peer) && may_watch(pressure, &peer, &cgroup)) {
		watcher_new(pressure, fd, cgroup, peer.uid);
		return;
	}
	free(cgroup);
	close_fd(fd);
}

/* One in a turn of the loop. */
static void on_connect(uv_poll_t *poll, int status, int events)
{
	struct pressure *pressure = poll->data;
	int fd = accept4(pressure->config.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)status;
	(void)events;
	if (fd < 0 || file_keep(&fd))
		return;
	let_in(pressure, fd);
}

/*
 * Those of the program before this one, in this process: a descriptor and a cgroup in each line. In whose cgroup is
 * none's name a line ends. pressure: NULL: nobody can watch any more.
 */
static void adopt(struct pressure *pressure, int watchers_fd)
{
	_cleanup_free_ char *line = NULL;
	FILE *file = watchers_fd < 0 ? NULL : fdopen(watchers_fd, "re");
	size_t size = 0;
	ssize_t length;

	if (!file) {
		close_fd(watchers_fd);
		return;
	}
	while ((length = getline(&line, &size, file)) > 0) {
		char *cgroup = strchr(line, ' ');
		int fd = (int)strtol(line, NULL, 10);
		struct ucred peer;

		line[length - 1] = '\0';
		if (!cgroup || fcntl(fd, F_SETFD, FD_CLOEXEC) || !read_peer(fd, &peer))
			continue; /* nobody else's */
		cgroup = pressure ? strdup(cgroup + 1) : NULL;
		if (cgroup)
			watcher_new(pressure, fd, cgroup, peer.uid);
		else
			close_fd(fd);
	}
	fclose(file);
}

void pressure_let_go(int watchers_fd)
{
	adopt(NULL, watchers_fd);
}

int pressure_new(struct pressure **ret, const struct pressure_config *config)
{
	struct pressure *pressure = calloc(1, sizeof(*pressure));

	if (!pressure)
		return -ENOMEM;
	*pressure = (struct pressure){.config = *config};
	pressure->poll = loop_poll_new(config->loop, config->fd, on_connect, pressure);
	if (!pressure->poll) {
		free(pressure);
		return -ENOMEM;
	}
	adopt(pressure, config->watchers_fd);
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

/* Whether a limit of that cgroup is one of this watcher's. */
static bool is_limited_by(const struct watcher *watcher, const char *limit_cgroup)
{
	size_t length = limit_cgroup && strcmp(limit_cgroup, "/") != 0 ? strlen(limit_cgroup) : 0;

	return !watcher->cgroup ||
	       (limit_cgroup && !strncmp(watcher->cgroup, limit_cgroup, length) &&
		(!length || !watcher->cgroup[length] || watcher->cgroup[length] == '/'));
}

void pressure_tell(struct pressure *pressure, const char *limit_cgroup)
{
	struct watcher *next;

	log_debug("memory is getting scarce, and %zu processes watch", pressure->count);
	for (struct watcher *watcher = pressure->watchers; watcher; watcher = next) {
		next = watcher->next;
		/* Full: it has not read yet what it was told before. */
		if (is_limited_by(watcher, limit_cgroup) &&
		    send(watcher->fd, "\n", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
		    errno != EAGAIN && errno != EINTR)
			watcher_free(watcher);
	}
}

static void set_flags(struct pressure *pressure, int flags)
{
	for (struct watcher *watcher = pressure->watchers; watcher; watcher = watcher->next)
		fcntl(watcher->fd, F_SETFD, flags);
}

int pressure_leave(struct pressure *pressure)
{
	int fd = pressure && pressure->count ? memfd_create("watchers", 0) : -1;
	FILE *file = fd < 0 ? NULL : fdopen(dup(fd), "w");

	if (!file)
		return close_fd(fd);
	for (struct watcher *watcher = pressure->watchers; watcher; watcher = watcher->next)
		if (watcher->cgroup)
			fprintf(file, "%d %s\n", watcher->fd, watcher->cgroup);
	if (fclose(file) || lseek(fd, 0, SEEK_SET) < 0)
		return close_fd(fd);
	set_flags(pressure, 0);
	return fd;
}

void pressure_return(struct pressure *pressure)
{
	if (pressure)
		set_flags(pressure, FD_CLOEXEC);
}
