/* SPDX-License-Identifier: BSD-2-Clause */
/* The --help texts, from the table of options. 80 columns. */
#pragma once

#include <stdio.h>

#include "core/options.h"

/* `apoptosis --help`: the commands. 0 or -errno: see file_result(). */
int help_program(FILE *file);
/* `apoptosis COMMAND --help`. 0 or -errno: see file_result(). */
int help_command(FILE *file, enum command command);
