/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands and what their command lines said. The options themselves are data, one row each, in
 * core/option_table.h. Pure: no file, no clock, no exit.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/commands.h"
#include "core/policy.h"

#define COMMAND_ENUM(upper, ...) COMMAND_##upper,
enum command { COMMANDS_EACH(COMMAND_ENUM) COMMANDS };
#undef COMMAND_ENUM

struct command_info {
	const char *name;
	const char *synopsis; /* what follows "apoptosis NAME " */
	const char *summary;  /* one line, no full stop */
	const char *details;  /* a paragraph for --help */
};

/* What `watch` guards. */
enum guard_mode {
	MODE_NONE = 0, /* not watch */
	MODE_PID,
	MODE_CGROUP,
	MODE_POD,
	MODE_ALL,
};

/* What a command prints. */
enum output_format {
	FORMAT_TEXT = 0,
	FORMAT_JSON,
	FORMAT_FOLDED,
	FORMAT_PPROF,
	FORMAT_HTML,
};

/* Everything the command line said, defaults filled in. Strings point into argv. */
struct options {
	enum command command;
	bool help; /* -h: nothing else was checked */
	enum guard_mode mode;
	pid_t pid;		 /* watch --pid, or the PID of rss and explain; 0 = none */
	const char *cgroup;	 /* as given, not normalized; NULL = none */
	const char *pod;	 /* its uid; NULL = none */
	uint64_t limit_bytes;	 /* run --limit; 0 = none asked for */
	bool require_protection; /* run: refuse to run the command without the kernel side */
	int exit_on_trip; /* run: in place of status 0, see core/shutdown.h; 0 = nothing is */

	bool restarts; /* watch --then restart */

	bool warn_given;	/* --warn, off included */
	bool no_pressure_watch; /* run --pressure-watch no */

	const char *hook;	  /* a command for the shell; NULL: none */
	const char *webhook;	  /* a URL, which is a secret; NULL: none */
	unsigned int hook_events; /* core/notify.h */
	const char *hook_user;	  /* NULL: nobody, or who we are */

	const char *config;  /* the only file of the configuration; NULL: the usual ones */
	bool shows;	     /* config show */
	const char *subject; /* config show --effective, trip: a cgroup or a PID; NULL: none */

	struct policy policy;	   /* of what is guarded */
	const char *pin_dir;	   /* where programs outlive the daemon; NULL: the default place */
	bool no_pins;		   /* --pin-dir off */
	bool detach_all;	   /* daemon: only that */
	const char *control_group; /* who may ask for the status beside root; NULL: nobody */
	uint32_t accounts;	   /* room for those of so many limits; 0 = by the machine */
	uint64_t lend_max_bytes;   /* of all loans at a time; 0 = see the next */
	uint32_t
		lend_max_permyriad; /* of the machine's memory; 0 too = no more than it can spare */
	uint32_t report_keep;	    /* reports, at most */
	uint64_t report_size_bytes; /* of them all, at most */
	uint32_t history_rows;	    /* at most; 0 = as many as there are unless told */
	const char *profiles;	    /* directory; NULL: the default ones */
	bool no_profiles;	    /* --profiles off */
	bool json;
	const char *history;	      /* the file of verdicts; NULL: the default one */
	bool no_history;	      /* --history off */
	const char *metrics_textfile; /* NULL: none */
	bool no_metrics_textfile;     /* --metrics-textfile off */
	const char *metrics_listen;   /* an address; NULL: none */
	bool no_metrics_listen;	      /* --metrics-listen off */
	const char *oomd_hook;	      /* directory; NULL: the default one */
	bool no_oomd_hook;	      /* --oomd-hook off */
	const char *pressure_socket;  /* daemon; NULL: none */
	bool no_pressure_socket;      /* --pressure-socket off */
	const char *guard;	      /* report list: of this one only; NULL: of all */
	uint64_t since_ns;	      /* history: no older rows; 0 = all */
	const char *output;	      /* bugreport; NULL: a name with the time */
	const char *shell;	      /* completion */
	bool once, batch;	      /* top: as text, one screen or one after the other */
	uint64_t interval_ns;	      /* top */
	bool csv;		      /* history: the rows */
	const char *report_dir;	      /* NULL: the default one */
	bool no_reports;	      /* --report-dir off */
	const char *report;	      /* report: which; NULL = the latest */
	bool folded, pprof;	      /* report: stacks, in those formats */
	const char *html; /* report: file of the page, "-" = standard output; NULL = none */
	int verbosity;	  /* -1 quiet, 0 normal, 1 and up: more */

	int argc;    /* run: words of CMD ARGS... */
	char **argv; /* run: NULL-terminated tail of the argv given; else NULL */
};

/* Never NULL for a command below COMMANDS. */
const struct command_info *command_info(enum command command);

/* 0 and the command of that name, or -ENOENT. */
int command_find(const char *name, enum command *ret);
/* The name of the command that is like this one; or NULL. */
const char *command_guess(const char *name);

/*
 * Parses argv[1..] of the command (argv[0] is its name; argv[argc] is NULL). 0; -EINVAL with one
 * line that names the bad value and the remedy in *ret_error (freed by the caller); -ENOMEM.
 */
int options_parse(enum command command, int argc, char **argv, struct options *ret,
		  char **ret_error);

/* Every option as it is when nothing is said. 0 or -errno, as options_parse(). */
int options_defaults(enum command command, struct options *ret, char **ret_error);
/*
 * Sets the option of that row to a value of a configuration file; an option without argument is yes or no. What is
 * wrong and what to give is said, without key and value. 0 or -errno, as options_parse().
 */
struct option_row;
int options_set_key(struct options *options, const struct option_row *row, const char *value,
		    char **ret_error);

/* The format that was asked for; options_parse() refuses more than one. */
enum output_format options_format(const struct options *options);

/* "pid", "cgroup", "pod", "all", "none". Never NULL. */
const char *guard_mode_name(enum guard_mode mode);
