// SPDX-License-Identifier: BSD-2-Clause
/* The table of commands. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "cmd/commands.h"
#include "cmd/common.h"
#include "core/options.h"
#include "output/format.h"
#include "output/help.h"
#include "profile/inspection.h"

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
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		return common_written(print_version());
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return common_written(help_program(stdout));
	if (command_find(argv[1], &command)) {
		log_error("unknown command '%s': see apoptosis --help", argv[1]);
		return EXIT_USAGE;
	}
	return commands[command](argc - 1, argv + 1);
}
