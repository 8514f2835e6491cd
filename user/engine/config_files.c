/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/config_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "base/util.h"

/* In the order in which they come before each other. */
static const char *const dirs[] = {
	"etc/apoptosis",
	"run/apoptosis",
	"usr/local/lib/apoptosis",
	"usr/lib/apoptosis",
};

struct reader {
	struct config *config;
	config_complain_fn complain;
	void *userdata;
};

/* -ENOENT: it is not there. */
static int add_file(const struct reader *reader, int dirfd, const char *path, const char *shown)
{
	_cleanup_free_ char *text = NULL;
	int r = file_read(dirfd, path, &text, NULL);

	return r ?: config_add(reader->config, shown, text, reader->complain, reader->userdata);
}

/* The first that is there, of each of the directories; its name in *ret_where. */
static int add_first(const struct reader *reader, int root_fd, const char *name, char **ret_where)
{
	int r = -ENOENT;

	for (size_t i = 0; r == -ENOENT && i < ARRAY_SIZE(dirs); i++) {
		free(*ret_where);
		if (asprintf(ret_where, "/%s/%s", dirs[i], name) < 0) {
			*ret_where = NULL;
			return -ENOMEM;
		}
		r = add_file(reader, root_fd, *ret_where + 1, *ret_where);
	}
	return r == -ENOENT ? 0 : r;
}

/* --- conf.d -------------------------------------------------------------------------------- */

struct names {
	char **names;
	size_t count;
};

static void names_clear(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->names[i]);
	free(names->names);
}

static int names_add(struct names *names, const char *name)
{
	char **more = reallocarray(names->names, names->count + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	names->names = more;
	if (asprintf(&more[names->count], "conf.d/%s", name) < 0)
		return -ENOMEM;
	names->count++;
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int names_read(struct names *names, int root_fd, const char *dir)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	const struct dirent *entry;
	int r = 0;
	DIR *files;

	if (asprintf(&path, "%s/conf.d", dir) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	fd = openat(root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	files = fdopendir(fd);
	if (!files)
		return -errno;
	TAKE_FD(fd);
	while (!r && (entry = readdir(files)))
		if (entry->d_name[0] != '.' && text_ends_with(entry->d_name, ".conf"))
			r = names_add(names, entry->d_name);
	closedir(files);
	return r;
}

static int add_drop_ins(const struct reader *reader, int root_fd, char **ret_where)
{
	struct names names = {};
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_SIZE(dirs); i++)
		r = names_read(&names, root_fd, dirs[i]);
	if (names.count)
		qsort(names.names, names.count, sizeof(*names.names), compare_names);
	for (size_t i = 0; !r && i < names.count; i++)
		if (!i || strcmp(names.names[i], names.names[i - 1]) != 0)
			r = add_first(reader, root_fd, names.names[i], ret_where);
	names_clear(&names);
	return r;
}

int config_files_read(int root_fd, const char *file, config_complain_fn complain, void *userdata,
		      struct config **ret, char **ret_where)
{
	struct reader reader = {.config = config_new(), .complain = complain, .userdata = userdata};
	_cleanup_free_ char *where = file ? strdup(file) : NULL;
	int r = reader.config && (!file || where) ? 0 : -ENOMEM;

	if (!r && file)
		r = add_file(&reader, AT_FDCWD, file, file);
	else if (!r)
		r = add_first(&reader, root_fd, "apoptosis.conf", &where)
			    ?: add_drop_ins(&reader, root_fd, &where);
	r = r ?: config_finish(reader.config, complain, userdata);
	if (r) {
		config_free(reader.config);
		*ret_where = TAKE_PTR(where);
		return r;
	}
	*ret = reader.config;
	return 0;
}
