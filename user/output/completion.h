/* SPDX-License-Identifier: BSD-2-Clause */
/* What shells complete of a command line, as scripts for them, from the tables of commands and options. */
#pragma once

#include <stdio.h>

/* The names that completion_write() takes, in a sentence: "bash, zsh or fish". */
#define COMPLETION_SHELLS "bash, zsh or fish"

/* 0 or -errno: see file_result(); -EINVAL: no such shell. */
int completion_write(FILE *file, const char *shell);
