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

#include "apoptosis/abi.h"

/*
 * The reserve is for the shutdown, whose needs do not grow with the limit: `make bench` saw
 * cooperative programs need 1 MiB to a few tens.
 */
#define RESERVE_MAX_DEFAULT_BYTES (64ULL * 1024 * 1024)

#define PERMYRIAD 10000 /* the whole, in the 1/10000 that percents are kept in */

enum command {
	COMMAND_WATCH = 0,
	COMMAND_RUN,
	COMMAND_RSS,
	COMMAND_REPORT,
	COMMAND_DOCTOR,
	COMMANDS,
};

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
	MODE_ALL,
};

/* How far the limit is raised at a trip. */
enum airbag_mode {
	AIRBAG_OFF = 0,
	AIRBAG_AUTO, /* by the growth rate */
	AIRBAG_FIXED,
};

/* What a command prints. */
enum output_format {
	FORMAT_TEXT = 0,
	FORMAT_JSON,
	FORMAT_FOLDED,
	FORMAT_PPROF,
	FORMAT_HTML,
};

/* With an airbag a shutdown has an end: the limit cannot stay raised for ever. */
#define AIRBAG_GRACE_NS (10ULL * 1000 * 1000 * 1000)

/* Everything the command line said, defaults filled in. Strings point into argv. */
struct options {
	enum command command;
	bool help; /* -h: nothing else was checked */
	enum guard_mode mode;
	pid_t pid;	      /* watch --pid, or the PID of rss; 0 = none */
	const char *cgroup;   /* as given, not normalized; NULL = none */
	uint64_t limit_bytes; /* run --limit; 0 = none asked for */

	uint64_t reserve_bytes;	    /* 0 = use reserve_permyriad */
	uint32_t reserve_permyriad; /* 1/10000 of the limit; 0 = use reserve_bytes */
	uint64_t reserve_max_bytes; /* cap of the permyriad; 0 = none */
	uint64_t forecast_ns;	    /* 0 = off */
	int signal;
	enum apo_target target;
	uint64_t grace_ns; /* 0 = off */
	enum airbag_mode airbag;
	uint64_t airbag_bytes;	   /* AIRBAG_FIXED: 0 = use airbag_permyriad */
	uint32_t airbag_permyriad; /* of the limit */
	bool brake;		   /* with an airbag: slows down those who use it up */
	uint32_t warn_permyriad;   /* 0 = off */
	int warn_signal;	   /* 0 = only the event */
	uint64_t cooldown_ns;
	bool dry_run;
	bool json;
	const char *report_dir; /* NULL = none, or for report the usual one */
	const char *report;	/* report: which; NULL = the latest */
	bool folded, pprof;	/* report: stacks, in those formats */
	const char *html;	/* report: file of the page, "-" = standard output; NULL = none */
	int verbosity;		/* -1 quiet, 0 normal, 1 and up: more */

	int argc;    /* run: words of CMD ARGS... */
	char **argv; /* run: NULL-terminated tail of the argv given; else NULL */
};

/* Never NULL for a command below COMMANDS. */
const struct command_info *command_info(enum command command);

/* 0 and the command of that name, or -ENOENT. */
int command_find(const char *name, enum command *ret);

/*
 * Parses argv[1..] of the command (argv[0] is its name; argv[argc] is NULL). 0; -EINVAL with one
 * line that names the bad value and the remedy in *ret_error (freed by the caller); -ENOMEM.
 */
int options_parse(enum command command, int argc, char **argv, struct options *ret,
		  char **ret_error);

/*
 * The rules that need the limit in bytes: the reserve must be below it and the warn level must
 * come before the line. For callers that guard one known limit; the parser has applied it to
 * --limit already. Returns as options_parse().
 */
int options_check_limit(const struct options *options, uint64_t limit_bytes, char **ret_error);

/* The reserve below that limit, in whole pages as the kernel side counts it. */
uint64_t options_reserve_bytes(const struct options *options, uint64_t limit_bytes,
			       uint64_t page_bytes);

/* The policy of the kernel side. page_bytes: size of a page, a power of two. */
void options_policy(const struct options *options, uint64_t page_bytes, struct apo_policy *ret);

/* The one that was asked for; the parser has refused two of them. */
enum output_format options_format(const struct options *options);

/* "grower", "leader", "all". Never NULL. */
const char *target_name(enum apo_target target);
/* "pid", "cgroup", "all", "none". Never NULL. */
const char *guard_mode_name(enum guard_mode mode);
