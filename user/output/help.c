/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/help.h"

#include <string.h>

#include "core/option_table.h"
#include "output/format.h"

#define WIDTH 80
#define INDENT 28 /* column of the help texts */

/* Breaks text at blanks. The cursor is at column; further lines begin at indent. */
static void print_wrapped(FILE *file, const char *text, size_t column, size_t indent)
{
	while (*text) {
		size_t word = strcspn(text, " ");
		bool first = column == indent;

		if (!first && column + 1 + word > WIDTH) {
			fprintf(file, "\n%*s", (int)indent, "");
			column = indent;
			first = true;
		}
		fprintf(file, "%s%.*s", first ? "" : " ", (int)word, text);
		column += word + (first ? 0 : 1);
		text += word;
		text += strspn(text, " ");
	}
	fputc('\n', file);
}

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
	print_wrapped(file, text, INDENT, INDENT);
}

int help_program(FILE *file)
{
	fputs("Usage: apoptosis COMMAND [OPTIONS]\n"
	      "       apoptosis help [COMMAND] | version\n\n",
	      file);
	print_wrapped(file,
		      "Catches a memory spike in the kernel and asks the process to shut down "
		      "before the OOM killer ends it.",
		      0, 0);
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
	print_wrapped(file, info->details, 0, 0);
	fputs("\nOptions:\n", file);
	for (size_t i = 0; i < count; i++) {
		if (rows[i].commands & (1U << command))
			print_option(file, &rows[i]);
	}
	return file_result(file);
}
