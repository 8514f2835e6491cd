// SPDX-License-Identifier: BSD-2-Clause
/* The table of commands. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "cmd/doctor.h"
#include "cmd/rss.h"
#include "cmd/run.h"
#include "cmd/watch.h"
#include "core/options.h"
#include "daemon/session.h"
#include "output/help.h"

static int (*const commands[COMMANDS])(int argc, char **argv) = {
	[COMMAND_WATCH] = cmd_watch,
	[COMMAND_RUN] = cmd_run,
	[COMMAND_RSS] = cmd_rss,
	[COMMAND_DOCTOR] = cmd_doctor,
};

int main(int argc, char **argv)
{
	enum command command;

	if (argc < 2) {
		log_error("no command given: see apoptosis --help");
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		return printf("apoptosis %s\n", APO_VERSION) < 0 ? EXIT_RUNTIME : 0;
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return help_program(stdout) ? EXIT_RUNTIME : 0;
	if (command_find(argv[1], &command)) {
		log_error("unknown command '%s': see apoptosis --help", argv[1]);
		return EXIT_USAGE;
	}
	return commands[command](argc - 1, argv + 1);
}
