/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Small files, whole. Paths are relative to a directory's file descriptor (or AT_FDCWD). Functions
 * return 0 or -errno of the call that failed.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define FILE_READ_MAX (16UL * 1024 * 1024) /* bytes; more is -EFBIG */

/*
 * Reads a file of at most FILE_READ_MAX bytes, files of /proc and cgroups (size 0) included. The
 * result is allocated and ends in a NUL that is not counted; content may hold NULs of its own.
 * ret_size may be NULL.
 */
int file_read(int dirfd, const char *path, char **ret, size_t *ret_size);

/* The beginning of a file, up to size - 1 bytes, and a NUL. Allocates nothing. */
int file_read_into(int dirfd, const char *path, char *text, size_t size);

/* The path of a file by its place beside this program's own: "../lib/x". 0 or -errno; it need not be there. */
int file_beside_self(const char *place, char *path, size_t size);

/* So many descriptors are left to what is open for a moment: to put a limit back, to signal somebody. */
#define FILE_SPARE_DESCRIPTORS 64 /* or a quarter of what we may have */

/*
 * For a descriptor that is to stay open. -EMFILE: fewer than those would be left, and it is closed (set to
 * -1).
 */
int file_keep(int *fd);

/*
 * Gives a file of ours, of that name or "" for the directory itself, to a group: CAP_SETGID will do, since whoever is in
 * a group may. 0 or -errno.
 */
int file_give_to_group(int dirfd, const char *name, gid_t group);

/*
 * A decimal number with at most one line break after it; "max" is UINT64_MAX. Else -EBADMSG.
 * Allocates nothing.
 */
int file_read_u64(int dirfd, const char *path, uint64_t *ret);

/* Writes text into an existing file in one write(2), as kernel files want it. */
int file_write(int dirfd, const char *path, const char *text);
/* The same with O_NONBLOCK, for files of which some kernels wait in the write if they may. */
int file_write_nonblock(int dirfd, const char *path, const char *text);

/*
 * Creates or replaces dirfd/name, so that others see all of it or nothing: a temporary file of the
 * given mode (whatever the umask) in the same directory, then fsync, then rename. `name` has no
 * slash. `render` writes the content and returns 0 or -errno, which is passed on. After a failure
 * nothing is left behind and an older file is as it was.
 */
int file_write_atomic(int dirfd, const char *name, mode_t mode,
		      int (*render)(FILE *out, void *userdata), void *userdata);
/*
 * The same for what is written anew all the time and is nothing worth after a power cut: without fsync, so that no
 * disk is woken for it.
 */
int file_write_passing(int dirfd, const char *name, mode_t mode,
		       int (*render)(FILE *out, void *userdata), void *userdata);
