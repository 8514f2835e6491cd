// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "engine/control.h"
#include "output/document.h"

#define PATIENCE_S 10		      /* with a daemon that is very busy */
#define AGAIN_NS (50 * NSEC_PER_MSEC) /* while it reads its configuration anew nobody listens */
#define AGAIN_MAX 40

struct client {
	FILE *file;
	char *line;
	size_t size;
};

static int refuse(int error)
{
	if (error == -EACCES || error == -EPERM) {
		log_error("the daemon does not answer this user: ask as root, or as a member of "
			  "the group that control-group in its configuration names");
		return EXIT_DENIED;
	}
	if (error == -ENOENT || error == -ECONNREFUSED) {
		log_error("no daemon runs here: start it (systemctl start apoptosis, or apoptosis "
			  "daemon); watch and run show theirs after SIGUSR1");
		return EXIT_ABSENT;
	}
	log_error("cannot ask the daemon: %s", strerror(-error));
	return EXIT_RUNTIME;
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

int client_open(struct client **ret)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	struct client *client;
	int fd = connect_patiently();

	if (fd < 0)
		return refuse(fd);
	client = calloc(1, sizeof(*client));
	if (!client || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience))) {
		close(fd);
		free(client);
		return refuse(-errno);
	}
	client->file = fdopen(fd, "r+");
	if (!client->file) {
		close(fd);
		free(client);
		return refuse(-errno);
	}
	*ret = client;
	return 0;
}

struct client *client_close(struct client *client)
{
	if (!client)
		return NULL;
	fclose(client->file);
	free(client->line);
	free(client);
	return NULL;
}

static json_t *parse(const char *line, size_t size)
{
	json_t *document = json_loadb(line, size, 0, NULL);
	const char *error = document_is_text(document, "event", "error")
				    ? document_text(document, "error") ?: "it does not say why"
				    : NULL;

	if (document && !error)
		return document;
	log_error("the daemon does not answer that: %s", error ?: "its answer is no JSON");
	json_decref(document);
	return NULL;
}

int client_ask(struct client *client, enum control_request request, json_t **ret)
{
	_cleanup_free_ char *line = control_request_line(request);
	json_t *document;
	ssize_t length;

	if (!line)
		return refuse(-ENOMEM);
	if (send(fileno(client->file), line, strlen(line), MSG_NOSIGNAL) < 0)
		return refuse(-errno);
	errno = EPIPE; /* where the end of the file is no error */
	length = getline(&client->line, &client->size, client->file);
	if (length < 0)
		return refuse(-errno);
	document = parse(client->line, (size_t)length);
	if (!document)
		return EXIT_RUNTIME;
	*ret = document;
	return 0;
}
