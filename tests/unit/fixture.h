/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A temporary directory that stands for "/": tests fill it with the files a machine would have.
 * One per test; Criterion runs each test in a process of its own. Failures end the test.
 */
#pragma once

#include <stddef.h>

#include "sense/cgroup.h"

/* Makes the directory and opens it; for .init. */
void fixture_make(void);

/* Removes it and everything in it; for .fini. */
void fixture_remove(void);

/* The open directory. */
int fixture_root(void);

/* Its path. */
const char *fixture_path(void);

/* Writes a file, "proc/self/status", with the directories above it. */
void fixture_file(const char *path, const char *text);

/* The same for content with NULs. */
void fixture_bytes(const char *path, const void *bytes, size_t size);

/* A directory, with those above it. */
void fixture_directory(const char *path);

/* The cgroups that such a /proc/self/mountinfo tells of. */
struct cgroup_tree *fixture_cgroup_tree(const char *mountinfo);

/* How many descriptors are open; for comparing. */
size_t fixture_open_files(void);
