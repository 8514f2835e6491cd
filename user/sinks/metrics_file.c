// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/metrics_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "base/wake.h"
#include "base/worker.h"

#define STACK_BYTES (128UL * 1024)

struct metrics_file {
	struct worker worker;
	char *path;
	char *text;	     /* atomic: to be written; NULL: nothing is */
	const char *trouble; /* atomic */
	bool is_ours;	     /* it was written: the thread's, or of who has stopped it */
};

/* Said when it begins, changes and ends, since it may be so each time. */
static void set_trouble(struct metrics_file *file, const char *why)
{
	const char *before = metrics_file_trouble(file);

	if (why && (!before || strcmp(why, before) != 0))
		log_warn("cannot write the metrics to %s: %s: they are missing or old there, all "
			 "else goes on",
			 file->path, why);
	else if (!why && before)
		log_warn("the metrics are written again");
	__atomic_store_n(&file->trouble, why, __ATOMIC_RELAXED);
}

static const char *name_of(const struct metrics_file *file)
{
	return strrchr(file->path, '/') + 1;
}

/* Opened each time: it may be made, mounted or replaced at any time. The descriptor or -errno. */
static int open_directory(const struct metrics_file *file)
{
	_cleanup_free_ char *directory = strndup(file->path, (size_t)(name_of(file) - file->path));
	int fd = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -ENOMEM;

	return fd == -1 ? -errno : fd;
}

static int print(FILE *out, void *userdata)
{
	return fputs(userdata, out) < 0 ? -errno : 0;
}

static void write_text(struct metrics_file *file, char *text)
{
	_cleanup_close_ int dirfd = open_directory(file);
	int r = dirfd < 0 ? dirfd : file_write_passing(dirfd, name_of(file), 0644, print, text);

	file->is_ours |= !r;
	set_trouble(file, r ? strerrordesc_np(-r) ?: "it is not known why" : NULL);
}

static void *work(void *userdata)
{
	struct metrics_file *file = userdata;
	struct pollfd fd = {.fd = file->worker.wake_fd, .events = POLLIN};

	(void)sched_setscheduler(0, SCHED_BATCH, &(const struct sched_param){});
	while (worker_goes_on(&file->worker)) {
		_cleanup_free_ char *text = NULL;

		poll(&fd, 1, -1);
		wake_clear(file->worker.wake_fd);
		text = __atomic_exchange_n(&file->text, NULL, __ATOMIC_ACQ_REL);
		if (text)
			write_text(file, text);
		worker_turned(&file->worker);
	}
	return NULL;
}

static int start(struct metrics_file *file, const char *path)
{
	file->path = strdup(path);
	if (!file->path)
		return -ENOMEM;
	return worker_open(&file->worker, "apo-metrics")
		       ?: worker_start(&file->worker, STACK_BYTES, work, file);
}

int metrics_file_new(struct metrics_file **ret, const char *path)
{
	struct metrics_file *file = calloc(1, sizeof(*file));
	int r;

	if (!file)
		return -ENOMEM;
	file->worker = WORKER_NONE;
	r = start(file, path);
	if (r)
		file = metrics_file_free(file);
	*ret = file;
	return r;
}

struct metrics_file *metrics_file_free(struct metrics_file *file)
{
	if (!file)
		return NULL;
	worker_close(&file->worker);
	if (file->is_ours)
		unlink(file->path);
	free(file->text);
	free(file->path);
	free(file);
	return NULL;
}

void metrics_file_pause(struct metrics_file *file)
{
	if (file)
		worker_stop(&file->worker);
}

void metrics_file_resume(struct metrics_file *file)
{
	if (!file)
		return;
	if (worker_start(&file->worker, STACK_BYTES, work, file))
		set_trouble(file, "no thread can be started");
}

void metrics_file_put(struct metrics_file *file, char *text)
{
	free(__atomic_exchange_n(&file->text, text, __ATOMIC_ACQ_REL));
	worker_ping(&file->worker);
}

const char *metrics_file_trouble(const struct metrics_file *file)
{
	return file ? __atomic_load_n(&file->trouble, __ATOMIC_RELAXED) : NULL;
}
