// SPDX-License-Identifier: BSD-2-Clause
#include "engine/profile_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "base/util.h"

static void complain(const char *line, void *userdata)
{
	(void)userdata;
	log_warn("profile left out: %s", line);
}

static int is_profile(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && text_ends_with(entry->d_name, ".conf");
}

struct names {
	struct dirent **entries;
	int count;
};

static void names_clear(struct names *names)
{
	for (int i = 0; i < names->count; i++)
		free(names->entries[i]);
	free(names->entries);
}

static int names_read(int dirfd, struct names *ret)
{
	ret->count = scandirat(dirfd, ".", &ret->entries, is_profile, alphasort);
	if (ret->count >= 0)
		return 0;
	ret->count = 0;
	return -errno;
}

static int add_file(struct profiles *profiles, int dirfd, const char *name)
{
	_cleanup_free_ char *text = NULL;
	int r = file_read(dirfd, name, &text, NULL);

	if (!r)
		return profiles_add(profiles, name, text, complain, NULL);
	log_warn("cannot read the profiles of %s: %s, ignoring", name, strerror(-r));
	return r == -ENOMEM ? r : 0;
}

/* In the order of names, both taken together; of one name it is the second's. */
static int add_both(struct profiles *profiles, const int dirfds[2], const struct names names[2])
{
	int first = 0, second = 0, r = 0;

	while (!r && (first < names[0].count || second < names[1].count)) {
		int order = first == names[0].count    ? 1
			    : second == names[1].count ? -1
						       : strcmp(names[0].entries[first]->d_name,
								names[1].entries[second]->d_name);

		r = order < 0 ? add_file(profiles, dirfds[0], names[0].entries[first]->d_name)
			      : add_file(profiles, dirfds[1], names[1].entries[second]->d_name);
		first += order <= 0;
		second += order >= 0;
	}
	return r;
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
	int dirfds[2] = {dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : open_shipped(),
			 dir ? -1 : open(PROFILES_DIR_OWN, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	struct names names[2] = {};
	int r = dir && dirfds[0] < 0 ? -errno : 0;

	for (int i = 0; !r && i < 2; i++)
		if (dirfds[i] >= 0)
			r = names_read(dirfds[i], &names[i]);
	if (!r)
		r = add_both(profiles, dirfds, names);
	for (int i = 0; i < 2; i++) {
		names_clear(&names[i]);
		close_fd(dirfds[i]);
	}
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
