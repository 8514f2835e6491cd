/* SPDX-License-Identifier: BSD-2-Clause */
/* Victims: how they are started and what they leave behind. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/util.h"
#include "harness.h"

struct live_process *live_victim_argv(const struct live_spawn *spec, const char *const args[])
{
	char *state = live_path("state"), *result = live_path("result");
	const char *argv[64] = {
		live_workload("victim"), "--state", state, "--result", result, "--ready-fd", "9"};
	struct live_process *victim;
	size_t n = 7;

	for (size_t i = 0; args[i]; i++) {
		live_check(n + 1 < ARRAY_SIZE(argv), "too many arguments");
		/* A machine may be slow, its clock is not: growth is paced by what it can do. */
		if (i > 0 && strcmp(args[i - 1], "--rate") == 0)
			argv[n++] = live_format("%g", strtod(args[i], NULL) / live_slowness());
		else
			argv[n++] = args[i];
	}
	argv[n] = NULL;
	victim = live_spawn_argv(spec, argv);
	victim->state = state;
	victim->result = result;
	return victim;
}

struct live_process *live_borrower(const struct live_cgroup *cgroup, uint64_t limit)
{
	uint64_t room = limit / 32 < 4 * MIB ? limit / 32 : 4 * MIB;
	const char *holds = live_format("%" PRIu64, limit - room);
	struct live_process *victim = live_victim(cgroup, "--max", holds, "--hold");
	uint64_t deadline = live_deadline();

	live_wait_ready(victim);
	while (live_limit(cgroup) == limit)
		live_pump(deadline, "the loan");
	return victim;
}

void live_read_victim(void)
{
	live_check(*live_read(live_workload("victim")), "cannot read the victim");
}

static uint32_t fnv1a(const char *data, size_t size)
{
	uint32_t hash = 2166136261U;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (unsigned char)data[i]) * 16777619U;
	return hash;
}

const char *live_state_reason(const char *path)
{
	static const char last_line[] = "checksum ";
	_cleanup_free_ char *content = NULL;
	uint32_t checksum;
	char *last, *end;
	size_t size;

	if (file_read(AT_FDCWD, path, &content, &size) < 0)
		return NULL;
	/* The last line is "checksum XXXXXXXX\n". */
	if (size < sizeof(last_line) + 8 || strncmp(content, "reason ", 7) != 0)
		return NULL;
	last = content + size - (sizeof(last_line) - 1) - 9;
	if (strncmp(last, last_line, sizeof(last_line) - 1) != 0 || last[-1] != '\n')
		return NULL;
	checksum = (uint32_t)strtoul(last + sizeof(last_line) - 1, &end, 16);
	if (strcmp(end, "\n") != 0 || checksum != fnv1a(content, (size_t)(last - content)))
		return NULL;
	return live_format("%.*s", (int)strcspn(content + 7, "\n"), content + 7);
}

json_t *live_result(const struct live_process *victim)
{
	const char *text = live_read(victim->result);
	json_error_t error;
	json_t *result = json_loads(text, 0, &error);

	live_check(result, "%s left no result", victim->name);
	json_array_append_new(victim->events, result);
	return result;
}
