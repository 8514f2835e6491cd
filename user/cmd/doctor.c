/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "cmd/common.h"
#include "core/protection.h"
#include "source/source.h"
#include "output/doctor.h"
#include "output/json.h"
#include "sense/cgroup.h"
#include "sense/cgroup_memory.h"
#include "sense/machine.h"

static enum protection_lockdown lockdown_of(enum machine_lockdown lockdown)
{
	switch (lockdown) {
	case MACHINE_LOCKDOWN_INTEGRITY:
		return PROTECTION_LOCKDOWN_INTEGRITY;
	case MACHINE_LOCKDOWN_CONFIDENTIALITY:
		return PROTECTION_LOCKDOWN_CONFIDENTIALITY;
	case MACHINE_LOCKDOWN_UNKNOWN:
	case MACHINE_LOCKDOWN_NONE:
		break;
	}
	return PROTECTION_LOCKDOWN_NONE;
}

static enum protection_thp thp_of(enum machine_thp thp)
{
	switch (thp) {
	case MACHINE_THP_NEVER:
		return PROTECTION_THP_NEVER;
	case MACHINE_THP_MADVISE:
		return PROTECTION_THP_MADVISE;
	case MACHINE_THP_ALWAYS:
		return PROTECTION_THP_ALWAYS;
	case MACHINE_THP_NONE:
		break;
	}
	return PROTECTION_THP_UNKNOWN;
}

static void machine_facts(const struct machine *machine, struct protection_facts *facts)
{
	static const int numbers[PROTECTION_CAPS] = {
		[PROTECTION_CAP_BPF] = CAP_BPF,
		[PROTECTION_CAP_PERFMON] = CAP_PERFMON,
		[PROTECTION_CAP_SYS_RESOURCE] = CAP_SYS_RESOURCE,
		[PROTECTION_CAP_KILL] = CAP_KILL,
		[PROTECTION_CAP_SYS_PTRACE] = CAP_SYS_PTRACE,
		[PROTECTION_CAP_SYS_NICE] = CAP_SYS_NICE,
		[PROTECTION_CAP_DAC_READ_SEARCH] = CAP_DAC_READ_SEARCH,
		[PROTECTION_CAP_SYS_ADMIN] = CAP_SYS_ADMIN,
	};

	for (size_t i = 0; i < PROTECTION_CAPS; i++)
		facts->capabilities[i] = machine_has_capability(machine, numbers[i]);
	facts->lockdown = lockdown_of(machine->lockdown);
	facts->thp = thp_of(machine->thp);
	facts->swap_total_bytes = machine->swap_total_bytes;
	facts->swap_free_bytes = machine->swap_free_bytes;
	facts->cpus = machine->cpus_online;
	facts->kernel_release = machine->release[0] ? machine->release : NULL;
}

/* A limit can be set where we are, or on a cgroup made below it. */
static bool limits_writable(const struct cgroup_tree *tree, int root_fd)
{
	_cleanup_close_ int proc_fd = openat(root_fd, "proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int dir_fd = -1;
	_cleanup_free_ char *rel = NULL;

	if (proc_fd < 0 || cgroup_path_of_pid(tree, proc_fd, getpid(), &rel) < 0 ||
	    cgroup_open(tree, rel, &dir_fd) < 0)
		return false;
	return cgroup_limit_writable(tree, dir_fd) || faccessat(dir_fd, ".", W_OK, AT_EACCESS) == 0;
}

/* The strings in the facts belong to the machine and to the tree. */
static int gather(int root_fd, struct machine *machine, struct cgroup_tree **ret_tree,
		  struct protection_facts *facts)
{
	int r = machine_read(root_fd, machine);

	if (r < 0) {
		log_error("cannot read the facts of this machine: %s", strerror(-r));
		return r;
	}
	*facts = (struct protection_facts){.page_bytes = (uint64_t)sysconf(_SC_PAGESIZE)};
	machine_facts(machine, facts);
	if (cgroup_tree_new(ret_tree, root_fd) >= 0) {
		facts->cgroup_version = cgroup_tree_version(*ret_tree);
		facts->cgroup_hybrid = cgroup_tree_hybrid(*ret_tree);
		facts->cgroup_mount = cgroup_tree_mount(*ret_tree);
		facts->limits_writable = limits_writable(*ret_tree, root_fd);
	}
	r = source_probe(&facts->features);
	if (r < 0)
		facts->features.load_error = r;
	return 0;
}

static int report(const struct protection_facts *facts, bool json)
{
	struct protection protection;
	int r;

	protection_judge(facts, &protection);
	r = json ? json_write_line_new(stdout,
				       doctor_json(facts, &protection, clock_ns(CLOCK_REALTIME)))
		 : doctor_text(stdout, facts, &protection, common_terminal().colour);
	return common_written(r) ?: protection_exit_code(protection.level);
}

int cmd_doctor(int argc, char **argv)
{
	_cleanup_cgroup_tree_ struct cgroup_tree *tree = NULL;
	_cleanup_close_ int root_fd = -1;
	struct protection_facts facts;
	struct machine machine;
	struct options options;
	int status = common_options(COMMAND_DOCTOR, argc, argv, &options);

	if (status >= 0)
		return status;
	root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0) {
		log_error("cannot open /: %m");
		return EXIT_RUNTIME;
	}
	if (gather(root_fd, &machine, &tree, &facts) < 0)
		return EXIT_RUNTIME;
	return report(&facts, options.json);
}
