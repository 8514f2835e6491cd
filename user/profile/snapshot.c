// SPDX-License-Identifier: BSD-2-Clause
#include "profile/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"

/* Device numbers are not compared: btrfs and overlayfs show others in maps than in stat. */
static bool is_file_of(int fd, const struct mapping *mapping)
{
	struct stat info;

	return fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_ino == mapping->inode;
}

/* A path in the process's own root, whatever links are on the way: never out of it. */
static int open_in_root(int root_fd, const char *path)
{
	const struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	return root_fd < 0 ? -1 : (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
}

/* The very file that is mapped, be it replaced or deleted; else the one at its path. */
static int open_file(int pid_dirfd, int root_fd, const struct mapping *mapping)
{
	char link[64];
	int fd;

	snprintf(link, sizeof(link), "map_files/%lx-%lx", (unsigned long)mapping->start,
		 (unsigned long)mapping->end);
	fd = openat(pid_dirfd, link, O_PATH | O_CLOEXEC);
	if (fd < 0)
		fd = open_in_root(root_fd, mapping->path);
	if (fd >= 0 && !is_file_of(fd, mapping))
		fd = close_fd(fd);
	return fd;
}

static bool is_same_file(const struct mapping *a, const struct mapping *b)
{
	return a->inode == b->inode && a->major == b->major && a->minor == b->minor;
}

/* NULL: not among them, open or not. */
static const struct snapshot_file *find_file(const struct snapshot *snapshot,
					     const struct mapping *mapping)
{
	for (size_t i = 0; i < snapshot->file_count; i++)
		if (is_same_file(&snapshot->mappings.list[snapshot->files[i].mapping], mapping))
			return &snapshot->files[i];
	return NULL;
}

/* --- the perf map -------------------------------------------------------------------------- */

#define PERF_MAP_MAX (256L << 20) /* bytes; a large JVM writes 20 MiB */

/* Files of the kernel's own say what their reader may know, not what the process has written. */
static bool is_kernel_file(int fd)
{
	static const unsigned long types[] = {
		PROC_SUPER_MAGIC, SYSFS_MAGIC,	      DEBUGFS_MAGIC,	   TRACEFS_MAGIC,
		SECURITYFS_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, BPF_FS_MAGIC,
		PSTOREFS_MAGIC,	  EFIVARFS_MAGIC,
	};
	struct statfs fs;

	if (fstatfs(fd, &fs))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if ((unsigned long)fs.f_type == types[i])
			return true;
	return false;
}

/* Whose map it may be. */
struct perf_map_owner {
	uid_t uid;
	gid_t gid;
	uint64_t since_ns; /* CLOCK_REALTIME, as of its last change */
};

#define COARSE_NS NSEC_PER_SEC /* by which clocks of files and of processes may be apart */

static bool is_perf_map(int fd, const struct perf_map_owner *owner, bool as_owner)
{
	struct stat info;

	if (fstat(fd, &info) || !S_ISREG(info.st_mode) || info.st_size > PERF_MAP_MAX ||
	    clock_of_timespec(&info.st_mtim) + COARSE_NS < owner->since_ns || is_kernel_file(fd))
		return false;
	return info.st_uid == owner->uid || (info.st_uid == 0 && as_owner);
}

/* By whom we are just now: the user of the process, without capabilities. */
static bool may_be_read(int fd)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0;
}

/*
 * As the process's user, for whom others on the way may be closed. Without CAP_SETUID, as in most
 * services, we remain who we are: then it is to be a file of that user.
 */
static int open_perf_map(int root_fd, const struct perf_map_owner *owner, pid_t ns_pid)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	bool as_owner = !setegid(owner->gid) && !seteuid(owner->uid);
	char path[40];
	int fd;

	snprintf(path, sizeof(path), "/tmp/perf-%d.map", ns_pid);
	fd = open_in_root(root_fd, path);
	if (fd >= 0 && (!is_perf_map(fd, owner, as_owner) || (as_owner && !may_be_read(fd))))
		fd = close_fd(fd);
	if (seteuid(uid) || setegid(gid))
		fd = close_fd(fd);
	return fd;
}

/* --- the whole ----------------------------------------------------------------------------- */

int snapshot_take(int pid_dirfd, pid_t ns_pid, uint64_t start_boottime_ns, struct snapshot *ret)
{
	_cleanup_close_ int root_fd = -1;
	struct perf_map_owner owner;
	struct stat process;
	int r;

	*ret = SNAPSHOT_NONE;
	if (fstat(pid_dirfd, &process))
		return -errno;
	owner = (struct perf_map_owner){process.st_uid, process.st_gid,
					clock_realtime_of(start_boottime_ns)};
	r = mappings_read(pid_dirfd, &ret->mappings);
	if (r)
		return r;
	root_fd = openat(pid_dirfd, "root", O_PATH | O_CLOEXEC);
	for (size_t i = 0; i < ret->mappings.count && ret->file_count < SNAPSHOT_FILES_MAX; i++) {
		const struct mapping *mapping = &ret->mappings.list[i];

		if (!mapping->inode || find_file(ret, mapping))
			continue;
		ret->files[ret->file_count++] = (struct snapshot_file){
			.mapping = i,
			.fd = open_file(pid_dirfd, root_fd, mapping),
		};
	}
	ret->perf_map_fd = open_perf_map(root_fd, &owner, ns_pid);
	return 0;
}

void snapshot_clear(struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->file_count; i++)
		close_fd(snapshot->files[i].fd);
	mappings_clear(&snapshot->mappings);
	close_fd(snapshot->perf_map_fd);
	*snapshot = SNAPSHOT_NONE;
}

static int dup_fd(int fd)
{
	return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

int snapshot_file(const struct snapshot *snapshot, const struct mapping *mapping)
{
	const struct snapshot_file *file = find_file(snapshot, mapping);

	return file ? dup_fd(file->fd) : -1;
}

int snapshot_perf_map(const struct snapshot *snapshot)
{
	return dup_fd(snapshot->perf_map_fd);
}
