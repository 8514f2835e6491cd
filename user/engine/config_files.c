/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/config_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/util.h"
#include "engine/drop_ins.h"

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

struct drop_ins {
	const struct reader *reader;
	char **ret_where;
};

static int add_drop_in(int dirfd, size_t dir, const char *name, void *userdata)
{
	const struct drop_ins *drop_ins = userdata;
	char **where = drop_ins->ret_where;

	free(*where);
	if (asprintf(where, "/%s/conf.d/%s", dirs[dir], name) < 0) {
		*where = NULL;
		return -ENOMEM;
	}
	return add_file(drop_ins->reader, dirfd, name, *where);
}

static int add_drop_ins(const struct reader *reader, int root_fd, char **ret_where)
{
	int dirfds[ARRAY_SIZE(dirs)], r;

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		_cleanup_close_ int fd =
			openat(root_fd, dirs[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		dirfds[i] = fd < 0 ? -1 : openat(fd, "conf.d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	r = drop_ins_each(dirfds, ARRAY_SIZE(dirs), add_drop_in,
			  &(struct drop_ins){reader, ret_where});
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		close_fd(dirfds[i]);
	return r;
}

int config_files_read(int root_fd, const char *file, const char *said, config_complain_fn complain,
		      void *userdata, struct config **ret, char **ret_where)
{
	struct reader reader = {.config = config_new(), .complain = complain, .userdata = userdata};
	_cleanup_free_ char *where = file ? strdup(file) : NULL;
	int r = reader.config && (!file || where) ? 0 : -ENOMEM;

	if (!r && file)
		r = add_file(&reader, AT_FDCWD, file, file);
	else if (!r)
		r = add_first(&reader, root_fd, "apoptosis.conf", &where)
			    ?: add_drop_ins(&reader, root_fd, &where);
	if (!r && said)
		r = config_add(reader.config, "command line", said, complain, userdata);
	r = r ?: config_finish(reader.config, complain, userdata);
	if (r) {
		config_free(reader.config);
		*ret_where = TAKE_PTR(where);
		return r;
	}
	*ret = reader.config;
	return 0;
}
