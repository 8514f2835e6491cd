// SPDX-License-Identifier: BSD-2-Clause
#include "engine/profile_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "engine/drop_ins.h"

static void complain(const char *line, void *userdata)
{
	(void)userdata;
	log_warn("profile left out: %s", line);
}

static int add_file(int dirfd, size_t dir, const char *name, void *userdata)
{
	_cleanup_free_ char *text = NULL;
	int r = file_read(dirfd, name, &text, NULL);

	(void)dir;
	if (!r)
		return profiles_add(userdata, name, text, complain, NULL);
	log_warn("cannot read the profiles of %s: %s, ignoring", name, strerror(-r));
	return r == -ENOMEM ? r : 0;
}

/* Beside this program, as it is installed, or built in its tree. -1: nowhere. */
static int open_shipped(void)
{
	static const char *const places[] = {"../lib/apoptosis/profiles.d", "../deploy/profiles.d"};
	char path[PATH_MAX];
	int fd = -1;

	for (size_t i = 0; fd < 0 && i < ARRAY_SIZE(places); i++)
		if (!file_beside_self(places[i], path, sizeof(path)))
			fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd;
}

static int read_dirs(struct profiles *profiles, const char *dir)
{
	const int dirfds[] = {
		dir ? -1 : open(PROFILES_DIR_OWN, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : open_shipped(),
	};
	int r = dir && dirfds[1] < 0 ? -errno : 0;

	if (!r)
		r = drop_ins_each(dirfds, ARRAY_SIZE(dirfds), add_file, profiles);
	for (size_t i = 0; i < ARRAY_SIZE(dirfds); i++)
		close_fd(dirfds[i]);
	return r;
}

int profile_files_read(const char *dir, struct profiles **ret)
{
	struct profiles *profiles = profiles_new();
	int r = profiles ? read_dirs(profiles, dir) : -ENOMEM;

	if (!r) {
		*ret = profiles;
		return 0;
	}
	profiles_free(profiles);
	log_error("cannot read the profiles of %s: %s (--profiles wants a directory, or off)",
		  dir ?: PROFILES_DIR_OWN, strerror(-r));
	return dir ? EXIT_USAGE : EXIT_RUNTIME;
}
