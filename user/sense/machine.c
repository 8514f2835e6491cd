/* SPDX-License-Identifier: BSD-2-Clause */
#include "sense/machine.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/parse.h"
#include "base/util.h"

/* The text of a file; an empty one if it cannot be read; NULL: no memory. */
static char *read_fact(int root_fd, const char *path)
{
	char *text = NULL;
	int r = file_read(root_fd, path, &text, NULL);

	if (r == -ENOMEM)
		return NULL;
	return r < 0 ? strdup("") : text;
}

/* Which word of "never [madvise] always" is in brackets: its index in words, or fallback. */
static int chosen_word(const char *text, const char *const words[], int n, int fallback)
{
	const char *open = strchr(text, '[');
	size_t length = open ? strcspn(open + 1, "]") : 0;

	for (int i = 0; open && i < n; i++)
		if (strlen(words[i]) == length && memcmp(words[i], open + 1, length) == 0)
			return i;
	return fallback;
}

/*
 * A list of CPUs or nodes, "0-3,8\n": how many there are, and the highest one's number + 1. Numbers
 * beyond what a kernel can have end the list. What is not such a list counts as one, number 0.
 */
static void count_list(const char *text, uint32_t *ret_count, uint32_t *ret_ids)
{
	const unsigned long largest = 1UL << 20;
	unsigned long count = 0, ids = 0;

	while (*text >= '0' && *text <= '9') {
		char *end;
		unsigned long first = strtoul(text, &end, 10), last = first;

		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		if (last < first || last >= largest)
			break;
		count += last - first + 1;
		ids = MAX(ids, last + 1);
		if (*end != ',')
			break;
		text = end + 1;
	}
	*ret_count = count > 0 && count <= largest ? (uint32_t)count : 1;
	*ret_ids = ids > 0 ? (uint32_t)ids : 1;
}

static int read_list(int root_fd, const char *path, uint32_t *ret_count, uint32_t *ret_ids)
{
	_cleanup_free_ char *text = read_fact(root_fd, path);

	if (!text)
		return -ENOMEM;
	count_list(text, ret_count, ret_ids);
	return 0;
}

static int read_kernel(int root_fd, struct machine *machine)
{
	static const char *const lockdowns[] = {"", "none", "integrity", "confidentiality"};
	static const char *const thps[] = {"", "never", "madvise", "always"};
	_cleanup_free_ char *release = read_fact(root_fd, "proc/sys/kernel/osrelease");
	_cleanup_free_ char *lockdown = read_fact(root_fd, "sys/kernel/security/lockdown");
	_cleanup_free_ char *thp = read_fact(root_fd, "sys/kernel/mm/transparent_hugepage/enabled");

	if (!release || !lockdown || !thp)
		return -ENOMEM;

	snprintf(machine->release, sizeof(machine->release), "%.*s", (int)strcspn(release, "\n"),
		 release);
	machine->btf = faccessat(root_fd, "sys/kernel/btf/vmlinux", R_OK, AT_EACCESS) == 0;
	machine->lockdown = (enum machine_lockdown)chosen_word(
		lockdown, lockdowns, ARRAY_SIZE(lockdowns), MACHINE_LOCKDOWN_UNKNOWN);
	machine->thp = (enum machine_thp)chosen_word(thp, thps, ARRAY_SIZE(thps), MACHINE_THP_NONE);
	return 0;
}

/* A number of kB in /proc/meminfo, as bytes; 0 if it is not there. */
static uint64_t meminfo_bytes(const char *meminfo, const char *key)
{
	uint64_t kib = 0;

	return parse_field_u64(meminfo, key, &kib) < 0 ? 0 : sat_mul(kib, 1024);
}

static int read_memory(int root_fd, struct machine *machine)
{
	_cleanup_free_ char *meminfo = read_fact(root_fd, "proc/meminfo");

	if (!meminfo)
		return -ENOMEM;
	machine->memory_bytes = meminfo_bytes(meminfo, "MemTotal");
	machine->swap_total_bytes = meminfo_bytes(meminfo, "SwapTotal");
	machine->swap_free_bytes = meminfo_bytes(meminfo, "SwapFree");
	return 0;
}

/* The initial one maps all users to themselves. Where there are no namespaces there is no such file. */
static bool in_initial_user_ns(int root_fd)
{
	_cleanup_free_ char *map = read_fact(root_fd, "proc/self/uid_map");
	const char *at = map;
	uint64_t numbers[3] = {};

	if (!map || !*map)
		return true;
	for (size_t i = 0; at && i < ARRAY_SIZE(numbers); i++)
		at = parse_number(at + strspn(at, " "), 10, i < 2 ? ' ' : '\n', &numbers[i]);
	return at && !numbers[0] && !numbers[1] && numbers[2] == UINT32_MAX;
}

uint64_t machine_capabilities(int root_fd)
{
	_cleanup_free_ char *status = read_fact(root_fd, "proc/self/status");
	const char *value = status ? parse_field(status, "CapEff") : NULL;

	return value && in_initial_user_ns(root_fd) ? strtoull(value, NULL, 16) : 0;
}

/* "2-5\n"; " (null)\n" or nothing where the tick never stops on a CPU that is busy. */
static int read_ticks(int root_fd, struct machine *machine)
{
	_cleanup_free_ char *text = read_fact(root_fd, "sys/devices/system/cpu/nohz_full");

	if (!text)
		return -ENOMEM;
	machine->ticks_stop = *text >= '0' && *text <= '9';
	return 0;
}

int machine_read(int root_fd, struct machine *ret)
{
	struct machine machine = {.capabilities = machine_capabilities(root_fd)};
	uint32_t unused;
	int r;

	if (fcntl(root_fd, F_GETFD) < 0)
		return -errno;

	r = read_kernel(root_fd, &machine);
	if (r == 0)
		r = read_memory(root_fd, &machine);
	if (r == 0)
		r = read_list(root_fd, "sys/devices/system/cpu/possible", &machine.cpus_possible,
			      &machine.cpu_ids);
	if (r == 0)
		r = read_list(root_fd, "sys/devices/system/cpu/online", &machine.cpus_online,
			      &unused);
	if (r == 0)
		r = read_ticks(root_fd, &machine);
	if (r == 0)
		r = read_list(root_fd, "sys/devices/system/node/possible", &unused,
			      &machine.node_ids);
	if (r == 0)
		r = read_list(root_fd, "sys/devices/system/node/online", &machine.nodes_online,
			      &unused);
	if (r == 0)
		*ret = machine;
	return r;
}

bool machine_has_capability(const struct machine *machine, int capability)
{
	return capability >= 0 && capability < 64 && (machine->capabilities >> capability & 1);
}

const char *machine_thp_name(enum machine_thp thp)
{
	switch (thp) {
	case MACHINE_THP_ALWAYS:
		return "always";
	case MACHINE_THP_MADVISE:
		return "madvise";
	case MACHINE_THP_NEVER:
		return "never";
	default:
		return "none";
	}
}

int machine_memory_read(int proc_fd, uint64_t *ret_total_bytes, uint64_t *ret_available_bytes)
{
	uint64_t total_kib, available_kib;
	char text[4096];
	int r = file_read_into(proc_fd, "meminfo", text, sizeof(text));

	if (r)
		return r;
	if (parse_field_u64(text, "MemTotal:", &total_kib) ||
	    parse_field_u64(text, "MemAvailable:", &available_kib))
		return -EBADMSG;
	*ret_total_bytes = sat_mul(total_kib, 1024);
	*ret_available_bytes = sat_mul(available_kib, 1024);
	return 0;
}

uint64_t machine_kernel_symbol(int kallsyms_fd, const char *name)
{
	int fd = fcntl(kallsyms_fd, F_DUPFD_CLOEXEC, 0);
	_cleanup_fclose_ FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	_cleanup_free_ char *line = NULL;
	size_t size = 0, length = strlen(name);

	if (!file) {
		close_fd(fd);
		return 0;
	}
	rewind(file);
	/* "ffffffff8c25a5c0 B nr_swap_pages\n" */
	while (getline(&line, &size, file) > 0) {
		const char *type = strchr(line, ' ');
		const char *word = type ? strchr(type + 1, ' ') : NULL;

		if (word && strncmp(word + 1, name, length) == 0 && word[1 + length] == '\n')
			return strtoull(line, NULL, 16);
	}
	return 0;
}
