/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of the victim share. The build makes one program of each .c file in this
 * directory, so the parts are headers, each included once by victim.c.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB (1024ULL * 1024)
#define SEC_NS 1000000000ULL
#define MAX_THREADS 64
#define DEFAULT_MAX (4096 * MIB) /* nothing here may eat the machine by mistake */
#define RUN_BYTES (2 * MIB)	 /* what one page table maps, on all but a few machines */
#define STATE_BLOCK 4096
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum reason { RUNNING = 0, BY_SIGNAL, BY_MAX, BY_POLL, BY_ERROR };
static const char *const reason_name[] = {"running", "signal", "max", "poll", "error"};

struct options {
	const char *kind, *dir, *state, *result, *comm, *sawtooth;
	double rate, poll;
	uint64_t threads, max, chunk, base, burst, mark, exec_at, file_size, limit;
	uint64_t shutdown_ms, shutdown_size, state_kib, hold_ms, cycles, ready_fd;
	bool hold, stubborn, deaf, block_term, block_growth, ignore_term, default_term, handle_int;
	bool fork_child, fork_idle, vm_child, vfork_spawn, wait_stdin, page_out, noop;
};

/* What one process saw of its signals. */
struct role {
	atomic_int pid, handlers, usr1, signal, stop;
	_Atomic uint64_t units, handler_ns;
};

/* Shared with forked children; the parent writes the result. */
struct shared {
	_Atomic uint64_t claimed, touched, first_ns, grown_ns;
	atomic_int marked, child, child_is_grower;
	_Atomic uint64_t shutdown_ns;
	struct role parent, grower;
};

struct kind {
	const char *name;
	const char *help;
	bool needs_dir;
	uint64_t (*unit)(void);
	int (*prepare)(void);
	int (*grow)(uint64_t unit, unsigned int thread);
};

static struct options opt;
static struct shared *shared;
static struct role *me;
static const struct kind *kind;
static char **arguments;
static uint64_t page_size, unit_size, region_size;
static char *region, *scratch;
static int files[MAX_THREADS];
static int wake_fds[2] = {-1, -1};
static atomic_bool shutdown_done;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SEC_NS + (uint64_t)ts.tv_nsec;
}

static void sleep_ns(uint64_t ns)
{
	struct timespec ts = {(time_t)(ns / SEC_NS), (long)(ns % SEC_NS)};

	nanosleep(&ts, NULL);
}

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...)
{
	va_list args;

	fputs("victim: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	exit(1);
}
