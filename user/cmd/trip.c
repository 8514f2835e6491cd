// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "base/util.h"
#include "cmd/common.h"
#include "cmd/covered.h"
#include "engine/explain.h"
#include "engine/profile_files.h"
#include "output/explain.h"
#include "output/json.h"
#include "sense/cgroup_dir.h"
#include "sense/proc.h"

/* The largest process of a cgroup and of those below it. */
struct largest {
	int proc_fd;
	pid_t pid; /* 0: none */
	uint64_t pages;
};

static int visit(int dirfd, const char *path, void *userdata)
{
	struct largest *largest = userdata;
	_cleanup_free_ pid_t *pids = NULL;
	uint64_t pages;
	size_t n = 0;

	(void)path;
	if (cgroup_procs(dirfd, &pids, &n))
		return 0; /* of one that is gone, or threaded, nothing can be told */
	for (size_t i = 0; i < n; i++) {
		if (proc_resident_pages(largest->proc_fd, pids[i], &pages) ||
		    pages <= largest->pages)
			continue;
		largest->pid = pids[i];
		largest->pages = pages;
	}
	return 0;
}

static pid_t find_largest(const struct covered *covered)
{
	_cleanup_close_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int dirfd = -1;
	struct largest largest = {.proc_fd = proc_fd};

	if (proc_fd >= 0 && !cgroup_open(covered->tree, covered->cgroup, &dirfd))
		cgroup_walk(dirfd, visit, &largest);
	return largest.pid;
}

static int print_text(const struct covered *covered, const struct config_guard *guard,
		      const struct explanation *explanation)
{
	_cleanup_free_ char *at = text_escape_line(covered->at ?: "");

	if (!at)
		return -ENOMEM;
	printf("guard %s%s%s\n", guard->name ?: "(everything else)",
	       covered->at ? ", which is for " : "", at);
	return explain_text(stdout, explanation, &guard->policy);
}

static json_t *document_of(const struct config_guard *guard, const struct explanation *explanation)
{
	json_t *document = explain_json(explanation, &guard->policy);

	return json_finish(document,
			   json_object_set_new(document, "guard", json_text(guard->name)));
}

/* The exit status. */
static int rehearse(const struct covered *covered, pid_t pid, const struct config_guard *guard,
		    const struct profiles *profiles, bool json)
{
	struct explanation explanation = {};
	int r = explain(pid, &guard->policy, profiles, &explanation), status;

	if (r)
		status = common_explain_refused(pid, r);
	else if (json)
		status = common_written(
			json_write_line_new(stdout, document_of(guard, &explanation)));
	else
		status = common_written(print_text(covered, guard, &explanation));
	explanation_clear(&explanation);
	return status;
}

/* The exit status. */
static int run(const struct covered *covered, const struct options *options)
{
	const struct options *configured = config_options(covered->config);
	const struct config_guard *guard = config_guard(covered->config, covered->facts.guard);
	pid_t pid = covered->pid ?: find_largest(covered);
	struct profiles *profiles = NULL;
	int status;

	if (!guard->is_enabled) {
		log_error("%s is not guarded: enabled = no of [guard %s]", covered->cgroup,
			  guard->name);
		return EXIT_USAGE;
	}
	if (!pid) {
		log_error("no process is in %s or below it: give a cgroup that has some, or a PID",
			  covered->cgroup);
		return EXIT_USAGE;
	}
	status = configured->no_profiles ? 0 : profile_files_read(configured->profiles, &profiles);
	if (!status)
		status = rehearse(covered, pid, guard, profiles, options->json);
	profiles_free(profiles);
	return status;
}

int cmd_trip(int argc, char **argv)
{
	struct config *config = NULL;
	struct options options;
	struct covered covered = {};
	int status = common_options(COMMAND_TRIP, argc, argv, &options);

	if (status >= 0)
		return status;
	status = common_config(&options, NULL, NULL, &config);
	if (status)
		return status;
	status = covered_find(config, "trip", options.subject, &covered) ?: run(&covered, &options);
	covered_done(&covered);
	config_free(config);
	return status;
}
