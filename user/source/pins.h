/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs that outlive us: their links are files of a BPF file system, and so are the maps that the next instance
 * reads. Each instance has a directory of its own below one that all share, FORMAT-NUMBER; when we end as we should
 * it is removed. What an earlier instance has left goes on by itself, until the next one has its own programs
 * attached, has read what was left, and removes it. For this room only.
 *
 * Functions return 0 or -errno.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct pins;

/* What the directory's maps are called, beside the links, which have the names of their programs. */
#define PIN_SIGNALLED "signalled"
#define PIN_RECORDS "records"

/*
 * Makes this instance's directory below dir, and dir. -ENOTSUP: it is not in a BPF file system (bpffs).
 */
int pins_new(struct pins **ret, const char *dir);
/* Removes the directory of this instance. Takes NULL. Returns NULL. */
struct pins *pins_free(struct pins *pins);

/* A link or a map, by its descriptor; pins may be NULL, which keeps nothing. */
int pins_add(const struct pins *pins, const char *name, int fd);
void pins_drop(const struct pins *pins, const char *name);

/*
 * Calls fn for the directory of each earlier instance; its path lives as long as the call. is_known: its maps are
 * what this version takes them for. Of all versions PIN_SIGNALLED has pids of 32 bits for its keys.
 */
void pins_each_earlier(const struct pins *pins,
		       void (*fn)(const char *dir, bool is_known, void *userdata), void *userdata);
/*
 * Ends the programs of earlier instances, but for the one that takes processes that end out of PIN_SIGNALLED; the maps
 * stay, to be read once more. None of these programs runs any longer when this returns, except where the kernel cannot
 * be asked to wait for that.
 */
void pins_detach_earlier(const struct pins *pins);
/* Removes what earlier instances have left, of whatever version. Returns how many these were. */
size_t pins_remove_earlier(const struct pins *pins);
/* The same where no instance runs: all below dir. -errno where that cannot be read; -ENOENT: it is not there. */
int pins_remove_all(const char *dir);
