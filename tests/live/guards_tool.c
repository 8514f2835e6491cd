// SPDX-License-Identifier: BSD-2-Clause
/*
 * guards OPTION... [--and OPTION...]...: the engine with several guards, each given by the options of
 * `apoptosis watch`. Events are JSON on standard output; SIGUSR1 prints the status, SIGTERM ends it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "core/options.h"
#include "engine/engine.h"

static void on_signal(const struct signalfd_siginfo *info, void *userdata)
{
	struct engine *engine = *(struct engine **)userdata;

	if (info->ssi_signo == SIGUSR1)
		engine_status(engine);
	else if (info->ssi_signo == SIGTERM)
		engine_stop(engine);
}

/* Splits the words at each --and. The number of groups, or an exit status below 0. */
static int parse_groups(int argc, char **argv, struct options options[APO_MAX_POLICIES])
{
	_cleanup_free_ char *error = NULL;
	char *name = argv[0];
	int count = 0;

	for (int end, begin = 0; begin < argc; begin = end) {
		for (end = begin + 1; end < argc && strcmp(argv[end], "--and") != 0; end++)
			;
		argv[begin] = name;
		argv[end] = NULL; /* the name of the next, from then on */
		if (count == APO_MAX_POLICIES ||
		    options_parse(COMMAND_WATCH, end - begin, argv + begin, &options[count],
				  &error)) {
			fprintf(stderr, "guards: %s\n", error ?: "too many, or out of memory");
			return -EXIT_USAGE;
		}
		count++;
	}
	return count;
}

static int add(struct guards *guards, const struct options *options)
{
	if (options->mode == MODE_PID)
		return guards_add_pid(guards, &options->policy, options->pid);
	if (options->mode == MODE_CGROUP)
		return guards_add_cgroup(guards, &options->policy, options->cgroup);
	return guards_add_all(guards, &options->policy);
}

int main(int argc, char **argv)
{
	const struct engine_config config = {
		.out = stdout, .json = true, .mode = "guards", .pressure = PRESSURE_CONFIG_NONE};
	struct options options[APO_MAX_POLICIES];
	struct engine *engine = NULL;
	const struct engine_events events = {.on_signal = on_signal, .userdata = &engine};
	int count = parse_groups(argc, argv, options);
	int status = count < 0 ? -count : engine_new(&engine, &config);

	for (int i = 0; !status && i < count; i++)
		status = add(engine_guards(engine), &options[i]);
	if (!status)
		status = engine_start(engine, &events);
	if (!status) {
		engine_ready(engine, 0);
		engine_loop(engine);
		engine_settle(engine);
		engine_status(engine);
	}
	engine_free(engine);
	return status;
}
