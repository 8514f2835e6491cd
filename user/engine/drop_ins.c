// SPDX-License-Identifier: BSD-2-Clause
#include "engine/drop_ins.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/util.h"

struct file {
	char *name;
	size_t dir;
};

struct files {
	struct file *files;
	size_t count;
};

static int is_drop_in(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && text_ends_with(entry->d_name, ".conf");
}

static int add(struct files *files, size_t dir, const char *name)
{
	struct file *more = reallocarray(files->files, files->count + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	files->files = more;
	more[files->count] = (struct file){strdup(name), dir};
	return more[files->count].name ? (files->count++, 0) : -ENOMEM;
}

static int add_dir(struct files *files, int dirfd, size_t dir)
{
	struct dirent **entries;
	int n = scandirat(dirfd, ".", &entries, is_drop_in, NULL), r = n < 0 ? -errno : 0;

	for (int i = 0; i < n; i++) {
		r = r ?: add(files, dir, entries[i]->d_name);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return r;
}

static int compare(const void *a, const void *b)
{
	const struct file *one = a, *other = b;

	return strcmp(one->name, other->name) ?: (one->dir > other->dir) - (one->dir < other->dir);
}

int drop_ins_each(const int dirfds[], size_t count, drop_in_fn fn, void *userdata)
{
	struct files files = {};
	int r = 0;

	for (size_t i = 0; !r && i < count; i++)
		if (dirfds[i] >= 0)
			r = add_dir(&files, dirfds[i], i);
	if (files.count)
		qsort(files.files, files.count, sizeof(*files.files), compare);
	for (size_t i = 0; !r && i < files.count; i++) {
		const struct file *file = &files.files[i];

		if (!i || strcmp(file->name, file[-1].name) != 0)
			r = fn(dirfds[file->dir], file->dir, file->name, userdata);
	}
	for (size_t i = 0; i < files.count; i++)
		free(files.files[i].name);
	free(files.files);
	return r;
}
