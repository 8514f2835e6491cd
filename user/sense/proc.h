/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process as /proc tells it. proc_fd is an open /proc (or a fixture of one); pids are those of
 * the PID namespace that /proc belongs to.
 *
 * A pid can be reused between two calls. Within one call everything is read through one open
 * /proc/PID directory, which fails with -ESRCH once that process is gone. To tell across calls,
 * compare start times. Errors: -ESRCH no such process, -EBADMSG a file that makes no sense.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "apoptosis/abi.h"

struct proc_info {
	pid_t pid;
	pid_t ppid;	   /* 0: none, or outside of the PID namespace */
	pid_t ns_pid;	   /* in its own (innermost) PID namespace */
	uint32_t ns_level; /* PID namespaces below the one of this /proc, 0 = the same */
	uint32_t uid;	   /* real user id */
	uint32_t threads;
	bool kernel_thread;
	bool zombie;		    /* exited, not reaped: no memory */
	uint64_t start_ticks;	    /* see proc_start_ticks() */
	uint64_t start_boottime_ns; /* CLOCK_BOOTTIME, rounded down to a clock tick (10 ms) */
	char *comm;		    /* raw, any byte but NUL */
};

/* Of stat, status and comm only, which no process can keep anybody from reading. */
int proc_info_read(int proc_fd, pid_t pid, struct proc_info **ret);
struct proc_info *proc_info_free(struct proc_info *info);

static inline void proc_info_freep(struct proc_info **info)
{
	proc_info_free(*info);
}
#define _cleanup_proc_info_ __attribute__((cleanup(proc_info_freep)))

/*
 * The children of the main thread, the oldest first, as many as there is room for. How many; 0 also where the
 * kernel does not tell (CONFIG_PROC_CHILDREN).
 */
size_t proc_children(int proc_fd, pid_t pid, pid_t *ret, size_t max);

/*
 * The command line: arguments joined by single blanks, raw; NULL: none, or one that may not be read. It
 * is memory of the process, which may have the reader wait for ever. pid_dirfd: of its /proc directory.
 */
int proc_cmdline_read(int pid_dirfd, char **ret);

/*
 * Field 22 of stat: start in clock ticks (sysconf(_SC_CLK_TCK)) since boot. With the pid it
 * identifies a process: a pid is not reused within a tick.
 */
int proc_start_ticks(int proc_fd, pid_t pid, uint64_t *ret);

/* Its resident memory, within the batch of the kernel's counters. */
int proc_resident_pages(int proc_fd, pid_t pid, uint64_t *ret);

/* All its memory, by kind, in pages; 0 of what there is no line of. */
int proc_memory_read(int proc_fd, pid_t pid, uint64_t ret[APO_KINDS]);

/* Whether `ancestor` is its parent, or a parent of that, and so on. */
bool proc_descends(int proc_fd, pid_t pid, pid_t ancestor);

/*
 * What sending `signal` (1 to 64) to the process would do. APO_DISP_UNKNOWN: it is gone, cannot be
 * read, or no signal. A signal counts as blocked if every thread blocks it (of the first 4096);
 * ignored wins over blocked. The init of a PID namespace with the default action is
 * APO_DISP_INIT, except for KILL and STOP, which work from the outside. Signals whose default is
 * to do nothing (CHLD, URG, WINCH) are APO_DISP_IGNORED without a handler.
 */
enum apo_disposition proc_disposition(int proc_fd, pid_t pid, int signal);

/* Whether a signal that was sent to the process waits to be taken. -errno: not known. */
int proc_is_pending(int proc_fd, pid_t pid, int signal);

/* False also if there is no such process. */
bool proc_is_kernel_thread(int proc_fd, pid_t pid);
