/* SPDX-License-Identifier: BSD-2-Clause */
#include "fuzz/fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "base/util.h"

#define SEPARATOR '\f'

void fuzz_fail(const char *file, int line, const char *condition)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
	abort();
}

char *fuzz_part(struct fuzz_input *input, size_t *ret_size)
{
	const uint8_t *end = input->left ? memchr(input->at, SEPARATOR, input->left) : NULL;
	size_t size = end ? (size_t)(end - input->at) : input->left;
	size_t taken = size + !!end;
	char *part = malloc(size + 1);

	FUZZ_CHECK(part);
	if (size)
		memcpy(part, input->at, size);
	part[size] = '\0';
	input->at += taken;
	input->left -= taken;
	if (ret_size)
		*ret_size = size;
	return part;
}

char *fuzz_text(const uint8_t *data, size_t size)
{
	char *text = size ? strndup((const char *)data, size) : strdup("");

	FUZZ_CHECK(text);
	return text;
}

int fuzz_memfd(const void *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	FUZZ_CHECK(fd >= 0);
	FUZZ_CHECK(pwrite(fd, data, size, 0) == (ssize_t)size);
	return fd;
}

FILE *fuzz_stream(const void *data, size_t size)
{
	FILE *file = size ? fmemopen((void *)data, size, "r") : fopen("/dev/null", "r");

	FUZZ_CHECK(file);
	return file;
}

/* --- files --------------------------------------------------------------------------------- */

static char root_path[PATH_MAX];
static int root_fd = -1;

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_root(void)
{
	nftw(root_path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* In memory: it is written for each input. */
int fuzz_dir(void)
{
	if (root_fd >= 0)
		return root_fd;
	snprintf(root_path, sizeof(root_path), "%s/apoptosis-fuzz-XXXXXX",
		 getenv("TMPDIR") ?: "/dev/shm");
	FUZZ_CHECK(mkdtemp(root_path));
	FUZZ_CHECK(atexit(remove_root) == 0);
	root_fd = open(root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	FUZZ_CHECK(root_fd >= 0);
	return root_fd;
}

const char *fuzz_dir_path(void)
{
	fuzz_dir();
	return root_path;
}

static void make_parents(const char *path)
{
	char parent[PATH_MAX];

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
		FUZZ_CHECK(mkdirat(fuzz_dir(), parent, 0755) == 0 || errno == EEXIST);
	}
}

void fuzz_file(const char *path, const void *data, size_t size)
{
	const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
	int fd = openat(fuzz_dir(), path, flags, 0600);

	if (fd < 0) {
		make_parents(path);
		fd = openat(fuzz_dir(), path, flags, 0600);
	}
	FUZZ_CHECK(fd >= 0);
	FUZZ_CHECK(write(fd, data, size) == (ssize_t)size);
	close(fd);
}

void fuzz_part_file(struct fuzz_input *input, const char *path)
{
	size_t size;
	_cleanup_free_ char *part = fuzz_part(input, &size);

	if (size)
		fuzz_file(path, part, size);
	else
		unlinkat(fuzz_dir(), path, 0);
}

/* --- promises ------------------------------------------------------------------------------ */

bool fuzz_is_printable(const char *text, bool lines)
{
	while (*text) {
		unsigned int code;
		size_t length = text_utf8_sequence(text, &code);

		if (!length)
			return false;
		if ((code < 0x20 || (code >= 0x7f && code < 0xa0)) && !(lines && code == '\n'))
			return false;
		text += length;
	}
	return true;
}
