// SPDX-License-Identifier: BSD-2-Clause
#include "engine/facts.h"

#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/util.h"
#include "sense/cgroup_memory.h"
#include "core/container_id.h"
#include "sense/proc.h"
#include "core/unit.h"

/* When the wall clock showed what the monotonic one did then. */
static uint64_t realtime_of(uint64_t monotonic_ns)
{
	return clock_ns(CLOCK_REALTIME) - sat_sub(clock_ns(CLOCK_MONOTONIC), monotonic_ns);
}

static void read_files(const struct facts_config *config, const struct pidref *process,
		       struct incident_process *ret)
{
	_cleanup_proc_info_ struct proc_info *info = NULL;

	/* All of it is from one directory, the start time too: it is that process or another. */
	if (process->pidfd < 0 || proc_info_read(config->proc_fd, process->pid, &info) ||
	    !pidref_is(process, info->pid, info->start_boottime_ns))
		return;
	if (!ret->comm)
		ret->comm = TAKE_PTR(info->comm);
	ret->ns_pid = info->ns_pid;
	if (!ret->cgroup &&
	    (cgroup_path_of_pid(config->tree, config->proc_fd, process->pid, &ret->cgroup) ||
	     pidref_exited(process))) {
		free(ret->cgroup);
		ret->cgroup = NULL;
	}
}

/* Whose cgroup it is, as far as its path tells. */
static void read_path(struct incident_process *process)
{
	if (container_id_from_cgroup(process->cgroup, &process->container_id))
		process->container_id = NULL;
	if (unit_from_cgroup(process->cgroup, &process->unit))
		process->unit = NULL;
	if (unit_of_user_from_cgroup(process->cgroup, &process->user_unit))
		process->user_unit = NULL;
}

void facts_process(const struct facts_config *config, const struct pidref *process,
		   const struct apo_task *task, struct incident_process *ret)
{
	*ret = (struct incident_process){
		.pid = task->tgid,
		.ns_pid = task->ns_tgid,
		.cgroup_id = task->cgroup_id,
		.start_boottime_ns = task->start_boottime_ns,
		.disposition = task->disposition,
	};
	if (task->comm[0])
		ret->comm = strndup(task->comm, sizeof(task->comm));
	if (task->cgroup_id && seen_cgroups_path(config->seen, task->cgroup_id, &ret->cgroup))
		ret->cgroup = NULL;
	read_files(config, process, ret);
	if (ret->cgroup)
		read_path(ret);
}

void facts_args(const struct apo_trip *trip, struct incident_process *process)
{
	size_t length = MIN(trip->args_len, (uint32_t)APO_ARGS_LEN);
	char args[APO_ARGS_LEN + 1];

	if (process->cmdline || process->pid != (pid_t)trip->grower.tgid)
		return;
	memcpy(args, trip->args, length);
	text_join_words(args, length);
	if (*args)
		process->cmdline = strdup(args);
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
		.hangs = events.hangs,
	};
}

void facts_parts(const struct cgroup_tree *tree, int dirfd, bool with_swap,
		 struct memory_parts *ret)
{
	_cleanup_free_ char *stat = NULL;
	struct memory_parts_text text = {
		.is_v1 = cgroup_tree_version(tree) == 1,
		.with_swap = with_swap,
	};
	uint64_t swapped = 0;

	if (cgroup_stat_read(tree, dirfd, &stat, &text.kernel_bytes, &text.usage_bytes))
		return;
	if (with_swap && !cgroup_memsw_usage_read(tree, dirfd, &swapped))
		text.usage_bytes = swapped;
	text.stat = stat;
	text.read_ns = clock_ns(CLOCK_MONOTONIC);
	memory_parts_parse(&text, ret);
}

/* The state of the binding limit, in bytes; not its path. */
static void take_reading(const struct apo_reading *reading, uint64_t page_bytes,
			 struct incident *incident)
{
	incident->limit_kind = reading->limit_kind;
	incident->limit_bytes = sat_mul(reading->limit_pages, page_bytes);
	incident->usage_bytes = sat_mul(reading->usage_pages, page_bytes);
	incident->reclaimable_bytes = sat_mul(reading->reclaimable_pages, page_bytes);
	incident->need_bytes = sat_sub(incident->usage_bytes, incident->reclaimable_bytes);
	incident->swap_bytes = sat_mul(reading->swap_pages, page_bytes);
	incident->reserve_bytes = sat_mul(reading->reserve_pages, page_bytes);
	incident->headroom_bytes = reading->headroom_pages * (int64_t)page_bytes;
}

void facts_guard(const struct facts_config *config, struct incident *incident)
{
	const struct policy_subject subject = {.cgroup = incident->limit_cgroup};

	if (subject.cgroup)
		incident->guard = policy_set_name(policy_set_find(config->policies, &subject));
}

static void name_limit(const struct facts_config *config, uint64_t cgroup_id,
		       struct incident *incident)
{
	if (seen_cgroups_path(config->seen, cgroup_id, &incident->limit_cgroup))
		incident->limit_cgroup = NULL;
	facts_guard(config, incident);
}

struct incident *facts_trip(const struct facts_config *config, const struct apo_trip *trip,
			    const struct pidref *grower)
{
	const struct policy *policy =
		policy_set_of_record(config->policies, trip->process_policy, trip->rec.generation);
	const struct policy *limit_policy =
		policy_set_of_record(config->policies, trip->rec.policy, trip->rec.generation);
	struct incident *incident = incident_new();

	if (!incident)
		return NULL;
	incident->id = trip->id;
	incident->is_unasked = trip->rule == APO_RULE_WARN && limit_policy &&
			       limit_policy->warn_is_default;
	incident->crossed_ns = trip->crossed_ns;
	incident->realtime_ns = realtime_of(trip->crossed_ns);
	incident->trigger = trip->trigger;
	incident->rule = trip->rule;
	incident->level = trip->level;
	incident->cause_pid = trip->cause_tgid;
	take_reading(&trip->reading, config->page_bytes, incident);
	name_limit(config, trip->reading.limit_cgroup, incident);
	incident->rate_bytes_s = trip->rate_pages_s * config->page_bytes;
	incident->forecast_ns = trip->forecast_ns;
	for (int kind = 0; kind < APO_KINDS; kind++)
		incident->rss_bytes[kind] = trip->rss_pages[kind] * config->page_bytes;
	incident->faults = trip->faults;
	incident->peak_need_bytes = incident->need_bytes;
	incident->least_headroom_bytes = incident->headroom_bytes;
	facts_process(config, grower, &trip->grower, &incident->grower);
	facts_args(trip, &incident->grower);
	incident->target_policy = trip->target_kind;
	if (trip->target.tgid || trip->target_kind == APO_TARGET_ALL)
		facts_process(config, grower, &trip->grower, &incident->target);
	facts_args(trip, &incident->target);
	if (policy)
		incident->wanted_signal = trip->rule == APO_RULE_WARN ? policy->warn_signal
								      : policy->signal;
	incident->signal = trip->signal;
	incident->action = trip->action;
	incident->error = trip->error;
	incident->signal_ns = trip->signal_ns;
	incident->targets_signalled = trip->action == APO_ACT_SENT;
	incident->grace_ns = policy ? policy->grace_ns : 0;
	return incident;
}

/* What is the same in every record that stands for itself. */
struct orphan {
	const struct apo_record *record;
	const struct apo_task *task;
	const struct pidref *process;
	uint64_t id, limit_cgroup, limit_pages; /* pages 0: not known */
	uint32_t process_policy, signal;
};

/* The policies tell what the record of the trip would have told of them. */
static struct incident *incident_of_orphan(const struct facts_config *config,
					   const struct orphan *orphan)
{
	const struct apo_record *record = orphan->record;
	const struct policy *own =
		policy_set_of_record(config->policies, orphan->process_policy, record->generation);
	const struct policy *limit =
		policy_set_of_record(config->policies, record->policy, record->generation);
	struct incident *incident = incident_new();

	if (!incident)
		return NULL;
	incident->id = incident->crossed_ns = orphan->id; /* the id is the time of the crossing */
	incident->realtime_ns = realtime_of(orphan->id);
	incident->limit_bytes = orphan->limit_pages
					? sat_mul(orphan->limit_pages, config->page_bytes)
					: APO_UNLIMITED;
	if (limit && orphan->limit_pages)
		incident->reserve_bytes =
			policy_reserve_bytes(limit, incident->limit_bytes, config->page_bytes);
	name_limit(config, orphan->limit_cgroup, incident);
	facts_process(config, orphan->process, orphan->task, &incident->grower);
	facts_process(config, orphan->process, orphan->task, &incident->target);
	incident->signal = incident->wanted_signal = orphan->signal;
	if (own) {
		incident->wanted_signal = own->signal;
		incident->target_policy = own->target;
		incident->grace_ns = own->grace_ns;
	}
	if ((own && own->dry_run) || (limit && limit->dry_run))
		incident->action = APO_ACT_DRY_RUN;
	return incident;
}

struct incident *facts_orphan_close(const struct facts_config *config,
				    const struct apo_close *record, const struct pidref *process)
{
	return incident_of_orphan(config, &(const struct orphan){
						  .record = &record->rec,
						  .task = &record->task,
						  .process = process,
						  .id = record->id,
						  .limit_cgroup = record->limit_cgroup,
						  .limit_pages = record->limit_pages,
						  .process_policy = record->process_policy,
						  .signal = record->signal,
					  });
}

struct incident *facts_orphan_oom(const struct facts_config *config, const struct apo_oom *record,
				  const struct pidref *process)
{
	return incident_of_orphan(config, &(const struct orphan){
						  .record = &record->rec,
						  .task = &record->victim,
						  .process = process,
						  .id = record->trip_id,
						  .limit_cgroup = record->limit_cgroup,
						  .limit_pages = record->reading.limit_pages,
						  .process_policy = record->process_policy,
						  .signal = record->signal,
					  });
}

struct incident *facts_missed(const struct facts_config *config, const struct apo_oom *record,
			      const struct pidref *process)
{
	struct incident *incident = incident_new();

	if (!incident)
		return NULL;
	incident->id = incident->killed_ns = record->time_ns;
	incident->realtime_ns = realtime_of(record->time_ns);
	take_reading(&record->reading, config->page_bytes, incident);
	name_limit(config, record->limit_cgroup, incident);
	facts_process(config, process, &record->victim, &incident->grower);
	return incident;
}
