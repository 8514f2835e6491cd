/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The growth trigger costs each page fault of the machine some time, and matters only while a limit is armed:
 * half full, near its line, or going there. So it is attached while one is, and for some time after; until it
 * is there, and while it is not, the other triggers decide alone. The kernel side says when it is wanted
 * (APO_REC_ARM) and when a limit was last armed; a thread of this module attaches and detaches, since either
 * may wait for all CPUs. For this room only.
 */
#pragma once

#include <stdbool.h>

struct arming;
struct bpf_link;
struct bpf_program;
struct maps;
struct pins;

/* All of it is borrowed. */
struct arming_config {
	const struct maps *maps;
	const struct pins *pins; /* where the link is kept; NULL: nowhere */
	const struct bpf_program *growth;
};

/* Starts the thread. `link` is that of the program, which is attached, and is taken, errors included. 0 or -errno. */
int arming_new(struct arming **ret, const struct arming_config *config, struct bpf_link *link);
/* Ends the thread, and detaches. Takes NULL. Returns NULL. */
struct arming *arming_free(struct arming *arming);

/* The kernel side wants the growth trigger. From any thread; never waits. */
void arming_wanted(const struct arming *arming);
