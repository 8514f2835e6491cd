/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process by what no other process can have: a pidfd and its start time. Whoever is to be signalled
 * is held so, never by a bare pid, which may belong to another process a moment later. A process is
 * resolved once, when it is first heard of; from then on its pidref stands for it. Silent.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "apoptosis/abi.h"

#define PID_NS_INITIAL_INO 0xEFFFFFFCU /* PROC_PID_INIT_INO in linux/proc_ns.h, a fixed number */

struct pidref {
	pid_t pid;		    /* in our PID namespace */
	int pidfd;		    /* -1: not open */
	uint64_t start_boottime_ns; /* CLOCK_BOOTTIME at its start */
	uint64_t cgroup_id; /* memory cgroup it was charged to when it was resolved; 0: not known */
};
#define PIDREF_NONE ((struct pidref){.pidfd = -1})

/*
 * The pid of a process in our own PID namespace. The kernel side knows pids of the initial one;
 * elsewhere the process is taken to live in our namespace. Start times tell where that is wrong.
 */
pid_t pidref_local_pid(bool initial_pid_ns, const struct apo_task *task);

/*
 * Opens a process. start_boottime_ns is its start as the kernel side reported it, 0 if not known.
 * -ESRCH: it is gone, or the pid belongs to another process by now. -EPERM: a process that is
 * never signalled (host init, ourselves, a kernel thread).
 */
int pidref_open(int proc_fd, pid_t pid, uint64_t start_boottime_ns, struct pidref *ret);

/*
 * Opens the process of a record. Errors as pidref_open(); outside of the initial PID namespace -ESRCH may
 * also mean that it lives in another one.
 */
int pidref_of_task(int proc_fd, bool initial_pid_ns, const struct apo_task *task,
		   struct pidref *ret);
void pidref_close(struct pidref *pidref);
/* The same process, held once more. -EBADF: it is not open. */
int pidref_copy(const struct pidref *pidref, struct pidref *ret);

/* Whether it was started then, as far as clock ticks tell. */
bool pidref_started(const struct pidref *pidref, uint64_t start_boottime_ns);
/* Whether that pid, started then, is this process. */
bool pidref_is(const struct pidref *pidref, pid_t pid, uint64_t start_boottime_ns);

/* Its /proc directory, a new descriptor. -ESRCH: it has exited, or is not open. */
int pidref_open_dir(const struct pidref *pidref, int proc_fd);

/* 0 or -errno; -ESRCH: it has exited. */
int pidref_signal(const struct pidref *pidref, int signal);

/* Whether it has exited (a zombie has). */
bool pidref_exited(const struct pidref *pidref);
