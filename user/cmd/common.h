/* SPDX-License-Identifier: BSD-2-Clause */
/* The start of every command: options, log level, configuration of the engine. */
#pragma once

#include <stdio.h>

#include "core/options.h"

/*
 * Parses the command line and sets the log level. -1: go on. Otherwise the exit status: 0 after
 * --help (EXIT_RUNTIME if that could not be written), EXIT_USAGE after a one-line error.
 */
int common_options(enum command command, int argc, char **argv, struct options *ret);

struct config;

/*
 * Reads the configuration of --config, or the usual files. The exit status: EXIT_USAGE after a line for each thing
 * that is wrong.
 */
int common_config(const struct options *options, struct config **ret);

struct engine_config;

/* Guards what `add` adds, until interrupted. The exit status. */
struct guards;
typedef int (*common_add_fn)(struct guards *guards, const void *userdata);
int common_guard(const struct engine_config *config, common_add_fn add, const void *userdata);

/* Fills *ret from the options, except mode and is_wrapper. */
void common_engine_config(const struct options *options, FILE *out, struct engine_config *ret);
