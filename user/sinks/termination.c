// SPDX-License-Identifier: BSD-2-Clause
#include "sinks/termination.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"

#define TERMINATION_FILE "/dev/termination-log"
#define TERMINATION_MAX 4096 /* bytes that Kubernetes keeps */

void termination_write(const char *line)
{
	_cleanup_close_ int fd =
		open(TERMINATION_FILE, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	struct stat info;

	if (fd < 0 || fstat(fd, &info) || !S_ISREG(info.st_mode))
		return; /* no container of Kubernetes, or its file is elsewhere */
	if (ftruncate(fd, 0) || write(fd, line, MIN(strlen(line), (size_t)TERMINATION_MAX)) < 0)
		log_warn("cannot write " TERMINATION_FILE ": %s, ignoring", strerror(errno));
}
