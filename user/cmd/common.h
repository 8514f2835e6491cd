/* SPDX-License-Identifier: BSD-2-Clause */
/* The start of every command: options, log level, configuration of the engine; and the end: what it prints. */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "core/config.h"
#include "core/options.h"
#include "output/format.h"
#include "sinks/notifier.h"

/*
 * Parses the command line and sets the log level. -1: go on. Otherwise the exit status: 0 after
 * --help (EXIT_RUNTIME if that could not be written), EXIT_USAGE after a one-line error.
 */
int common_options(enum command command, int argc, char **argv, struct options *ret);

/*
 * Reads the configuration of --config, or the usual files; what is wrong is told `complain`, a line each (NULL: it is
 * logged). The exit status: EXIT_USAGE if anything is.
 */
int common_config(const struct options *options, config_complain_fn complain, void *userdata,
		  struct config **ret);

/*
 * Who may ask for the status, by the command line or else the configuration: CONTROL_NO_GROUP, nobody but root. A group
 * that is not there is told `complain`: -ENOENT, *ret is as it was.
 */
int common_group(const struct options *options, const struct config *config,
		 config_complain_fn complain, void *userdata, gid_t *ret);

/*
 * Which hooks are run, and as whom. A user that is not there, or cannot be had by who we are (as_root: by root), is told
 * `complain`: -ENOENT, and there are none.
 */
int common_notifier(const struct options *options, bool as_root, config_complain_fn complain,
		    void *userdata, struct notifier_config *ret);

/* What standard output is, as the environment tells: colour where NO_COLOR is not set. */
struct terminal common_terminal(void);
/* The exit status after writing to standard output: 0 or -errno was the result of it, which is logged. */
int common_written(int r);

/* The exit status where nothing can be said of a process, by the error of explain(), which is logged. */
int common_explain_refused(pid_t pid, int error);

struct engine_config;

struct engine;
struct guards;

/* What a command guards until it is interrupted. */
struct common_guard {
	int (*add)(struct guards *guards, void *userdata);     /* the guards; the exit status */
	void (*reload)(struct engine *engine, void *userdata); /* at SIGHUP; NULL: that ends it */
	void *userdata;
	/* While it runs: */
	struct engine *engine;
	bool is_reload; /* why the loop has ended */
};

/* Guards. The exit status. */
int common_guard(const struct engine_config *config, struct common_guard *guard);

/* Where the programs of the daemon are kept; NULL: nowhere. */
const char *common_pin_dir(const struct options *options);

/* Fills *ret from the options, except mode, is_wrapper and the hooks. */
void common_engine_config(const struct options *options, FILE *out, struct engine_config *ret);
