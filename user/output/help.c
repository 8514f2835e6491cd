/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/help.h"

#include <string.h>

#include "core/option_table.h"
#include "output/format.h"

#define INDENT 28 /* column of the help texts */

static const struct terminal paper; /* 80 columns */

static void print_option(FILE *file, const struct option_row *row)
{
	char head[64], text[512];
	int len;

	len = snprintf(head, sizeof(head), "  %c%c%s %s%s%s", row->short_flag ? '-' : ' ',
		       row->short_flag ? row->short_flag : ' ', row->short_flag ? "," : " ",
		       row->flag, row->argument ? " " : "", row->argument ? row->argument : "");
	snprintf(text, sizeof(text), "%s%s%s%s", row->help, row->initial ? " Default: " : "",
		 row->initial ? row->initial : "", row->initial ? "." : "");
	if (len + 1 < INDENT)
		fprintf(file, "%-*s", INDENT, head);
	else
		fprintf(file, "%s\n%*s", head, INDENT, "");
	print_wrapped(file, &paper, INDENT, text);
}

int help_program(FILE *file)
{
	fputs("Usage: apoptosis COMMAND [OPTIONS]\n"
	      "       apoptosis help [COMMAND] | version\n\n",
	      file);
	print_wrapped(file, &paper, 0,
		      "Catches a memory spike in the kernel and asks the process to shut down "
		      "before the OOM killer ends it.");
	fputs("\nCommands:\n", file);
	for (enum command c = COMMAND_WATCH; c < COMMANDS; c++) {
		const struct command_info *info = command_info(c);

		fprintf(file, "  %-14s%s\n", info->name, info->summary);
	}
	fputs("\nSee apoptosis COMMAND --help for the options of a command.\n", file);
	return file_result(file);
}

int help_command(FILE *file, enum command command)
{
	const struct command_info *info = command_info(command);
	const struct option_row *rows;
	size_t count;

	rows = options_rows(&count);
	fprintf(file, "Usage: apoptosis %s %s\n\n", info->name, info->synopsis);
	print_wrapped(file, &paper, 0, info->details);
	fputs("\nOptions:\n", file);
	for (size_t i = 0; i < count; i++) {
		if (rows[i].commands & (1U << command))
			print_option(file, &rows[i]);
	}
	return file_result(file);
}
