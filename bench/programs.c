/* SPDX-License-Identifier: BSD-2-Clause */
#include "programs.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/parse.h"
#include "base/util.h"

static struct programs *programs_new(int perf_tracepoint)
{
	struct programs *programs = calloc(1, sizeof(*programs));

	if (!programs)
		fail("out of memory");
	programs->perf_tracepoint = perf_tracepoint;
	return programs;
}

static void add(struct programs *programs, int fd)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);
	struct program *program = &programs->program[programs->n];

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size))
		fail("cannot get at a BPF program: %s", strerror(errno));
	for (size_t i = 0; i < programs->n; i++)
		if (programs->program[i].id == info.id) {
			close(fd);
			return;
		}
	if (programs->n == MAX_PROGRAMS)
		fail("too many BPF programs");
	*program = (struct program){.id = info.id, .fd = fd, .link_fd = -1};
	snprintf(program->name, sizeof(program->name), "%s", info.name);
	programs->n++;
}

/* Those descriptors of a process whose fdinfo has this line. */
static struct programs *take(pid_t pid, int perf_tracepoint, const char *key, const char *value)
{
	struct programs *programs = programs_new(perf_tracepoint);
	const char *path = text("/proc/%d/fdinfo", (int)pid);
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		fail("cannot open %s: %s", path, strerror(errno));
	while ((entry = readdir(dir))) {
		_cleanup_free_ char *content = NULL;
		const char *found;
		uint64_t id;

		if (file_read(dirfd(dir), entry->d_name, &content, NULL) < 0)
			continue;
		found = parse_field(content, key);
		if (found && strncmp(found, value, strlen(value)) == 0 &&
		    parse_field_u64(content, "prog_id", &id) == 0)
			add(programs, bpf_prog_get_fd_by_id((uint32_t)id));
	}
	closedir(dir);
	return programs;
}

struct programs *programs_take_attached(pid_t pid)
{
	return take(pid, -1, "link_type", "raw_tracepoint");
}

struct programs *programs_take_classic(pid_t pid, int tracepoint)
{
	return take(pid, tracepoint, "prog_type", "5\n"); /* BPF_PROG_TYPE_TRACEPOINT */
}

struct programs *programs_of_fd(int fd)
{
	struct programs *programs = programs_new(-1);

	add(programs, fcntl(fd, F_DUPFD_CLOEXEC, 3));
	return programs;
}

struct programs *programs_without(const struct programs *programs, const char *name)
{
	struct programs *rest = programs_new(programs->perf_tracepoint);

	for (size_t i = 0; i < programs->n; i++)
		if (strcmp(programs->program[i].name, name) != 0)
			add(rest, fcntl(programs->program[i].fd, F_DUPFD_CLOEXEC, 3));
	return rest;
}

/* The way of libbpf and of bpftrace: one CPU is named, the program runs on all of them. */
static int attach_classic(const struct program *program, int tracepoint)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_TRACEPOINT,
				       .size = sizeof(attr),
				       .config = (uint64_t)tracepoint,
				       .sample_period = 1,
				       .wakeup_events = 1};
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd >= 0 && (ioctl(fd, PERF_EVENT_IOC_SET_BPF, program->fd) < 0 ||
			ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) < 0))
		return close_fd(fd);
	return fd;
}

void programs_attach(struct programs *programs)
{
	for (size_t i = 0; i < programs->n; i++) {
		struct program *program = &programs->program[i];

		program->link_fd = programs->perf_tracepoint >= 0
					   ? attach_classic(program, programs->perf_tracepoint)
					   : bpf_raw_tracepoint_open(NULL, program->fd);
		if (program->link_fd < 0)
			fail("cannot attach %s: %s", program->name, strerror(errno));
	}
}

void programs_detach(struct programs *programs)
{
	for (size_t i = 0; i < programs->n; i++)
		programs->program[i].link_fd = close_fd(programs->program[i].link_fd);
}

struct programs *programs_free(struct programs *programs)
{
	if (!programs)
		return NULL;
	programs_detach(programs);
	for (size_t i = 0; i < programs->n; i++)
		close_fd(programs->program[i].fd);
	free(programs);
	return NULL;
}

const struct program *programs_find(const struct programs *programs, const char *name)
{
	for (size_t i = 0; i < programs->n; i++)
		if (strcmp(programs->program[i].name, name) == 0)
			return &programs->program[i];
	return NULL;
}

struct program_times program_times(const struct program *program)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(program->fd, &info, &size))
		fail("cannot read the statistics of %s: %s", program->name, strerror(errno));
	return (struct program_times){info.run_time_ns, info.run_cnt};
}

int program_times_enable(void)
{
	return bpf_enable_stats(BPF_STATS_RUN_TIME);
}

static bool is_ours(const struct programs *ours, uint32_t program_id)
{
	for (size_t i = 0; ours && i < ours->n; i++)
		if (ours->program[i].id == program_id && ours->program[i].link_fd >= 0)
			return true;
	return false;
}

unsigned int programs_foreign(const struct programs *ours)
{
	unsigned int n = 0;
	uint32_t id = 0;

	while (bpf_link_get_next_id(id, &id) == 0) {
		char name[32] = "";
		struct bpf_link_info info = {0};
		uint32_t size = sizeof(info);
		_cleanup_close_ int fd = bpf_link_get_fd_by_id(id);

		info.raw_tracepoint.tp_name = (uintptr_t)name;
		info.raw_tracepoint.tp_name_len = sizeof(name);
		if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size))
			continue; /* gone meanwhile */
		if (info.type == BPF_LINK_TYPE_RAW_TRACEPOINT && strcmp(name, "rss_stat") == 0 &&
		    !is_ours(ours, info.prog_id))
			n++;
	}
	return n;
}
