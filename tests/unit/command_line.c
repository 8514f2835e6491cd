/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit/command_line.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "base/util.h"

int command_line_parse(enum command command, const char *const *words, struct options *ret,
		       char **ret_error)
{
	static char *argv[WORDS + 2]; /* options point into it */
	int argc = 1;

	argv[0] = (char *)command_info(command)->name;
	for (; words[argc - 1]; argc++)
		argv[argc] = (char *)words[argc - 1];
	argv[argc] = NULL;
	return options_parse(command, argc, argv, ret, ret_error);
}

struct options command_line(enum command command, const char *const *words)
{
	_cleanup_free_ char *error = NULL;
	struct options options;

	cr_assert_eq(command_line_parse(command, words, &options, &error), 0, "%s", error);
	return options;
}

void expect_refused(const struct refused_line *lines, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		_cleanup_free_ char *error = NULL;
		struct options untouched = {.pid = 4711};

		cr_expect_eq(command_line_parse(lines[i].command, lines[i].words, &untouched,
						&error),
			     -EINVAL, "line %zu", i);
		cr_assert_not_null(error, "line %zu", i);
		cr_expect_str_eq(error, lines[i].error, "line %zu: %s", i, error);
		cr_expect_eq(untouched.pid, 4711, "line %zu", i);
	}
}
