/* SPDX-License-Identifier: BSD-2-Clause */
/* What loading any object of the kernel side takes. For this room only. */
#pragma once

struct bpf_object;

/* Before an object is opened: libbpf's words go to the trace log, and maps may lock their memory. */
void load_begin(void);

/*
 * Runs the object's program `prepare` once, in our own context, before anything is attached. 0 or -errno;
 * -ENOENT: it has none.
 */
int load_prepare(const struct bpf_object *object);

/* Says in words what a user can do about it. r: -errno of opening, loading or preparing. */
void load_explain(int r);
