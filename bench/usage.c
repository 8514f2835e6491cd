/* SPDX-License-Identifier: BSD-2-Clause */
#include "usage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/parse.h"
#include "base/util.h"

/* A field of a /proc file, kB where it has a unit. */
static uint64_t field(const char *path, const char *key)
{
	_cleanup_free_ char *content = NULL;
	uint64_t value = 0;

	if (file_read(AT_FDCWD, path, &content, NULL) < 0 ||
	    parse_field_u64(content, key, &value) < 0)
		return 0;
	return value;
}

/* Calls visit with the path of every entry in a directory of a process. */
static void each(pid_t pid, const char *name, void (*visit)(const char *path, void *arg), void *arg)
{
	char directory[64], path[512];
	DIR *dir;
	struct dirent *entry;

	snprintf(directory, sizeof(directory), "/proc/%d/%s", (int)pid, name);
	dir = opendir(directory);
	if (!dir)
		fail("cannot open %s: %s", directory, strerror(errno));
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		visit(path, arg);
	}
	closedir(dir);
}

static void count_switches(const char *path, void *arg)
{
	char status[600];

	snprintf(status, sizeof(status), "%s/status", path);
	*(uint64_t *)arg += field(status, "voluntary_ctxt_switches") +
			    field(status, "nonvoluntary_ctxt_switches");
}

double usage_wakeups(const struct tool *tool, unsigned int seconds)
{
	uint64_t before = 0, after = 0, start = now_ns();

	each(tool->child->pid, "task", count_switches, &before);
	sleep_ms(seconds * 1000);
	each(tool->child->pid, "task", count_switches, &after);
	return (double)(after - before) / ((double)(now_ns() - start) / 1e9);
}

static void count_thread(const char *path, void *arg)
{
	(void)path;
	++*(unsigned int *)arg;
}

static void add_kernel_memory(const char *path, void *arg)
{
	_cleanup_free_ char *content = NULL;
	struct usage *usage = arg;
	uint64_t bytes;

	if (file_read(AT_FDCWD, path, &content, NULL) < 0 ||
	    parse_field_u64(content, "memlock", &bytes) < 0)
		return;
	if (parse_field(content, "map_type"))
		usage->map_bytes += bytes;
	else if (parse_field(content, "prog_type"))
		usage->program_bytes += bytes;
}

struct usage usage_of(pid_t pid)
{
	const char *status = text("/proc/%d/status", (int)pid);
	struct usage usage = {.rss_bytes = field(status, "VmRSS") * 1024,
			      .anon_bytes = field(status, "RssAnon") * 1024,
			      .locked_bytes = field(status, "VmLck") * 1024};

	each(pid, "task", count_thread, &usage.threads);
	each(pid, "fdinfo", add_kernel_memory, &usage);
	return usage;
}
