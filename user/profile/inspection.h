/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is found out about a process from files that the process can keep from being read: its command
 * line, what it has mapped, and the files of that. A helper finds it out (inspect_main()) and sends it; the
 * daemon never opens such a file itself, and asks nothing of the path descriptors that it gets: even
 * their fstat(2) is answered by the file system they are on.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "profile/snapshot.h"
#include "sense/mappings.h"
#include "sense/tmpfs_files.h"

#define INSPECTION_CMDLINE_MAX 4096 /* bytes; the rest is cut off */

enum inspection_part {
	INSPECTION_CMDLINE = 1 << 0,
	INSPECTION_NAMES = 1 << 1, /* the snapshot */
	INSPECTION_SUMS = 1 << 2,
	INSPECTION_FILES = 1 << 3, /* on tmpfs */
};

struct inspected {
	unsigned int parts; /* that are known, of those that were asked for */
	int error;	    /* why names are not; 0: they were not asked for, or are */
	char *cmdline;	    /* NULL: none */
	struct snapshot snapshot;
	struct mapping_sums sums;
	struct tmpfs_files files;
};
#define INSPECTED_NONE ((struct inspected){.snapshot = SNAPSHOT_NONE})

/* Gives up what it has. */
void inspected_clear(struct inspected *inspected);

/* One part, over a socket of packets. -errno. */
int inspection_send(int socket, const struct inspected *inspected, enum inspection_part part);
/* Everything that was sent, without waiting. What makes no sense counts as not sent. */
void inspection_receive(int socket, struct inspected *ret);

/* The first argument that makes the program a helper: PID, START_NS, NS_PID and PARTS follow. */
#define INSPECT_COMMAND "inspect-a-process"
/*
 * Sends the parts over standard output. Standard input is the directory of the cgroup whose files on tmpfs are
 * wanted; where the process is gone, another one of that cgroup shows them, or this one. Its exit status means nothing.
 */
int inspect_main(int argc, char **argv);
