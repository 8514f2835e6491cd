// SPDX-License-Identifier: BSD-2-Clause
#include "base/runtime_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"

#define DEFAULT_DIR "/run/apoptosis"

static const char *path(void)
{
	const char *told = getenv("RUNTIME_DIRECTORY");

	return told && *told == '/' ? told : DEFAULT_DIR;
}

int runtime_dir_open(bool make, int *ret_dirfd)
{
	_cleanup_close_ int fd = -1;

	if (make && mkdir(path(), 0700) && errno != EEXIST)
		return -errno;
	fd = open(path(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || faccessat(fd, ".", W_OK | X_OK, AT_EACCESS))
		return -errno;
	*ret_dirfd = TAKE_FD(fd);
	return 0;
}

int runtime_dir_pass(int *ret_dirfd)
{
	int fd = open(path(), O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret_dirfd = fd;
	return 0;
}
