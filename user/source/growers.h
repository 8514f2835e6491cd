/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who grows in a cgroup, as /proc tells it: memory of each process, compared with what it was half a second or one before. For
 * this room only, where the kernel side cannot be had.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "apoptosis/abi.h"

struct growers_config {
	int proc_fd;	/* borrowed */
	pid_t ancestor; /* of those who count; 0: all of the cgroup do */
	bool is_one;	/* the ancestor counts, too */
	/* Arguments are memory of a process, which can have the reader wait: of ours it is their own guard that waits. */
	bool are_ours;
};

struct growers;

int growers_new(struct growers **ret, const struct growers_config *config);
/* Takes NULL. Returns NULL. */
struct growers *growers_free(struct growers *growers);

/* Notes what each has, unless that was just done, or at once. dirfd: of the cgroup; what is below it counts, too. */
void growers_note(struct growers *growers, int dirfd, uint64_t now_ns, bool at_once);

struct grower {
	struct apo_task task; /* without a disposition */
	uint64_t rss_pages[APO_KINDS];
	uint64_t grown_pages, rate_pages_s; /* since it was noted */
	uint32_t args_len;
	char args[APO_ARGS_LEN];
};

/* After growers_note(): who has grown most in half a second or one; of equals, who is largest. -ESRCH: there is nobody. */
int growers_find(struct growers *growers, int dirfd, uint64_t now_ns, struct grower *ret);
