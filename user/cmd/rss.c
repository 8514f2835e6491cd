// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/util.h"
#include "cmd/common.h"
#include "source/rss.h"
#include "output/json.h"
#include "output/rss.h"
#include "sense/cgroup_memory.h"
#include "sense/machine.h"
#include "sense/proc.h"

static int print(const struct rss_report *report, bool json)
{
	return json ? json_write_line_new(stdout, rss_json(report)) : rss_text(stdout, report);
}

static int add_cgroup(int root_fd, int proc_fd, struct rss_report *report, char **ret_cgroup,
		      struct cgroup_limit *ret_limit)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = NULL;
	_cleanup_close_ int dirfd = -1;
	struct cgroup_memory memory;
	int r = cgroup_tree_new(&tree, root_fd);

	if (!r)
		r = cgroup_path_of_pid(tree, proc_fd, report->pid, ret_cgroup);
	if (!r)
		r = cgroup_open(tree, *ret_cgroup, &dirfd);
	if (!r)
		r = cgroup_memory_read(tree, dirfd, &memory);
	if (!r)
		r = cgroup_limit_binding(tree, *ret_cgroup, ret_limit);
	if (r)
		return r;
	report->cgroup = *ret_cgroup;
	report->usage_bytes = memory.usage_bytes;
	report->reclaimable_bytes = memory.file_bytes;
	report->limit_cgroup = ret_limit->cgroup;
	report->limit_bytes = ret_limit->cgroup ? ret_limit->limit_bytes : APO_UNLIMITED;
	report->headroom_bytes = ret_limit->headroom_bytes;
	return 0;
}

/* Of one that the kernel side did not come across: why not. The exit status. */
static int explain_absence(int proc_fd, pid_t pid)
{
	_cleanup_free_ char *text = NULL;
	uint64_t leader = 0;
	char path[32];
	size_t size;

	snprintf(path, sizeof(path), "%d/status", pid);
	if (file_read(proc_fd, path, &text, &size) || parse_field_u64(text, "Tgid", &leader)) {
		log_error("no process %d: give the pid of a running process", pid);
		return EXIT_USAGE;
	}
	if (leader != (uint64_t)pid) {
		log_error("%d is a thread of process %" PRIu64 ": give the pid of that", pid,
			  leader);
		return EXIT_USAGE;
	}
	log_error("process %d is there, but this kernel hides it from BPF programs: its memory "
		  "cannot be counted",
		  pid);
	return EXIT_CANNOT;
}

/* Counts pages in the kernel; says what is wrong and returns the exit status. */
static int count_pages(int root_fd, int proc_fd, pid_t pid, struct apo_rss *ret)
{
	struct machine machine;
	struct stat ns;
	int r = machine_read(root_fd, &machine);

	if (!r && fstatat(proc_fd, "self/ns/pid", &ns, 0))
		r = -errno;
	if (r) {
		log_error("cannot look at this machine: %s", strerror(-r));
		return EXIT_CANNOT;
	}
	r = rss_read(pid, ns.st_ino, machine.cpu_ids, ret);
	if (r == -ESRCH)
		return explain_absence(proc_fd, pid);
	if (r)
		return EXIT_CANNOT; /* said by the source */
	if (!ret->has_memory) {
		log_error("process %d has no memory of its own: a kernel thread, or a zombie", pid);
		return EXIT_USAGE;
	}
	return 0;
}

int cmd_rss(int argc, char **argv)
{
	_cleanup_close_ int root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_cgroup_limit_ struct cgroup_limit limit = {};
	_cleanup_proc_info_ struct proc_info *info = NULL;
	_cleanup_free_ char *cgroup = NULL;
	struct rss_report report = {};
	struct options options;
	struct apo_rss rss;
	int status = common_options(COMMAND_RSS, argc, argv, &options);

	if (status >= 0)
		return status;
	status = count_pages(root_fd, proc_fd, options.pid, &rss);
	if (status)
		return status;
	report.realtime_ns = clock_ns(CLOCK_REALTIME);
	report.pid = options.pid;
	report.page_bytes = sysconf(_SC_PAGESIZE);
	for (int kind = 0; kind < APO_KINDS; kind++)
		report.rss_bytes[kind] = rss.pages[kind] * report.page_bytes;
	if (!proc_info_read(proc_fd, options.pid, &info))
		report.comm = info->comm;
	add_cgroup(root_fd, proc_fd, &report, &cgroup, &limit); /* without: shown as not known */
	return common_written(print(&report, options.json));
}
