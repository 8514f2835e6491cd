/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"

#define NEW_NAME ".apoptosis-socket"

struct sockaddr_un unix_socket_address(int dirfd, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", dirfd, name);
	return address;
}

static int check_replaced(int dirfd, const char *name)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -errno;
	return S_ISSOCK(st.st_mode) ? 0 : -EEXIST;
}

int unix_socket_bind(int dirfd, const char *name, mode_t mode)
{
	struct sockaddr_un address = unix_socket_address(dirfd, NEW_NAME);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r = check_replaced(dirfd, name);

	if (r || fd < 0)
		return r ?: -errno;
	unlinkat(dirfd, NEW_NAME, 0); /* it may not be there */
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)))
		return -errno;
	if (fchmodat(dirfd, NEW_NAME, mode, 0) || renameat(dirfd, NEW_NAME, dirfd, name)) {
		r = -errno;
		unlinkat(dirfd, NEW_NAME, 0);
		return r;
	}
	return TAKE_FD(fd);
}
