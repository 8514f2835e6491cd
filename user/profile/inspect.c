// SPDX-License-Identifier: BSD-2-Clause
/* The helper's side: it alone reads what a process can keep from being read. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "profile/inspection.h"
#include "sense/cgroup_dir.h"
#include "sense/pidref.h"
#include "sense/proc.h"

#define SECONDS_MAX 10		 /* of CPU time */
#define MEMORY_MAX (512UL << 20) /* address space: a process can map what it likes, 65,530 times */

struct subject {
	pid_t pid, ns_pid;
	uint64_t start_boottime_ns;
	unsigned int parts;
};

static bool read_arguments(int argc, char **argv, struct subject *ret)
{
	if (argc != 5)
		return false;
	*ret = (struct subject){
		.pid = (pid_t)strtol(argv[1], NULL, 10),
		.start_boottime_ns = strtoull(argv[2], NULL, 10),
		.ns_pid = (pid_t)strtol(argv[3], NULL, 10),
		.parts = (unsigned int)strtoul(argv[4], NULL, 10),
	};
	return true;
}

/* The OOM killer takes this process before its parent, which may be exempt; it costs little. */
static void be_modest(void)
{
	const struct rlimit seconds = {SECONDS_MAX, SECONDS_MAX}, memory = {MEMORY_MAX, MEMORY_MAX};

	file_write(AT_FDCWD, "/proc/self/oom_score_adj", "1000");
	setrlimit(RLIMIT_CPU, &seconds);
#ifndef __SANITIZE_ADDRESS__
	setrlimit(RLIMIT_AS, &memory);
#else
	(void)memory;
#endif
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* Gone, or on its way, it has let go of its memory: what is read then are no sums. */
static bool read_sums(int pid_dirfd, struct mapping_sums *ret)
{
	return !mapping_sums_read(pid_dirfd, ret) && ret->file;
}

static bool find_files(int proc_fd, const char *name, struct tmpfs_files *ret)
{
	_cleanup_close_ int dirfd = openat(proc_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct tmpfs_search search = {
		.proc_fd = proc_fd,
		.pid_dirfd = dirfd,
		.cgroup_dirfd = STDIN_FILENO,
	};

	return dirfd >= 0 && !tmpfs_files_find(&search, ret);
}

/*
 * What the process sees; else what another one of the cgroup does, or this one. One that ends is in its cgroup for a
 * while, and has no root any more.
 */
static bool find_files_anyhow(int proc_fd, pid_t pid, struct tmpfs_files *ret)
{
	_cleanup_free_ pid_t *pids = NULL;
	size_t count = 0;
	char name[16];

	snprintf(name, sizeof(name), "%d", pid);
	if (pid && find_files(proc_fd, name, ret))
		return true;
	if (cgroup_procs(STDIN_FILENO, &pids, &count))
		count = 0;
	for (size_t i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%d", pids[i]);
		if (find_files(proc_fd, name, ret))
			return true;
	}
	return find_files(proc_fd, "self", ret);
}

int inspect_main(int argc, char **argv)
{
	_cleanup_close_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct pidref process = PIDREF_NONE;
	struct inspected found = INSPECTED_NONE;
	struct subject subject;
	int dirfd = -1, r;

	if (!read_arguments(argc, argv, &subject))
		return EXIT_USAGE;
	be_modest();
	r = pidref_open(proc_fd, subject.pid, subject.start_boottime_ns, &process);
	if (!r)
		dirfd = pidref_open_dir(&process, proc_fd);
	found.error = r ?: MIN(dirfd, 0);
	/* What is had is sent at once: the next part may not end. */
	if (subject.parts & INSPECTION_CMDLINE && dirfd >= 0 &&
	    !proc_cmdline_read(dirfd, &found.cmdline))
		inspection_send(STDOUT_FILENO, &found, INSPECTION_CMDLINE);
	if (subject.parts & INSPECTION_NAMES) {
		if (dirfd >= 0)
			found.error = snapshot_take(dirfd, subject.ns_pid,
						    subject.start_boottime_ns, &found.snapshot);
		inspection_send(STDOUT_FILENO, &found, INSPECTION_NAMES);
	}
	if (subject.parts & INSPECTION_SUMS && dirfd >= 0 && read_sums(dirfd, &found.sums))
		inspection_send(STDOUT_FILENO, &found, INSPECTION_SUMS);
	/* By its pid where that is still its own. */
	if (subject.parts & INSPECTION_FILES &&
	    find_files_anyhow(proc_fd, dirfd >= 0 && !pidref_exited(&process) ? subject.pid : 0,
			      &found.files))
		inspection_send(STDOUT_FILENO, &found, INSPECTION_FILES);
	return 0; /* the kernel clears up */
}
