/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/pins.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/membarrier.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/util.h"

/* Of the maps that are pinned: counts when one of them changes. A test has a program of the next. */
#ifndef FORMAT
#define FORMAT "1-"
#endif
#define NAME_SIZE 32

struct pins {
	char *dir; /* that all share */
	char name[NAME_SIZE];
};

/* Allocated; NULL: no memory. */
static char *join(const char *dir, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

static bool is_bpffs(const char *dir)
{
	struct statfs fs;

	return !statfs(dir, &fs) && fs.f_type == BPF_FS_MAGIC;
}

static int make_dir(const char *path)
{
	return mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
}

int pins_new(struct pins **ret, const char *dir)
{
	struct pins *pins = calloc(1, sizeof(*pins));
	_cleanup_free_ char *own = NULL;
	int r;

	if (!pins)
		return -ENOMEM;
	snprintf(pins->name, sizeof(pins->name), FORMAT "%016" PRIx64, clock_ns(CLOCK_BOOTTIME));
	own = join(dir, pins->name);
	r = own ? make_dir(dir) : -ENOMEM;
	if (!r && !is_bpffs(dir))
		r = -ENOTSUP;
	if (!r)
		r = make_dir(own);
	if (!r) {
		pins->dir = strdup(dir);
		r = pins->dir ? 0 : -ENOMEM;
	}
	if (r) {
		free(pins);
		return r;
	}
	*ret = pins;
	return 0;
}

/* What is read once more when the other programs have ended; and who ends meanwhile is to be taken out of it. */
static bool is_kept_longer(const char *name)
{
	return !strcmp(name, PIN_SIGNALLED) || !strcmp(name, PIN_RECORDS) ||
	       !strcmp(name, "on_exit");
}

/* One instance's directory, with what is in it; or only what is not kept longer. */
static void remove_dir(const char *dir, const char *name, bool is_last)
{
	_cleanup_free_ char *own = join(dir, name);
	DIR *files = own ? opendir(own) : NULL;
	const struct dirent *entry;

	while (files && (entry = readdir(files))) {
		_cleanup_free_ char *path = join(own, entry->d_name);
		int fd;

		if (!path || entry->d_name[0] == '.' || (!is_last && is_kept_longer(entry->d_name)))
			continue;
		/* By its last descriptor a link ends at once; by its name alone some time after. */
		fd = bpf_obj_get(path);
		unlink(path);
		close_fd(fd);
	}
	if (files)
		closedir(files);
	if (own && is_last)
		rmdir(own);
}

struct pins *pins_free(struct pins *pins)
{
	if (!pins)
		return NULL;
	remove_dir(pins->dir, pins->name, true);
	free(pins->dir);
	free(pins);
	return NULL;
}

static char *path_of(const struct pins *pins, const char *name)
{
	_cleanup_free_ char *own = join(pins->dir, pins->name);

	return own ? join(own, name) : NULL;
}

int pins_add(const struct pins *pins, const char *name, int fd)
{
	_cleanup_free_ char *path = NULL;

	if (!pins)
		return 0;
	path = path_of(pins, name);
	if (!path)
		return -ENOMEM;
	return bpf_obj_pin(fd, path) ? -errno : 0;
}

void pins_drop(const struct pins *pins, const char *name)
{
	_cleanup_free_ char *path = pins ? path_of(pins, name) : NULL;

	if (path)
		unlink(path);
}

/* --- earlier instances --------------------------------------------------------------------- */

/* Names of other instances' directories have digits, a dash, and digits. */
static bool is_instance(const char *name)
{
	size_t format = strspn(name, "0123456789");

	return format && name[format] == '-' && name[format + 1] &&
	       !name[format + 1 + strspn(name + format + 1, "0123456789abcdef")];
}

/* own: its name; NULL: none is ours. Returns how many, or -errno. */
static int each_other(const char *dir, const char *own,
		      void (*fn)(const char *dir, const char *name, void *userdata), void *userdata)
{
	struct dirent **names;
	int n = scandir(dir, &names, NULL, alphasort), count = 0;

	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;

		if (is_instance(name) && (!own || strcmp(name, own) != 0)) {
			fn(dir, name, userdata);
			count++;
		}
		free(names[i]);
	}
	free(names);
	return count;
}

struct each {
	void (*fn)(const char *dir, bool is_known, void *userdata);
	void *userdata;
};

static void visit(const char *dir, const char *name, void *userdata)
{
	const struct each *each = userdata;
	_cleanup_free_ char *path = join(dir, name);

	if (path)
		each->fn(path, text_starts_with(name, FORMAT), each->userdata);
}

void pins_each_earlier(const struct pins *pins,
		       void (*fn)(const char *dir, bool is_known, void *userdata), void *userdata)
{
	struct each each = {fn, userdata};

	each_other(pins->dir, pins->name, visit, &each);
}

static void detach_other(const char *dir, const char *name, void *userdata)
{
	(void)userdata;
	remove_dir(dir, name, false);
}

void pins_detach_earlier(const struct pins *pins)
{
	each_other(pins->dir, pins->name, detach_other, NULL);
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0); /* an RCU grace period */
}

static void remove_other(const char *dir, const char *name, void *userdata)
{
	(void)userdata;
	remove_dir(dir, name, true);
}

size_t pins_remove_earlier(const struct pins *pins)
{
	int n = each_other(pins->dir, pins->name, remove_other, NULL);

	return MAX(n, 0);
}

int pins_remove_all(const char *dir)
{
	int n = each_other(dir, NULL, remove_other, NULL);

	if (n >= 0)
		rmdir(dir);
	return n;
}
