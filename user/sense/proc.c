/* SPDX-License-Identifier: BSD-2-Clause */
#include "sense/proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>

#include "base/file.h"
#include "base/parse.h"
#include "base/text.h"
#include "base/util.h"

#define KERNEL_THREAD_FLAG 0x00200000UL /* PF_KTHREAD, include/linux/sched.h */
#define MAX_THREADS_READ 4096
#define SIGWAIT_SYMBOL "do_sigtimedwait" /* or what begins so; its name since 3.10 */

/* Fields of stat by their number in proc(5). */
enum stat_field {
	STAT_STATE = 3,
	STAT_PPID = 4,
	STAT_FLAGS = 9,
	STAT_THREADS = 20,
	STAT_START = 22,
	STAT_RSS = 24,
};

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}
#define _cleanup_closedir_ _cleanup_(closedirp)

/* The directory of a process, which stays that process's also when the pid is used again. */
static int open_process(int proc_fd, pid_t pid, int *ret_fd)
{
	char name[16];
	int fd;

	if (pid <= 0)
		return -ESRCH;
	snprintf(name, sizeof(name), "%d", pid);
	fd = openat(proc_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	*ret_fd = fd;
	return 0;
}

static int read_process_file(int fd, const char *name, char **ret, size_t *ret_size)
{
	int r = file_read(fd, name, ret, ret_size);

	return r == -ENOENT ? -ESRCH : r;
}

/* A numeric field after the command, which may itself hold blanks and parentheses. */
static int stat_number(const char *stat, enum stat_field field, uint64_t *ret)
{
	const char *at = strrchr(stat, ')');
	char *end;

	if (!at)
		return -EBADMSG;
	for (int i = STAT_STATE; i <= (int)field; i++) {
		at = strchr(at + 1, ' ');
		if (!at)
			return -EBADMSG;
	}
	errno = 0;
	*ret = strtoull(at + 1, &end, 10);
	return end == at + 1 || errno ? -EBADMSG : 0;
}

/* The last number of the NSpid line and how many come before it; without the line one level. */
static void namespace_pid(const char *status, pid_t pid, pid_t *ret_pid, uint32_t *ret_level)
{
	const char *at = parse_field(status, "NSpid");
	uint32_t count = 0;

	*ret_pid = pid;
	*ret_level = 0;
	while (at && *at >= '0' && *at <= '9') {
		char *end;

		*ret_pid = (pid_t)strtol(at, &end, 10);
		*ret_level = count++;
		at = end + strspn(end, "\t ");
	}
}

static int parse_stat(const char *stat, struct proc_info *info)
{
	uint64_t ppid = 0, flags = 0, threads = 0;
	const char *state = strrchr(stat, ')');
	int r;

	r = stat_number(stat, STAT_PPID, &ppid);
	if (r == 0)
		r = stat_number(stat, STAT_FLAGS, &flags);
	if (r == 0)
		r = stat_number(stat, STAT_THREADS, &threads);
	if (r == 0)
		r = stat_number(stat, STAT_START, &info->start_ticks);
	if (r < 0)
		return r;

	info->ppid = (pid_t)ppid;
	info->threads = (uint32_t)threads;
	info->kernel_thread = flags & KERNEL_THREAD_FLAG;
	info->zombie = state[2] == 'Z' || state[2] == 'X';
	return 0;
}

static uint64_t ticks_to_ns(uint64_t ticks)
{
	uint64_t per_second = (uint64_t)sysconf(_SC_CLK_TCK);

	return sat_add(sat_mul(ticks / per_second, NSEC_PER_SEC),
		       ticks % per_second * NSEC_PER_SEC / per_second);
}

int proc_info_read(int proc_fd, pid_t pid, struct proc_info **ret)
{
	_cleanup_proc_info_ struct proc_info *info = NULL;
	_cleanup_free_ char *stat = NULL, *status = NULL;
	_cleanup_close_ int fd = -1;
	size_t size = 0;
	uint64_t uid = 0;
	int r;

	r = open_process(proc_fd, pid, &fd);
	if (r < 0)
		return r;
	info = calloc(1, sizeof(*info));
	if (!info)
		return -ENOMEM;
	info->pid = pid;

	r = read_process_file(fd, "stat", &stat, NULL);
	if (r < 0)
		return r;
	r = parse_stat(stat, info);
	if (r < 0)
		return r;
	info->start_boottime_ns = ticks_to_ns(info->start_ticks);

	r = read_process_file(fd, "status", &status, NULL);
	if (r < 0)
		return r;
	namespace_pid(status, pid, &info->ns_pid, &info->ns_level);
	if (parse_field_u64(status, "Uid", &uid) < 0)
		return -EBADMSG;
	info->uid = (uint32_t)uid;

	r = read_process_file(fd, "comm", &info->comm, &size);
	if (r < 0)
		return r;
	if (size > 0 && info->comm[size - 1] == '\n')
		info->comm[size - 1] = '\0';
	*ret = TAKE_PTR(info);
	return 0;
}

struct proc_info *proc_info_free(struct proc_info *info)
{
	if (info) {
		free(info->comm);
		free(info);
	}
	return NULL;
}

size_t proc_children(int proc_fd, pid_t pid, pid_t *ret, size_t max)
{
	_cleanup_free_ char *text = NULL;
	char path[48], *rest, *word;
	size_t n = 0;

	snprintf(path, sizeof(path), "%d/task/%d/children", pid, pid);
	if (file_read(proc_fd, path, &text, NULL))
		return 0;
	rest = text;
	while (n < max && (word = strsep(&rest, " ")))
		if (!parse_pid(word, &ret[n]))
			n++;
	return n;
}

int proc_cmdline_read(int pid_dirfd, char **ret)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	int r = read_process_file(pid_dirfd, "cmdline", &text, &size);

	*ret = NULL;
	/* One that is longer than file_read() takes counts as none. */
	if (r == -EFBIG || r == -EACCES || r == -EPERM)
		return 0;
	if (r == 0) {
		text_join_words(text, size);
		if (*text)
			*ret = TAKE_PTR(text);
	}
	return r;
}

static int read_stat_number(int proc_fd, pid_t pid, enum stat_field field, uint64_t *ret)
{
	_cleanup_free_ char *stat = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	r = open_process(proc_fd, pid, &fd);
	if (r < 0)
		return r;
	r = read_process_file(fd, "stat", &stat, NULL);
	if (r < 0)
		return r;
	return stat_number(stat, field, ret);
}

int proc_start_ticks(int proc_fd, pid_t pid, uint64_t *ret)
{
	uint64_t ticks = 0;
	int r = read_stat_number(proc_fd, pid, STAT_START, &ticks);

	if (r == 0)
		*ret = ticks;
	return r;
}

int proc_resident_pages(int proc_fd, pid_t pid, uint64_t *ret)
{
	return read_stat_number(proc_fd, pid, STAT_RSS, ret);
}

static int read_status(int proc_fd, pid_t pid, char **ret)
{
	_cleanup_close_ int fd = -1;
	int r = open_process(proc_fd, pid, &fd);

	return r < 0 ? r : read_process_file(fd, "status", ret, NULL);
}

int proc_memory_read(int proc_fd, pid_t pid, uint64_t ret[APO_KINDS])
{
	static const char *const fields[APO_KINDS] = {
		[APO_FILE] = "RssFile",
		[APO_ANON] = "RssAnon",
		[APO_SWAP] = "VmSwap",
		[APO_SHMEM] = "RssShmem",
	};
	uint64_t page_kib = (uint64_t)sysconf(_SC_PAGESIZE) / 1024, kib;
	_cleanup_free_ char *status = NULL;
	int r = read_status(proc_fd, pid, &status);

	if (r < 0)
		return r;
	for (size_t i = 0; i < APO_KINDS; i++)
		ret[i] = parse_field_u64(status, fields[i], &kib) ? 0 : kib / page_kib;
	return 0;
}

#define ANCESTORS_MAX 256

bool proc_descends(int proc_fd, pid_t pid, pid_t ancestor)
{
	for (size_t i = 0; i < ANCESTORS_MAX; i++) {
		uint64_t parent;

		if (read_stat_number(proc_fd, pid, STAT_PPID, &parent) || !parent)
			return false;
		if ((pid_t)parent == ancestor)
			return true;
		pid = (pid_t)parent;
	}
	return false;
}

bool proc_is_kernel_thread(int proc_fd, pid_t pid)
{
	uint64_t flags = 0;

	return read_stat_number(proc_fd, pid, STAT_FLAGS, &flags) == 0 &&
	       (flags & KERNEL_THREAD_FLAG);
}

/* Whether a set of status ("SigBlk") holds the signal. Missing sets hold none. */
static bool signal_in_set(const char *status, const char *key, int signal)
{
	const char *value = parse_field(status, key);

	return value && (strtoull(value, NULL, 16) >> (signal - 1) & 1);
}

/*
 * Whether the thread is in sigwait(). What it waits for is unblocked meanwhile, and its status does not tell
 * that from a thread that never blocked it; where it sleeps does, which no process can keep from being read.
 */
static bool is_in_sigwait(int dirfd, const char *thread)
{
	char path[NAME_MAX + sizeof("/wchan")], where[sizeof(SIGWAIT_SYMBOL)];

	snprintf(path, sizeof(path), "%s/wchan", thread);
	return file_read_into(dirfd, path, where, sizeof(where)) >= 0 &&
	       !strcmp(where, SIGWAIT_SYMBOL);
}

/*
 * Whether every thread blocks the signal, or waits for signals. A process-directed signal goes to any thread
 * that does not block it, and the threads of one process may differ. Threads that end meanwhile do not count.
 */
static bool blocked_in_all_threads(int fd, const char *status, int signal)
{
	_cleanup_closedir_ DIR *tasks = NULL;
	_cleanup_close_ int task_fd = -1;
	struct dirent *entry;
	int threads = 0;

	if (!signal_in_set(status, "SigBlk", signal) && !is_in_sigwait(fd, "."))
		return false;
	task_fd = openat(fd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (task_fd < 0)
		return true;
	tasks = fdopendir(task_fd);
	if (!tasks)
		return true;
	(void)TAKE_FD(task_fd);

	while (threads++ < MAX_THREADS_READ && (entry = readdir(tasks))) {
		_cleanup_free_ char *thread_status = NULL;
		char path[sizeof(entry->d_name) + sizeof("/status")];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/status", entry->d_name);
		if (file_read(dirfd(tasks), path, &thread_status, NULL) < 0)
			continue;
		if (!signal_in_set(thread_status, "SigBlk", signal) &&
		    !is_in_sigwait(dirfd(tasks), entry->d_name))
			return false;
	}
	return true;
}

int proc_is_pending(int proc_fd, pid_t pid, int signal)
{
	_cleanup_free_ char *status = NULL;
	int r = read_status(proc_fd, pid, &status);

	return r < 0 ? r : signal_in_set(status, "ShdPnd", signal);
}

static bool does_nothing_by_default(int signal)
{
	return signal == SIGCHLD || signal == SIGURG || signal == SIGWINCH;
}

enum apo_disposition proc_disposition(int proc_fd, pid_t pid, int signal)
{
	_cleanup_free_ char *status = NULL;
	_cleanup_close_ int fd = -1;
	pid_t ns_pid;
	uint32_t level;

	if (signal < 1 || signal > 64)
		return APO_DISP_UNKNOWN;
	if (open_process(proc_fd, pid, &fd) < 0 ||
	    read_process_file(fd, "status", &status, NULL) < 0 || !parse_field(status, "SigCgt"))
		return APO_DISP_UNKNOWN;

	if (signal == SIGKILL || signal == SIGSTOP)
		return APO_DISP_DEFAULT;
	if (signal_in_set(status, "SigIgn", signal))
		return APO_DISP_IGNORED;
	/* Before the default: init too can wait for a signal that it blocks. */
	if (blocked_in_all_threads(fd, status, signal))
		return APO_DISP_BLOCKED;
	if (signal_in_set(status, "SigCgt", signal))
		return APO_DISP_HANDLED;
	if (does_nothing_by_default(signal))
		return APO_DISP_IGNORED;
	namespace_pid(status, pid, &ns_pid, &level);
	return ns_pid == 1 ? APO_DISP_INIT : APO_DISP_DEFAULT;
}
