/* SPDX-License-Identifier: BSD-2-Clause */
#include "subjects.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"

#define PREPARE_MS 300000

struct subjects {
	const struct bench *bench;
	const char *program, *errors;
	char *tmpfs;
	struct group *outside;
};

struct subjects *subjects_new(const struct bench *bench, const char *program)
{
	struct subjects *subjects = calloc(1, sizeof(*subjects));
	const char *dir = text("%s/subjects", bench->dir);

	if (!subjects)
		fail("out of memory");
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		fail("cannot make %s: %s", dir, strerror(errno));
	subjects->bench = bench;
	subjects->program = program;
	subjects->errors = text("%s/subjects.errors", bench->dir);
	subjects->tmpfs = memory_new(bench);
	if (access(subjects->program, X_OK) < 0)
		fail("cannot run %s: %s", subjects->program, strerror(errno));
	subjects->outside = group_new(bench, NULL, "outside", 0);
	setenv("OUTSIDE", text("/proc/%d/fd/%d", getpid(), subjects->outside->fd), 1);
	setenv("DIR", dir, 1);
	setenv("TMPFS", subjects->tmpfs, 1);
	setenv("VICTIM", text("%s/victim", bench->workloads), 1);
	return subjects;
}

struct child *subjects_start(struct subjects *subjects, const struct group *group,
			     const char *action, const char *name, const char *argument)
{
	const char *const argv[] = {subjects->program, action, name, argument, NULL};

	return child_exec(group, subjects->errors, argv);
}

const char *subjects_error(const struct subjects *subjects)
{
	_cleanup_free_ char *errors = NULL;
	size_t size = 0;
	char *line;

	if (file_read(AT_FDCWD, subjects->errors, &errors, &size) < 0 || size == 0)
		return "it failed without a word";
	while (size > 0 && errors[size - 1] == '\n')
		errors[--size] = '\0';
	line = strrchr(errors, '\n');
	return text("%s", line ? line + 1 : errors);
}

const char *subjects_prepare(struct subjects *subjects, const char *name)
{
	struct child *child;
	const char *reason = NULL;

	unlink(subjects->errors);
	child = subjects_start(subjects, NULL, "prepare", name, NULL);
	if (!child_wait(child, PREPARE_MS))
		reason = "its preparation does not end";
	else if (child_code(child) != 0)
		reason = subjects_error(subjects);
	child_free(child);
	return reason;
}

struct subjects *subjects_free(struct subjects *subjects)
{
	if (!subjects)
		return NULL;
	memory_free(subjects->tmpfs);
	group_free(subjects->bench, subjects->outside);
	unlink(subjects->errors);
	free(subjects);
	return NULL;
}
