// SPDX-License-Identifier: BSD-2-Clause
#include "engine/take_over.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"

/* What our policies say of a limit or process that an earlier instance's policies were about. */
static uint32_t policy_now(const struct open_config *config, const char *cgroup, pid_t pid)
{
	const struct guard *guard = NULL;

	if (cgroup)
		guard = policy_set_find(config->facts.policies,
					&(const struct policy_subject){.cgroup = cgroup,
								       .pid = pid});
	return guard ? guard->policy : APO_POLICY_NONE;
}

/* So that its exit becomes a record, and that nobody signals it a second time. */
static void follow(const struct open_config *config, const struct open_incident *open)
{
	const struct incident *incident = open->incident;
	const struct apo_signalled entry = {
		.trip_id = incident->id,
		.start_boottime_ns = incident->target.start_boottime_ns,
		.limit_cgroup = open->limit.cgroup_id,
		.time_ns = incident->crossed_ns,
		.generated_ns = incident->generated_ns,
		.delivered_ns = incident->delivered_ns,
		.policy = open->limit.policy,
		.process_policy = policy_now(config, incident->target.cgroup, open->grower.pid),
		.generation = policy_set_generation(config->facts.policies),
		.signal = incident->signal,
		.generate_result = -1,
	};

	/* In another PID namespace our pids mean nothing to the kernel side. */
	if (config->initial_pid_ns)
		source_follow(config->source, incident->target.pid, &entry);
}

static void renew_process(const struct open_config *config, const struct pidref *process,
			  struct incident_process *ret)
{
	struct apo_task task = {
		.tgid = ret->pid,
		.ns_tgid = ret->ns_pid,
		.start_boottime_ns = ret->start_boottime_ns,
		.cgroup_id = ret->cgroup_id,
		.disposition = ret->disposition,
	};

	if (!ret->pid)
		return;
	strncpy(task.comm, ret->comm ?: "", sizeof(task.comm));
	incident_process_clear(ret);
	facts_process(&config->facts, process, &task, ret);
}

struct taking {
	const struct open_config *config;
	struct open_incident **list;
};

static void on_taken_over(const struct handover_entry *entry, void *userdata)
{
	const struct taking *taking = userdata;
	const struct open_config *config = taking->config;
	struct incident *incident = entry->incident;
	struct apo_limit_key limit = {.cgroup_id = entry->limit_cgroup};
	struct pidref target = PIDREF_NONE;
	struct open_incident *open;
	int r = pidref_open(config->facts.proc_fd, (pid_t)entry->target_pid,
			    incident->target.start_boottime_ns, &target);
	bool same = incident->grower.pid == incident->target.pid;

	target.cgroup_id = incident->target.cgroup_id;
	renew_process(config, same ? &target : &PIDREF_NONE, &incident->grower);
	renew_process(config, &target, &incident->target);
	if (cgroup_path_of_id(config->facts.tree, limit.cgroup_id, &incident->limit_cgroup))
		incident->limit_cgroup = NULL;
	facts_guard(&config->facts, incident);
	limit.policy = policy_now(config, incident->limit_cgroup, 0);
	open = open_incident_new(config, taking->list, incident, target, &limit);
	if (!open)
		return;
	log_info("going on with trip %016" PRIx64 ", which an earlier apoptosis left open",
		 incident->id);
	if (!r)
		follow(config, open);
	if (r != -ESRCH)
		airbag_keep(config->airbag, limit.cgroup_id, incident->grace_ns, &open->raised);
	if (incident->grace_ns && !incident->killed_after_grace &&
	    incident->action != APO_ACT_DRY_RUN)
		open_incident_grant(open, sat_add(incident->crossed_ns, incident->grace_ns));
	open_incident_run(open, (struct flow_event){.type = FLOW_TAKEN_OVER,
						    .is_gone = r == -ESRCH,
						    .is_raised = open->raised.n > 0});
}

void take_over_all(const struct open_config *config, struct open_incident **list)
{
	handover_take(config->handover, on_taken_over,
		      &(struct taking){.config = config, .list = list});
}
