// SPDX-License-Identifier: BSD-2-Clause
#include "engine/only_one.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "base/log.h"
#include "base/util.h"
#include "base/runtime_dir.h"

int only_one_lock(int *ret_fd)
{
	_cleanup_close_ int dirfd = -1, fd = -1;
	int r = runtime_dir_open(true, &dirfd);

	if (r) {
		log_warn("no runtime directory: %s: a second daemon would not be noticed",
			 strerror(-r));
		return 0;
	}
	fd = openat(dirfd, "daemon.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		log_error("cannot make daemon.lock in the runtime directory: %s", strerror(errno));
		return EXIT_RUNTIME;
	}
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		log_error("a daemon runs already: stop it first, or have it read its configuration "
			  "anew by SIGHUP");
		return EXIT_RUNTIME;
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}
