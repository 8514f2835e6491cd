/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sink of metrics: a file that whoever collects them reads, all of it or nothing, mode 0644. Written by a thread of
 * its own, since a disk may hang; the latest text that it has not written yet takes the place of older ones.
 */
#pragma once

struct metrics_file;

/* path: whole, copied. 0 or -errno. Whether it can be written shows later: metrics_file_trouble(). */
int metrics_file_new(struct metrics_file **ret, const char *path);
/* What was written is removed: nobody would tell its numbers from those of one that runs. Takes NULL. Returns NULL. */
struct metrics_file *metrics_file_free(struct metrics_file *file);

/*
 * Nothing is written any more until metrics_file_resume(); the file stays, what was put and is not written yet is lost.
 * For exec(3). Take NULL.
 */
void metrics_file_pause(struct metrics_file *file);
void metrics_file_resume(struct metrics_file *file);

/* Takes the text. Never waits for the disk. */
void metrics_file_put(struct metrics_file *file, char *text);

/* Why it could not be written last, static text; NULL: it could. Takes NULL. */
const char *metrics_file_trouble(const struct metrics_file *file);
