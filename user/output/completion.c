/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/completion.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/util.h"
#include "core/option_table.h"
#include "output/format.h"

/* What may follow an option. */
enum follows { FOLLOWS_NOTHING, FOLLOWS_WORDS, FOLLOWS_FILE, FOLLOWS_DIR, FOLLOWS_ANY };

static bool takes(const struct option_row *row, enum command command)
{
	return row->commands & (1U << command);
}

/* "auto|off" of "SIZE|PERCENT|auto|off", each of them after `before`: words that are to be written as they are. */
static void print_words(FILE *file, const char *argument, const char *before)
{
	bool is_first = true;

	while (*argument) {
		size_t length = strcspn(argument, "|");

		if (strcspn(argument, "ABCDEFGHIJKLMNOPQRSTUVWXYZ[") >= length) {
			fprintf(file, "%s%.*s", is_first ? "" : before, (int)length, argument);
			is_first = false;
		}
		argument += length + (argument[length] == '|');
	}
}

static enum follows follows(const struct option_row *row)
{
	const char *argument = row->argument;

	if (!argument)
		return FOLLOWS_NOTHING;
	if (strncmp(argument, "DIR", 3) == 0)
		return FOLLOWS_DIR;
	if (strncmp(argument, "FILE", 4) == 0 || strncmp(argument, "PATH", 4) == 0 ||
	    strncmp(argument, "CGROUP", 6) == 0)
		return FOLLOWS_FILE;
	if (strcmp(row->flag, "--target") == 0 || strstr(argument, "off") ||
	    strspn(argument, "abcdefghijklmnopqrstuvwxyz|") == strlen(argument))
		return FOLLOWS_WORDS;
	return FOLLOWS_ANY;
}

/* --target names its words in its range. */
static const char *words_of(const struct option_row *row)
{
	return strcmp(row->flag, "--target") == 0 ? "grower|leader|all" : row->argument;
}

/* The first sentence of a help, without what a shell would take for its own. */
static void print_help(FILE *file, const char *help)
{
	const char *end = strstr(help, ". ");
	size_t length = end ? (size_t)(end - help) : strlen(help);

	length -= length > 0 && help[length - 1] == '.';
	for (size_t i = 0; i < length; i++)
		if (!strchr("'\"`$\\[]:()", help[i]))
			fputc(help[i], file);
}

/* --- bash ---------------------------------------------------------------------------------- */

static void print_bash_option(FILE *file, const struct option_row *row)
{
	static const char *const generators[] = {
		[FOLLOWS_NOTHING] = NULL,     [FOLLOWS_WORDS] = NULL, [FOLLOWS_FILE] = "compgen -f",
		[FOLLOWS_DIR] = "compgen -d", [FOLLOWS_ANY] = ":",
	};
	enum follows kind = follows(row);

	if (kind == FOLLOWS_NOTHING)
		return;
	fprintf(file, "\t\t%s", row->flag);
	if (row->short_flag)
		fprintf(file, " | -%c", row->short_flag);
	fputs(") ", file);
	if (kind == FOLLOWS_WORDS) {
		fputs("mapfile -t COMPREPLY < <(compgen -W '", file);
		print_words(file, words_of(row), " ");
		fputs("' -- \"$word\")", file);
	} else if (kind == FOLLOWS_ANY) {
		fputs("COMPREPLY=()", file);
	} else {
		fprintf(file, "mapfile -t COMPREPLY < <(%s -- \"$word\")", generators[kind]);
	}
	fputs("; return ;;\n", file);
}

static void print_bash_command(FILE *file, enum command command)
{
	size_t count;
	const struct option_row *rows = options_rows(&count);

	fprintf(file, "\t%s)\n\t\twords='", command_info(command)->name);
	for (size_t i = 0; i < count; i++)
		if (takes(&rows[i], command))
			fprintf(file, " %s", rows[i].flag);
	fputs("'\n\t\tcase $before in\n", file);
	for (size_t i = 0; i < count; i++)
		if (takes(&rows[i], command))
			print_bash_option(file, &rows[i]);
	fputs("\t\tesac\n\t\t;;\n", file);
}

static void print_bash(FILE *file)
{
	fputs("# bash completion for apoptosis, made by: apoptosis completion bash\n"
	      "_apoptosis() {\n"
	      "\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words=\n"
	      "\tif ((COMP_CWORD == 1)); then\n"
	      "\t\tmapfile -t COMPREPLY < <(compgen -W '--help --version",
	      file);
	for (enum command command = 0; command < COMMANDS; command++)
		fprintf(file, " %s", command_info(command)->name);
	fputs("' -- \"$word\")\n\t\treturn\n\tfi\n\tcase ${COMP_WORDS[1]} in\n", file);
	for (enum command command = 0; command < COMMANDS; command++)
		print_bash_command(file, command);
	fputs("\tesac\n"
	      "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
	      "}\n"
	      "complete -o default -F _apoptosis apoptosis\n",
	      file);
}

/* --- zsh ----------------------------------------------------------------------------------- */

static void print_zsh_option(FILE *file, const struct option_row *row)
{
	fprintf(file, " \\\n\t\t\t'%s[", row->flag);
	print_help(file, row->help);
	fputc(']', file);
	switch (follows(row)) {
	case FOLLOWS_NOTHING:
		break;
	case FOLLOWS_WORDS:
		fputs(":value:(", file);
		print_words(file, words_of(row), " ");
		fputc(')', file);
		break;
	case FOLLOWS_FILE:
		fputs(":file:_files", file);
		break;
	case FOLLOWS_DIR:
		fputs(":directory:_files -/", file);
		break;
	case FOLLOWS_ANY:
		fputs(":value: ", file);
		break;
	}
	fputc('\'', file);
}

static void print_zsh(FILE *file)
{
	size_t count;
	const struct option_row *rows = options_rows(&count);

	fputs("#compdef apoptosis\n"
	      "# made by: apoptosis completion zsh\n"
	      "_apoptosis() {\n"
	      "\tlocal -a commands\n"
	      "\tcommands=(\n",
	      file);
	for (enum command command = 0; command < COMMANDS; command++) {
		fprintf(file, "\t\t'%s:", command_info(command)->name);
		print_help(file, command_info(command)->summary);
		fputs("'\n", file);
	}
	fputs("\t)\n"
	      "\tif ((CURRENT == 2)); then\n"
	      "\t\t_describe command commands\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\tshift words\n"
	      "\t((CURRENT--))\n"
	      "\tcase $words[1] in\n",
	      file);
	for (enum command command = 0; command < COMMANDS; command++) {
		fprintf(file, "\t%s)\n\t\t_arguments", command_info(command)->name);
		for (size_t i = 0; i < count; i++)
			if (takes(&rows[i], command))
				print_zsh_option(file, &rows[i]);
		fputs(" \\\n\t\t\t'*:file:_files'\n\t\t;;\n", file);
	}
	fputs("\tesac\n}\n_apoptosis \"$@\"\n", file);
}

/* --- fish ---------------------------------------------------------------------------------- */

static void print_fish_option(FILE *file, const struct option_row *row, enum command command)
{
	fprintf(file, "complete -c apoptosis -n '__fish_seen_subcommand_from %s' -l %s",
		command_info(command)->name, row->flag + 2);
	if (row->short_flag)
		fprintf(file, " -s %c", row->short_flag);
	switch (follows(row)) {
	case FOLLOWS_NOTHING:
		break;
	case FOLLOWS_WORDS:
		fputs(" -x -a '", file);
		print_words(file, words_of(row), " ");
		fputc('\'', file);
		break;
	case FOLLOWS_FILE:
		fputs(" -r -F", file);
		break;
	case FOLLOWS_DIR:
		fputs(" -x -a '(__fish_complete_directories)'", file);
		break;
	case FOLLOWS_ANY:
		fputs(" -x", file);
		break;
	}
	fputs(" -d '", file);
	print_help(file, row->help);
	fputs("'\n", file);
}

static void print_fish(FILE *file)
{
	size_t count;
	const struct option_row *rows = options_rows(&count);

	fputs("# fish completion for apoptosis, made by: apoptosis completion fish\n"
	      "complete -c apoptosis -n __fish_use_subcommand -f -l help -d 'Show the commands'\n"
	      "complete -c apoptosis -n __fish_use_subcommand -f -l version -d 'Show the "
	      "version'\n",
	      file);
	for (enum command command = 0; command < COMMANDS; command++) {
		fprintf(file, "complete -c apoptosis -n __fish_use_subcommand -f -a %s -d '",
			command_info(command)->name);
		print_help(file, command_info(command)->summary);
		fputs("'\n", file);
		for (size_t i = 0; i < count; i++)
			if (takes(&rows[i], command))
				print_fish_option(file, &rows[i], command);
	}
}

/* --- all ----------------------------------------------------------------------------------- */

int completion_write(FILE *file, const char *shell)
{
	static const struct {
		const char *name;
		void (*print)(FILE *file);
	} shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};

	for (size_t i = 0; i < ARRAY_SIZE(shells); i++) {
		if (strcmp(shells[i].name, shell) != 0)
			continue;
		shells[i].print(file);
		return file_result(file);
	}
	return -EINVAL;
}
