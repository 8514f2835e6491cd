/* SPDX-License-Identifier: BSD-2-Clause */
/* What loading any object of the kernel side takes. For this room only. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct bpf_object;
struct bpf_program;
struct kernel_features;
struct source_config;

/* Before an object is opened: libbpf's words go to the trace log, and maps may lock their memory. */
void load_begin(void);

/*
 * Runs the object's program `prepare` once, in our own context, before anything is attached. 0 or -errno;
 * -ENOENT: it has none.
 */
int load_prepare(const struct bpf_object *object);

/*
 * The guard's object, opened, sized and loaded as this kernel and the configuration have it. What the kernel has is
 * in *ret_features in any case. 0 or -errno; -ENODATA: it does not describe its types.
 */
int load_object(const struct source_config *config, struct kernel_features *ret_features,
		struct bpf_object **ret);

/* Runs an iterator over all tasks. How many bytes it wrote, at most `size`; or -errno. */
ssize_t load_iterate(const struct bpf_program *program, void *ret, size_t size);

/* Says in words what a user can do about it. r: -errno of opening, loading or preparing. */
void load_explain(int r);
