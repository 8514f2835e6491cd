// SPDX-License-Identifier: BSD-2-Clause
#include "source/growers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"
#include "sense/cgroup_dir.h"
#include "sense/proc.h"

#define NOTE_NS (NSEC_PER_SEC / 2)
#define OLD_NS (2 * NSEC_PER_SEC)
#define NOTE_SHARE 50		  /* of the time, so small a part is spent on noting, */
#define NOTE_MOST_NS NSEC_PER_SEC /* unless that takes long */
#define NOTED_MAX 4096

struct noted {
	pid_t pid;
	uint64_t start_ticks, pages;
	char *arguments; /* read while there was time; NULL: none */
};

struct note {
	struct noted *noted;
	size_t count;
	uint64_t time_ns; /* 0: none was taken */
};

struct growers {
	struct growers_config config;
	struct note last,
		before; /* what is found is compared with the one before, so that it is not of just now */
	uint64_t took_ns;
};

int growers_new(struct growers **ret, const struct growers_config *config)
{
	struct growers *growers = calloc(1, sizeof(*growers));

	if (!growers)
		return -ENOMEM;
	growers->config = *config;
	*ret = growers;
	return 0;
}

static void forget(struct note *note)
{
	for (size_t i = 0; i < note->count; i++)
		free(note->noted[i].arguments);
	free(note->noted);
	*note = (struct note){};
}

struct growers *growers_free(struct growers *growers)
{
	if (!growers)
		return NULL;
	forget(&growers->last);
	forget(&growers->before);
	free(growers);
	return NULL;
}

static uint64_t total(const uint64_t pages[APO_KINDS])
{
	return pages[APO_ANON] + pages[APO_SHMEM] + pages[APO_SWAP];
}

/* --- those who count ----------------------------------------------------------------------- */

static bool counts(const struct growers *growers, pid_t pid)
{
	const struct growers_config *config = &growers->config;

	if (pid == getpid())
		return false;
	return !config->ancestor || (config->is_one && pid == config->ancestor) ||
	       proc_descends(config->proc_fd, pid, config->ancestor);
}

struct visit {
	struct growers *growers;
	void (*each)(struct visit *visit, pid_t pid, uint64_t cgroup_id);
	/* growers_note(): */
	struct noted *noted;
	size_t count;
	/* growers_find(): */
	const struct note *note;
	pid_t pid;
	uint64_t cgroup_id, grown, pages;
	uint64_t rss_pages[APO_KINDS];
};

static int visit_cgroup(int dirfd, const char *path, void *userdata)
{
	struct visit *visit = userdata;
	_cleanup_free_ pid_t *pids = NULL;
	uint64_t cgroup;
	size_t n = 0;

	(void)path;
	if (cgroup_id(dirfd, &cgroup) || cgroup_procs(dirfd, &pids, &n))
		return 0;
	for (size_t i = 0; i < n; i++)
		if (counts(visit->growers, pids[i]))
			visit->each(visit, pids[i], cgroup);
	return 0;
}

static struct noted *find_noted(const struct note *note, pid_t pid, uint64_t start_ticks)
{
	for (size_t i = 0; i < note->count; i++)
		if (note->noted[i].pid == pid && note->noted[i].start_ticks == start_ticks)
			return &note->noted[i];
	return NULL;
}

/* The one to compare with: not of just now, nor of long ago, if there is such a one. */
static const struct note *note_of(const struct growers *growers, uint64_t now_ns)
{
	bool is_old = !growers->before.time_ns || now_ns - growers->before.time_ns > OLD_NS;

	return is_old || now_ns - growers->last.time_ns >= NOTE_NS ? &growers->last
								   : &growers->before;
}

/* --- noting -------------------------------------------------------------------------------- */

static char *arguments_of(const struct growers *growers, pid_t pid)
{
	_cleanup_close_ int dirfd = -1;
	char name[16], *arguments = NULL;

	if (!growers->config.are_ours)
		return NULL;
	snprintf(name, sizeof(name), "%d", pid);
	dirfd = openat(growers->config.proc_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd >= 0)
		proc_cmdline_read(dirfd, &arguments);
	return arguments;
}

static void note_one(struct visit *visit, pid_t pid, uint64_t cgroup)
{
	const struct growers_config *config = &visit->growers->config;
	struct noted noted = {.pid = pid}, *before, *more;
	uint64_t pages[APO_KINDS];

	(void)cgroup;
	if (visit->count == NOTED_MAX ||
	    proc_start_ticks(config->proc_fd, pid, &noted.start_ticks) ||
	    proc_memory_read(config->proc_fd, pid, pages))
		return;
	more = reallocarray(visit->noted, visit->count + 1, sizeof(*more));
	if (!more)
		return;
	visit->noted = more;
	noted.pages = total(pages);
	before = find_noted(&visit->growers->last, pid, noted.start_ticks);
	noted.arguments = !before	      ? arguments_of(visit->growers, pid)
			  : before->arguments ? strdup(before->arguments)
					      : NULL;
	visit->noted[visit->count++] = noted;
}

void growers_note(struct growers *growers, int dirfd, uint64_t now_ns, bool at_once)
{
	struct visit visit = {.growers = growers, .each = note_one};
	uint64_t apart_ns = MIN(NOTE_SHARE * growers->took_ns, (uint64_t)NOTE_MOST_NS);

	if (!at_once && now_ns - growers->last.time_ns < MAX((uint64_t)NOTE_NS, apart_ns))
		return;
	cgroup_walk(dirfd, visit_cgroup, &visit);
	forget(&growers->before);
	growers->before = growers->last;
	growers->last = (struct note){visit.noted, visit.count, now_ns};
	growers->took_ns = clock_ns(CLOCK_MONOTONIC) - now_ns;
}

/* --- finding ------------------------------------------------------------------------------- */

/* Who was not there when all were noted has grown from nothing. */
static void weigh(struct visit *visit, pid_t pid, uint64_t cgroup)
{
	const struct growers_config *config = &visit->growers->config;
	uint64_t rss_pages[APO_KINDS], start_ticks, pages, before, grown;
	const struct noted *noted;

	if (proc_start_ticks(config->proc_fd, pid, &start_ticks) ||
	    proc_memory_read(config->proc_fd, pid, rss_pages))
		return;
	noted = find_noted(visit->note, pid, start_ticks);
	pages = total(rss_pages);
	before = noted ? noted->pages : 0;
	grown = sat_sub(pages, before);
	if (visit->pid &&
	    (grown < visit->grown || (grown == visit->grown && pages <= visit->pages)))
		return;
	visit->pid = pid;
	visit->cgroup_id = cgroup;
	visit->grown = grown;
	visit->pages = pages;
	memcpy(visit->rss_pages, rss_pages, sizeof(rss_pages));
}

static int describe(const struct growers *growers, const struct visit *found, uint64_t now_ns,
		    struct grower *ret)
{
	_cleanup_proc_info_ struct proc_info *info = NULL;
	const struct noted *noted;
	uint64_t since_ns = now_ns - found->note->time_ns;
	int r = proc_info_read(growers->config.proc_fd, found->pid, &info);

	if (r)
		return r;
	*ret = (struct grower){
		.task = {.tgid = (uint32_t)info->pid,
			 .ns_tgid = (uint32_t)info->ns_pid,
			 .ns_level = info->ns_level,
			 .start_boottime_ns = info->start_boottime_ns,
			 .cgroup_id = found->cgroup_id},
		.grown_pages = found->grown,
		.rate_pages_s = since_ns ? (uint64_t)((double)found->grown * NSEC_PER_SEC /
						      (double)since_ns)
					 : 0,
	};
	memcpy(ret->rss_pages, found->rss_pages, sizeof(ret->rss_pages));
	memcpy(ret->task.comm, info->comm, strnlen(info->comm, APO_COMM_LEN - 1));
	noted = find_noted(&growers->last, found->pid, info->start_ticks);
	if (noted && noted->arguments) {
		ret->args_len = (uint32_t)strnlen(noted->arguments, APO_ARGS_LEN - 1);
		memcpy(ret->args, noted->arguments, ret->args_len);
	}
	return 0;
}

int growers_find(struct growers *growers, int dirfd, uint64_t now_ns, struct grower *ret)
{
	struct visit visit = {.growers = growers, .each = weigh, .note = note_of(growers, now_ns)};

	cgroup_walk(dirfd, visit_cgroup, &visit);
	return visit.pid ? describe(growers, &visit, now_ns, ret) : -ESRCH;
}
