// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "engine/control.h"
#include "output/document.h"

#define AGAIN_NS (50 * NSEC_PER_MSEC) /* one that was killed is started again */
#define AGAIN_MAX 40

struct client {
	FILE *file; /* NULL: not connected */
	char *line;
	size_t size;
	char *why; /* the last request failed */
};

/* What is told of an error; the exit status in *ret_status. */
static const char *words_of(int error, int *ret_status)
{
	*ret_status = EXIT_RUNTIME;
	if (error == -EACCES || error == -EPERM) {
		*ret_status = EXIT_DENIED;
		return "the daemon does not answer this user: ask as root, or as a member of the "
		       "group that control-group in its configuration names";
	}
	if (error == -ENOENT || error == -ECONNREFUSED) {
		*ret_status = EXIT_ABSENT;
		return "no daemon runs here: start it (systemctl start apoptosis, or apoptosis "
		       "daemon); watch and run show theirs after SIGUSR1";
	}
	return error == -EAGAIN ? "the daemon does not answer: it is stopped, or hangs"
				: strerrordesc_np(-error) ?: "cannot ask the daemon";
}

static int connect_patiently(void)
{
	const struct timespec again = {.tv_nsec = AGAIN_NS};
	int fd = control_connect();

	for (int i = 0; fd == -ECONNREFUSED && i < AGAIN_MAX; i++) {
		nanosleep(&again, NULL);
		fd = control_connect();
	}
	return fd;
}

/* 0 or -errno. */
static int open_connection(struct client *client)
{
	int fd = connect_patiently();

	if (fd < 0)
		return fd;
	client->file = fdopen(fd, "r+");
	if (client->file)
		return 0;
	close(fd);
	return -EIO;
}

static void close_connection(struct client *client)
{
	if (client->file)
		fclose(client->file);
	client->file = NULL;
}

int client_open(struct client **ret)
{
	struct client *client = calloc(1, sizeof(*client));
	int status, r = client ? open_connection(client) : -ENOMEM;

	if (!r) {
		*ret = client;
		return 0;
	}
	log_error("%s", words_of(r, &status));
	free(client);
	return status;
}

struct client *client_close(struct client *client)
{
	if (!client)
		return NULL;
	close_connection(client);
	free(client->line);
	free(client->why);
	free(client);
	return NULL;
}

/* The answer is the client's line. Its length or -errno. */
static ssize_t ask(struct client *client, const char *line)
{
	ssize_t length;

	if (send(fileno(client->file), line, strlen(line), MSG_NOSIGNAL) < 0)
		return -errno;
	errno = EPIPE; /* where the end of the file is no error */
	length = getline(&client->line, &client->size, client->file);
	return length < 0 ? -errno : length;
}

/*
 * A daemon that has read its configuration anew has let go of its clients; and of an answer that a signal has broken off,
 * as when the window gets another size, a part may be lost.
 */
static ssize_t ask_again(struct client *client, const char *line)
{
	ssize_t length = client->file ? ask(client, line) : -EPIPE;
	int r;

	if (length != -EPIPE && length != -ECONNRESET && length != -EINTR)
		return length;
	close_connection(client);
	r = open_connection(client);
	return r ?: ask(client, line);
}

/* The exit status. */
static int refuse(struct client *client, int status, const char *why)
{
	free(client->why);
	client->why = strdup(why);
	return status;
}

int client_ask(struct client *client, enum control_request request, json_t **ret)
{
	_cleanup_free_ char *line = control_request_line(request);
	ssize_t length = line ? ask_again(client, line) : -ENOMEM;
	json_t *document;
	int status;

	if (length < 0) {
		const char *words = words_of((int)length, &status);

		return refuse(client, status, words);
	}
	document = json_loadb(client->line, (size_t)length, 0, NULL);
	if (document && !document_is_text(document, "event", "error")) {
		*ret = document;
		return 0;
	}
	status = refuse(client, EXIT_RUNTIME,
			document_text(document, "error") ?: "the answer of the daemon is no JSON");
	json_decref(document);
	return status;
}

const char *client_why(const struct client *client)
{
	return client->why ?: "out of memory";
}
