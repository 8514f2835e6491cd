/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Takes what the kernel side has recorded of a process's growth, and hold of the files in which the
 * code has names, as an inspection finds them while the process is still there. Slow path; nothing is
 * looked up here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "core/recording.h"
#include "profile/inspector.h"
#include "sense/pidref.h"
#include "source/source.h"

struct profiler;

struct profiler_config {
	uv_loop_t *loop;
	struct source *source;
	struct inspector *inspector;
	int proc_fd;
	bool initial_pid_ns; /* pids of the kernel side are ours */
	uint64_t page_bytes;
};

int profiler_new(struct profiler **ret, const struct profiler_config *config);
/* Takes NULL. Returns NULL. */
struct profiler *profiler_free(struct profiler *profiler);

/* A trip may follow: keeps what a process that ends at once would take with it. */
void profiler_on_spike(struct profiler *profiler, const struct apo_spike *spike);

#define PROFILER_RSS_UNKNOWN UINT64_MAX

/* Whose growth. */
struct profiler_subject {
	int error;     /* why it could not be opened; 0: it was */
	uint32_t tgid; /* as the kernel side counts */
	uint64_t start_boottime_ns;
	uint64_t limit_cgroup;
	uint64_t time_ns;     /* of the trip */
	uint64_t spike_ns;    /* 0: nothing of it was recorded */
	uint64_t rss_bytes;   /* PROFILER_RSS_UNKNOWN: it lets go of it already */
	uint64_t grown_bytes; /* since spike_ns */
};

/* A part of the process's memory that is code. */
struct capture_mapping {
	uint64_t start, end, offset;
	uint32_t module; /* of the recording */
};

/* One per module of the recording, in its order: a path descriptor, or -1. */
struct capture_file {
	int fd;
	bool is_perf_map;
};

struct capture {
	struct recording *recording;
	struct apo_stack *raws;	       /* one per stack of the recording, in its order */
	uint64_t held_bytes;	       /* stacks and codes */
	uint64_t *held_of_all;	       /* the profiler's count of those of all captures */
	struct apo_python_code *codes; /* of the frames of CPython in them */
	size_t code_count;
	struct capture_file *files;
	struct capture_mapping *mappings; /* by address */
	size_t mapping_count;
};

/*
 * The stacks, and the names that were kept at a spike, until profiler_add_names(). Captures that are not freed
 * yet share a bound on what they hold, 16 MiB: of a later one fewer stacks are kept, the heaviest. NULL: there is no
 * memory for it. Freed before the profiler is.
 */
struct capture *profiler_capture(struct profiler *profiler, const struct profiler_subject *subject);
/* The parts of an inspection to ask for, for profiler_add_names(). */
unsigned int profiler_wants(const struct profiler_subject *subject);
/* What an inspection has found: newer than what was kept, or why there is nothing newer. */
void profiler_add_names(const struct inspected *found, struct capture *capture);
/* Points that were added since. */
void profiler_follow(const struct profiler *profiler, const struct profiler_subject *subject,
		     struct capture *capture);
/* Takes NULL. Returns NULL. */
struct capture *capture_free(struct capture *capture);
