/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "core/option_table.h"
#include "core/options.h"
#include "output/help.h"

static char *help_of(enum command command)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	cr_assert_eq(help_command(file, command), 0);
	fclose(file);
	return text;
}

Test(help, names_each_option_of_its_command_and_no_other)
{
	size_t count;
	const struct option_row *rows = options_rows(&count);

	for (enum command c = COMMAND_WATCH; c < COMMANDS; c++) {
		_cleanup_free_ char *text = help_of(c);

		for (size_t i = 0; i < count; i++) {
			char line[64];

			snprintf(line, sizeof(line), " %s%s%s", rows[i].flag,
				 rows[i].argument ? " " : "",
				 rows[i].argument ? rows[i].argument : "");
			cr_expect_eq(strstr(text, line) != NULL, !!(rows[i].commands & (1U << c)),
				     "%s of %s", rows[i].flag, command_info(c)->name);
		}
	}
}

Test(help, fits_80_columns)
{
	for (enum command c = COMMAND_WATCH; c < COMMANDS; c++) {
		_cleanup_free_ char *text = help_of(c);

		for (char *line = text; *line; line += strcspn(line, "\n") + 1)
			cr_expect_leq(strcspn(line, "\n"), 80, "%.*s", (int)strcspn(line, "\n"),
				      line);
	}
}

Test(help, of_doctor_is_exactly_this)
{
	_cleanup_free_ char *text = help_of(COMMAND_DOCTOR);

	cr_expect_str_eq(
		text,
		"Usage: apoptosis doctor [--json]\n"
		"\n"
		"Shows what works here, what is lost and how to get it. Exits with 0 if\n"
		"protection is full, 1 if partial, 3 if impossible.\n"
		"\n"
		"Options:\n"
		"      --json                Write JSON, one document per line.\n"
		"  -v, --verbose             Say more about what is done; twice: what libbpf\n"
		"                            says, too.\n"
		"  -h, --help                Show this help.\n");
}
