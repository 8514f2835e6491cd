// SPDX-License-Identifier: BSD-2-Clause
#include "engine/facts.h"

#include <string.h>

#include "base/util.h"
#include "sense/cgroup_memory.h"
#include "sense/container.h"
#include "sense/pidref.h"
#include "sense/proc.h"

#define CMDLINE_MAX \
	4096 /* bytes in a report; the kernel lets it be a quarter of the stack's limit */

void facts_process(const struct cgroup_tree *tree, int proc_fd, pid_t pid,
		   const struct apo_task *task, struct incident_process *ret)
{
	_cleanup_proc_info_ struct proc_info *info = NULL;
	struct pidref target = {.pidfd = -1};
	bool same = !pidref_open(proc_fd, pid, task->start_boottime_ns, &target);

	*ret = (struct incident_process){
		.pid = task->tgid,
		.ns_pid = task->ns_tgid,
		.cgroup_id = task->cgroup_id,
		.start_boottime_ns = task->start_boottime_ns,
		.disposition = task->disposition,
	};
	if (task->comm[0])
		ret->comm = strndup(task->comm, sizeof(task->comm));
	if (task->cgroup_id && cgroup_path_of_id(tree, task->cgroup_id, &ret->cgroup))
		ret->cgroup = NULL;
	if (same && !proc_info_read(proc_fd, pid, &info)) {
		if (!ret->comm)
			ret->comm = TAKE_PTR(info->comm);
		ret->ns_pid = info->ns_pid;
		ret->cmdline = TAKE_PTR(info->cmdline);
		if (ret->cmdline && strlen(ret->cmdline) > CMDLINE_MAX)
			ret->cmdline[CMDLINE_MAX] = '\0';
		if (!ret->cgroup && cgroup_path_of_pid(tree, proc_fd, pid, &ret->cgroup))
			ret->cgroup = NULL;
	}
	if (ret->cgroup && container_id_from_cgroup(ret->cgroup, &ret->container_id))
		ret->container_id = NULL;
	pidref_close(&target);
}

void facts_args(const struct apo_trip *trip, struct incident_process *process)
{
	size_t length = MIN(trip->args_len, (uint32_t)APO_ARGS_LEN);
	char *args;

	if (process->cmdline || process->pid != (pid_t)trip->grower.tgid)
		return;
	while (length && !trip->args[length - 1])
		length--;
	if (!length)
		return;
	args = malloc(length + 1);
	if (!args)
		return;
	for (size_t i = 0; i < length; i++)
		args[i] = trip->args[i] ?: ' ';
	args[length] = '\0';
	process->cmdline = args;
}

void facts_reading(const struct apo_reading *reading, uint64_t page_bytes,
		   struct incident *incident)
{
	incident->limit_bytes = sat_mul(reading->limit_pages, page_bytes);
	incident->usage_bytes = sat_mul(reading->usage_pages, page_bytes);
	incident->reclaimable_bytes = sat_mul(reading->reclaimable_pages, page_bytes);
	incident->need_bytes = sat_sub(incident->usage_bytes, incident->reclaimable_bytes);
	incident->swap_bytes = sat_mul(reading->swap_pages, page_bytes);
	incident->reserve_bytes = sat_mul(reading->reserve_pages, page_bytes);
	incident->headroom_bytes = reading->headroom_pages * (int64_t)page_bytes;
}

void facts_events(const struct cgroup_tree *tree, int dirfd, struct incident_events *ret)
{
	struct cgroup_events events;

	if (cgroup_events_read(tree, dirfd, &events))
		return;
	*ret = (struct incident_events){
		.known = true,
		.oom_kills = events.oom_kills,
		.at_limit = events.at_limit,
		.at_high = events.at_high,
	};
}
