/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One row per option gives its flag, its key in a configuration file, its argument, range, default
 * and help; parsing, `--help` and the man-page check all read this table.
 */
#pragma once

#include <stddef.h>

#include "core/option_values.h"

/* Each guard of a configuration file may have its own. */
#define OPTION_OF_POLICY (1U << COMMANDS)
/* Of that, what may be said of the machine's own memory. */
#define OPTION_OF_HOST (4U << COMMANDS)
/* Its value is not repeated in messages. */
#define OPTION_SECRET (2U << COMMANDS)

/* One option. */
struct option_row {
	const char *flag;     /* "--reserve" */
	char short_flag;      /* 'q', or 0 */
	const char *key;      /* in a configuration file; NULL = command line only */
	const char *argument; /* "SIZE|PERCENT"; NULL = takes none */
	const char *range;    /* what is accepted, completes "give ..."; NULL if no argument */
	const char *initial;  /* default as text, set by the same code; NULL = none */
	unsigned int
		commands; /* bit (1 << enum command) for each command that takes it, and those above */
	const char *help;
	option_set_fn *set;
};

/* The table, in the order of --help. */
const struct option_row *options_rows(size_t *ret_count);

/* The row of a flag such as "--reserve" (len bytes) that the command takes, or NULL. */
const struct option_row *options_find_flag(enum command command, const char *flag, size_t len);
/* The same for a short flag such as 'q'. */
const struct option_row *options_find_short(enum command command, char flag);
