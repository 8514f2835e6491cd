/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is changed on the machine and has to be put back, written down before it is changed: one
 * small file per raised limit in the runtime directory (base/runtime_dir.h). If we are killed, the files stay, and the
 * next start puts back what they say. The directory is on tmpfs, as are cgroups in effect: a reboot
 * ends both.
 *
 * The same is written on the directory of the cgroup itself, as an extended attribute (trusted.: no
 * tenant can forge it), a mark: an instance with another runtime directory finds it there, and removes it
 * when the limit is back. So the mark counts where there is one, and a file whose mark is gone is of a loan
 * that is over. Where the mark is refused, the file has to do.
 *
 * Whoever lends, or puts back, has a lock on that directory (flock(2)). What is on record of a cgroup is
 * read, written and removed with it alone; what is found then was left by an instance that is gone.
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
	uint64_t owner;			  /* pid of who raised it, for people who read the file */
	bool is_marked;			  /* the cgroup has it, too */
};

/*
 * For as long as the descriptor of the cgroup's directory is open, or until journal_disclaim(). -EEXIST:
 * another instance has it.
 */
int journal_claim(int cgroup_dirfd);
void journal_disclaim(int cgroup_dirfd);

/*
 * With the lock, as the two below. Marks the cgroup, sets is_marked, and writes the file, anew if there is
 * one; there when it returns, and whole at every moment after that. Allocates nothing.
 */
int journal_write(int dirfd, int cgroup_dirfd, struct journal_entry *entry);

/*
 * What is on record of a cgroup. Allocates nothing. -ENOENT: nothing that has to be put back. -EINVAL: what
 * this version does not understand. dirfd may be -errno: then there is the mark.
 */
int journal_read(int dirfd, int cgroup_dirfd, uint64_t cgroup_id, struct journal_entry *ret);

/* Removes it. A cgroup that is gone takes no lock, and its descriptor is -1. */
void journal_remove(int dirfd, int cgroup_dirfd, uint64_t cgroup_id);

/*
 * What a cgroup's limits have to become: those that are one of the values of the entry what they
 * were before, all others, which somebody else has set, what they are. Returns whether there is
 * none of these. v1: memory with swap cannot be below a memory limit that somebody else has set.
 */
bool journal_take_back(const struct journal_entry *entry, struct cgroup_limits *now);

/* Whether it is marked, for which no lock is needed. */
bool journal_is_marked(int cgroup_dirfd);
/* Calls fn for each cgroup that has a file. */
int journal_each(int dirfd, void (*fn)(uint64_t cgroup_id, void *userdata), void *userdata);
