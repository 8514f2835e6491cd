/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is changed on the machine and has to be put back, written down before it is changed: one
 * small file per raised limit in the runtime directory. If we are killed, the files stay, and the
 * next start puts back what they say. The directory is on tmpfs, as are cgroups in effect: a reboot
 * ends both.
 *
 * The same is written on the directory of the cgroup itself, as an extended attribute (trusted.: no
 * tenant can forge it): an instance with another runtime directory finds it there. While one lends, it
 * has a lock on that directory, and no other changes the limit.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sense/cgroup_memory.h"

struct journal_entry {
	uint64_t cgroup_id;
	uint64_t since_ns; /* CLOCK_BOOTTIME: when it was raised first */
	struct cgroup_limits before, raised;
	struct cgroup_limits raised_last; /* what it was before it was raised again; or the same */
	uint64_t owner; /* pid of who raised it, in the PID namespace of the one who reads */
	uint64_t owner_start_ticks;
};

/*
 * Opens $RUNTIME_DIRECTORY or /run/apoptosis; with `make` it is made if need be (mode 0700). -errno:
 * it cannot be made or written; then nothing may be changed.
 */
int journal_open(bool make, int *ret_dirfd);

/*
 * Writes the entry of a cgroup, or with `again` the one there is anew; there when it returns, and
 * whole at every moment. Allocates nothing. -EEXIST: somebody has raised that limit already.
 */
int journal_write(int dirfd, const struct journal_entry *entry, bool again);

/*
 * What a cgroup's limits have to become: those that are one of the values of the entry what they
 * were before, all others, which somebody else has set, what they are. Returns whether there is
 * none of these.
 */
bool journal_take_back(const struct journal_entry *entry, struct cgroup_limits *now);

/* Removes it. */
void journal_remove(int dirfd, uint64_t cgroup_id);

/*
 * For as long as the descriptor of the cgroup's directory is open, or until journal_disclaim(), which
 * removes the mark as well. -EEXIST: another instance lends to this cgroup.
 */
int journal_claim(int cgroup_dirfd);
void journal_disclaim(int cgroup_dirfd);
/* Marks the cgroup's directory; where that is refused, the file has to do. */
void journal_mark(int cgroup_dirfd, const struct journal_entry *entry);
/* What the mark says. -ENODATA: there is none; -EBADMSG: one that is not understood. */
int journal_marked(int cgroup_dirfd, struct journal_entry *ret);

/* Calls fn for each entry. What was cut short is removed; what is not understood is warned of. */
int journal_each(int dirfd, void (*fn)(const struct journal_entry *entry, void *userdata),
		 void *userdata);
