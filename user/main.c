// SPDX-License-Identifier: BSD-2-Clause
/* The table of commands. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "base/util.h"
#include "cmd/commands.h"
#include "cmd/common.h"
#include "core/options.h"
#include "output/format.h"
#include "output/help.h"
#include "profile/inspection.h"
#include "sinks/notify_process.h"

#define COMMAND_MAIN(upper, function, ...) cmd_##function,
static int (*const commands[COMMANDS])(int argc, char **argv) = {COMMANDS_EACH(COMMAND_MAIN)};

/*
 * Started without one of the standard descriptors, the next file opened would become it: events
 * would go into a BPF map, or libuv would abort.
 */
static int open_standard_fds(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) != fd)
			return -1;
	}
	return 0;
}

static int print_version(void)
{
	printf("apoptosis %s\n", APO_VERSION);
	return file_result(stdout);
}

static int refuse_command(const char *word)
{
	_cleanup_free_ char *shown = text_escape_line(word);
	const char *meant = command_guess(word);

	if (word[0] == '-')
		log_error("unknown option '%s': the command comes first, see apoptosis --help",
			  shown ?: "?");
	else if (meant)
		log_error("unknown command '%s', did you mean %s? see apoptosis --help",
			  shown ?: "?", meant);
	else
		log_error("unknown command '%s': see apoptosis --help", shown ?: "?");
	return EXIT_USAGE;
}

/* "help" or "help COMMAND". */
static int print_help(int argc, char **argv)
{
	enum command command;

	if (argc < 2 || !strcmp(argv[1], "help") || !strcmp(argv[1], "version"))
		return common_written(help_program(stdout));
	if (command_find(argv[1], &command))
		return refuse_command(argv[1]);
	return common_written(help_command(stdout, command));
}

static bool is_one_of(const char *word, const char *flag, const char *option, const char *name)
{
	return !strcmp(word, flag) || !strcmp(word, option) || !strcmp(word, name);
}

int main(int argc, char **argv)
{
	enum command command;

	if (open_standard_fds())
		return EXIT_RUNTIME; /* nowhere to say it */
	if (argc < 2) {
		log_error("no command given: see apoptosis --help");
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], INSPECT_COMMAND)) /* started by ourselves */
		return inspect_main(argc - 1, argv + 1);
	if (!strcmp(argv[1], NOTIFY_COMMAND)) /* likewise */
		return notify_process_main(argc - 1, argv + 1);
	if (is_one_of(argv[1], "-V", "--version", "version"))
		return common_written(print_version());
	if (is_one_of(argv[1], "-h", "--help", "help"))
		return print_help(argc - 1, argv + 1);
	if (command_find(argv[1], &command))
		return refuse_command(argv[1]);
	return commands[command](argc - 1, argv + 1);
}
