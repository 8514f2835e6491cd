/* SPDX-License-Identifier: BSD-2-Clause */
/* Command lines, as main() would parse them. */
#pragma once

#include <stddef.h>

#include "core/options.h"

#define WORDS 12 /* after the command, with a NULL at the end */

int command_line_parse(enum command command, const char *const *words, struct options *ret,
		       char **ret_error);
/* Fails the test if it is refused. */
struct options command_line(enum command command, const char *const *words);
#define WATCH(...) command_line(COMMAND_WATCH, (const char *const[WORDS]){__VA_ARGS__})
#define RUN(...) command_line(COMMAND_RUN, (const char *const[WORDS]){__VA_ARGS__})

/* One that is refused, with that line; nothing else is done. */
struct refused_line {
	enum command command;
	const char *words[WORDS];
	const char *error;
};
void expect_refused(const struct refused_line *lines, size_t count);
