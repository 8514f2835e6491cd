/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines of /proc/PID/mountinfo (proc(5)):
 *
 *   36 35 98:0 /root /mount/point rw,noatime master:1 - type source super,options
 *
 * Blanks, line breaks and backslashes in paths are written there as octal escapes (\040 \012).
 */
#pragma once

/* Points into the line it was parsed from. Paths are unescaped. */
struct mountinfo {
	const char *root;    /* directory of the file system that is mounted */
	const char *point;   /* where, from the reader's root */
	const char *type;    /* file system type */
	const char *options; /* of the superblock, separated by commas: "rw,memory" */
};

/* Parses one line, in place; a line break at its end is dropped. -EBADMSG: not such a line. */
int mountinfo_parse(char *line, struct mountinfo *ret);
