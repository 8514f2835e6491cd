/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sink of files, the report directory: a file ID.json for each closed incident, ID in 16 hexadecimal
 * digits. What has another name there is none of ours and is left alone.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "core/incident.h"

#define REPORTS_DIR_PARENT "/var/lib/apoptosis"
#define REPORTS_DIR_DEFAULT REPORTS_DIR_PARENT "/reports" /* as deploy/systemd has it */
/* Where that cannot be written, as below a root that is read-only: what happened last is known until reboot. */
#define REPORTS_DIR_VOLATILE_PARENT "/run/apoptosis"
#define REPORTS_DIR_VOLATILE REPORTS_DIR_VOLATILE_PARENT "/reports"

/* What is kept. */
struct report_bounds {
	size_t files;
	uint64_t bytes;
};

struct report_file {
	char name[24]; /* "0123456789abcdef.json" */
	uint64_t size_bytes;
	struct timespec written;
};

/*
 * Opens the directory (made if missing, mode 0700) and tries it with a file. -errno; logs nothing.
 */
int report_dir_open(const char *path, int *ret_dirfd);

/* The default one, or else the volatile one. -errno: of the default one. */
int report_dir_open_default(int *ret_dirfd);

/* Which of these two was written last. */
const char *report_dir_default(void);

/*
 * Writes the file of a closed incident (mode 0600), anew if it is there, and prunes to what is kept. A
 * failure is logged, and leaves an older file as it was.
 */
void report_dir_write(int dirfd, const struct incident *incident,
		      const struct report_bounds *bounds);

/* Writes it into the file of an incident, if that is still there. As above. */
void report_dir_amend(int dirfd, uint64_t id, const struct amendment *amendment);

/* Those there are, the oldest first; the caller frees them. -errno. */
int report_dir_list(int dirfd, struct report_file **ret, size_t *ret_count);

/* Removes the oldest, until there are at most so many files and bytes. */
void report_dir_prune(int dirfd, const struct report_bounds *bounds);
