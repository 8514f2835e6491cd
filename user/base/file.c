/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/parse.h"
#include "base/util.h"

static ssize_t read_retry(int fd, char *buf, size_t size)
{
	ssize_t n;

	do
		n = read(fd, buf, size);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int file_read(int dirfd, const char *path, char **ret, size_t *ret_size)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	_cleanup_free_ char *buf = NULL;
	size_t size = 0, room = 0;

	if (fd < 0)
		return -errno;

	/* The size of kernel files is not known before their end. */
	for (;;) {
		ssize_t n;

		if (size == room) {
			size_t larger = room ? room * 2 : 4096;
			char *grown = realloc(buf, larger + 1);

			if (!grown)
				return -ENOMEM;
			buf = grown;
			room = larger;
		}
		n = read_retry(fd, buf + size, room - size);
		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		size += (size_t)n;
		if (size > FILE_READ_MAX)
			return -EFBIG;
	}
	buf[size] = '\0';
	*ret = TAKE_PTR(buf);
	if (ret_size)
		*ret_size = size;
	return 0;
}

/* One read(2) into room for a NUL as well: the bytes read, or -errno. */
static ssize_t read_once(int dirfd, const char *path, char *text, size_t size)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = fd < 0 ? -errno : read_retry(fd, text, size - 1);

	if (n >= 0)
		text[n] = '\0';
	return n;
}

int file_read_into(int dirfd, const char *path, char *text, size_t size)
{
	ssize_t n = read_once(dirfd, path, text, size);

	return n < 0 ? (int)n : 0;
}

int file_beside_self(const char *place, char *path, size_t size)
{
	char self[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *slash;

	if (length < 0)
		return -errno;
	self[length] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return -ENOENT;
	length = snprintf(path, size, "%.*s/%s", (int)(slash - self), self, place);
	return (size_t)length < size ? 0 : -ENAMETOOLONG;
}

int file_keep(int *fd)
{
	struct rlimit files;

	/* The lowest free number is taken: none is as high as this while more of them are free. */
	if (*fd < 0 || getrlimit(RLIMIT_NOFILE, &files) ||
	    (rlim_t)*fd + MIN(files.rlim_cur / 4, (rlim_t)FILE_SPARE_DESCRIPTORS) < files.rlim_cur)
		return 0;
	*fd = close_fd(*fd);
	return -EMFILE;
}

int file_read_u64(int dirfd, const char *path, uint64_t *ret)
{
	char text[64];
	ssize_t n = read_once(dirfd, path, text, sizeof(text));

	if (n < 0)
		return (int)n;
	if (n == 0 || n == sizeof(text) - 1) /* no number is that long */
		return -EBADMSG;
	if (strlen(text) != (size_t)n)
		return -EBADMSG;
	if (text[n - 1] == '\n')
		text[n - 1] = '\0';
	if (strcmp(text, "max") == 0) {
		*ret = UINT64_MAX;
		return 0;
	}
	return parse_u64(text, ret) < 0 ? -EBADMSG : 0;
}

static int write_once(int dirfd, const char *path, const char *text, int flags)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY | flags);
	size_t size = strlen(text);
	ssize_t n;

	if (fd < 0)
		return -errno;
	do
		n = write(fd, text, size);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -EIO;
}

int file_write(int dirfd, const char *path, const char *text)
{
	return write_once(dirfd, path, text, 0);
}

int file_write_nonblock(int dirfd, const char *path, const char *text)
{
	return write_once(dirfd, path, text, O_NONBLOCK);
}

/* Lets render write the whole content to fd, which it takes over, and brings it to the disk if it is to last. */
static int render_file(int fd, bool lasts, int (*render)(FILE *out, void *userdata), void *userdata)
{
	FILE *out = fdopen(fd, "w");
	int r;

	if (!out) {
		r = -errno;
		close_fd(fd);
		return r;
	}
	r = render(out, userdata);
	if (r > 0)
		r = 0;
	if (r == 0 && fflush(out) != 0)
		r = -errno;
	/* An earlier write may have failed without fflush() having anything left to do. */
	if (r == 0 && ferror(out))
		r = -EIO;
	if (r == 0 && lasts && fsync(fileno(out)) != 0)
		r = -errno;
	if (fclose(out) != 0 && r == 0)
		r = -errno;
	return r;
}

/* Makes the rename last through a power cut, where the file system can sync a directory. */
static int sync_directory(int dirfd)
{
	_cleanup_close_ int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fsync(fd) != 0 && errno != EINVAL && errno != EROFS)
		return -errno;
	return 0;
}

static int write_whole(int dirfd, const char *name, mode_t mode, bool lasts,
		       int (*render)(FILE *out, void *userdata), void *userdata)
{
	_cleanup_close_ int fd = -1;
	char temporary[32];
	uint64_t random;
	int r;

	if (*name == '\0' || strchr(name, '/'))
		return -EINVAL;
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	/* Not made of `name`, which may be as long as a name can be. */
	snprintf(temporary, sizeof(temporary), ".%016" PRIx64 ".tmp", random);

	fd = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	r = fchmod(fd, mode) == 0 ? 0 : -errno;
	if (r == 0)
		r = render_file(TAKE_FD(fd), lasts, render, userdata);
	if (r == 0 && renameat(dirfd, temporary, dirfd, name) != 0)
		r = -errno;
	if (r < 0) {
		unlinkat(dirfd, temporary, 0);
		return r;
	}
	return lasts ? sync_directory(dirfd) : 0;
}

int file_write_atomic(int dirfd, const char *name, mode_t mode,
		      int (*render)(FILE *out, void *userdata), void *userdata)
{
	return write_whole(dirfd, name, mode, true, render, userdata);
}

int file_write_passing(int dirfd, const char *name, mode_t mode,
		       int (*render)(FILE *out, void *userdata), void *userdata)
{
	return write_whole(dirfd, name, mode, false, render, userdata);
}

int file_give_to_group(int dirfd, const char *name, gid_t group)
{
	gid_t own = (gid_t)setfsgid(group); /* of this thread */
	int r = 0;

	if (fchownat(dirfd, name, (uid_t)-1, group, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		r = -errno;
	setfsgid(own);
	return r;
}
