// SPDX-License-Identifier: BSD-2-Clause
#include "core/hooks.h"

#include <assert.h>
#include <string.h>

#include "base/util.h"

#define NEWER_KERNEL "a kernel that has it; nothing can be set"

/* Exit comes before fork: what fork has guarded and exit did not see would stay guarded for ever. */
const struct hook hooks[] = {
	{.program = "on_rmdir",
	 .point = "cgroup_rmdir",
	 .probe = HOOK_TRACEPOINT,
	 .weight = PROTECTION_PART,
	 .gives = "drops the accounts of removed cgroups",
	 .lost = "room in the maps, as cgroups come and go",
	 .remedy = NEWER_KERNEL},
	{.program = "on_mkdir",
	 .point = "cgroup_mkdir",
	 .probe = HOOK_TRACEPOINT,
	 .weight = PROTECTION_EXTRA,
	 .gives = "tells of cgroups that are made",
	 .lost = "the guards of a configuration for cgroups made later, until their limit is seen",
	 .remedy = NEWER_KERNEL},
	{.program = "on_attach",
	 .point = "cgroup_attach_task",
	 .probe = HOOK_TRACEPOINT,
	 .weight = PROTECTION_PART,
	 .gives = "follows processes into another cgroup",
	 .lost = "processes that move, until the next check",
	 .remedy = NEWER_KERNEL},
	{.program = "on_exit",
	 .point = "sched_process_exit",
	 .probe = HOOK_TRACEPOINT,
	 .needed = true,
	 .weight = PROTECTION_PART,
	 .gives = "sees how and when a target ended",
	 .lost = "the end of a target in the verdict",
	 .remedy = NEWER_KERNEL},
	{.program = "on_fork",
	 .point = "sched_process_fork",
	 .probe = HOOK_TRACEPOINT,
	 .weight = PROTECTION_PART,
	 .gives = "guards the children of a process from their first instruction",
	 .lost = "children of a guarded process until they are checked",
	 .remedy = NEWER_KERNEL},
	{.program = "on_signal_deliver",
	 .point = "signal_deliver",
	 .probe = HOOK_TRACEPOINT,
	 .weight = PROTECTION_PART,
	 .gives = "times the entry of the handler",
	 .lost = "the time from the line to the handler",
	 .remedy = NEWER_KERNEL},
	{.program = "on_signal_generate",
	 .point = "signal_generate",
	 .probe = HOOK_TRACEPOINT,
	 .weight = PROTECTION_PART,
	 .gives = "confirms that a signal was queued",
	 .lost = "knowing whether a signal was accepted",
	 .remedy = NEWER_KERNEL},
	/* It carried a bare pid until 6.8 and its backports; the program needs the task. */
	{.program = "on_mark_victim",
	 .point = "mark_victim",
	 .probe = HOOK_TRACEPOINT_POINTER,
	 .weight = PROTECTION_PART,
	 .gives = "sees the kernel's OOM kills",
	 .lost = "OOM kills that no trip preceded, and certainty of the verdict too late",
	 .remedy = NEWER_KERNEL},
	{.program = "on_reclaim_end",
	 .point = "mm_vmscan_memcg_reclaim_end",
	 .probe = HOOK_TRACEPOINT,
	 .weight = PROTECTION_PART,
	 .gives = "sees that page cache at the limit cannot be dropped",
	 .lost = "spikes of page cache that is pinned: spliced, sent or watched",
	 .remedy = NEWER_KERNEL},
	{.program = "on_reclaim",
	 .point = "mm_vmscan_memcg_reclaim_begin",
	 .probe = HOOK_TRACEPOINT,
	 .trigger = "reclaim",
	 .number = APO_TRIGGER_RECLAIM,
	 .where = "at the limit",
	 .weight = PROTECTION_PART,
	 .gives = "reclaim trigger: checks when a cgroup is at its limit",
	 .lost = "the last chance at the limit",
	 .remedy = NEWER_KERNEL},
	{.program = "on_switch",
	 .point = "sched_switch",
	 .probe = HOOK_TRACEPOINT,
	 .trigger = "tick",
	 .number = APO_TRIGGER_TICK,
	 .where = "at the timer tick",
	 .unless = "charge",
	 .weight = PROTECTION_EXTRA,
	 .gives = "checks a process that stops running, where there is no charge trigger",
	 .lost = "without a charge trigger, sight of processes that stop before a tick",
	 .remedy = NEWER_KERNEL},
	{.program = "on_tick",
	 .point = "hrtimer_expire_entry",
	 .probe = HOOK_TRACEPOINT,
	 .trigger = "tick",
	 .number = APO_TRIGGER_TICK,
	 .where = "at the timer tick",
	 .weight = PROTECTION_PART,
	 .gives = "tick trigger: checks the running process at the timer tick",
	 .lost = "early sight of tmpfs writes and kernel memory",
	 .remedy = NEWER_KERNEL},
	{.program = "on_charge",
	 .point = "page_counter_try_charge",
	 .probe = HOOK_FEXIT,
	 .trigger = "charge",
	 .number = APO_TRIGGER_CHARGE,
	 .where = "at the charge",
	 .weight = PROTECTION_EXTRA,
	 .gives = "charge trigger: checks when memory of any kind is charged, by fexit",
	 .lost = "exact sight of tmpfs writes and kernel memory: up to a timer tick late",
	 .remedy = "a kernel that allows fexit programs"},
	{.program = "on_rss_stat",
	 .point = "rss_stat",
	 .probe = HOOK_TRACEPOINT,
	 .trigger = "growth",
	 .number = APO_TRIGGER_GROWTH,
	 .where = "in the fault",
	 .needed = true,
	 .weight = PROTECTION_PART,
	 .gives = "growth trigger: checks in the page fault that grows a process",
	 .lost = "the growth trigger: spikes are seen at timer ticks and at the limit only",
	 .remedy = NEWER_KERNEL},
};

const size_t hook_count = ARRAY_SIZE(hooks);

static_assert(ARRAY_SIZE(hooks) <= HOOKS_MAX, "arrays by row hold the table");

const struct hook *hook_find(const char *program)
{
	for (size_t i = 0; i < hook_count; i++)
		if (strcmp(hooks[i].program, program) == 0)
			return &hooks[i];
	return NULL;
}

const struct hook *hook_of_trigger(uint32_t number)
{
	for (size_t i = 0; i < hook_count; i++)
		if (hooks[i].trigger && hooks[i].number == number)
			return &hooks[i];
	return NULL;
}

static bool has_trigger(const bool there[HOOKS_MAX], const char *trigger)
{
	for (size_t i = 0; i < hook_count; i++)
		if (there[i] && hooks[i].trigger && strcmp(hooks[i].trigger, trigger) == 0)
			return true;
	return false;
}

void hooks_choose(const bool there[HOOKS_MAX], bool ret_used[HOOKS_MAX])
{
	for (size_t i = 0; i < hook_count; i++)
		ret_used[i] = there[i] && !(hooks[i].unless && has_trigger(there, hooks[i].unless));
}

static bool is_listed(const struct trigger_names *list, const char *trigger)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->names[i], trigger) == 0)
			return true;
	return false;
}

void hooks_triggers(const bool used[HOOKS_MAX], struct trigger_names *ret)
{
	struct trigger_names list = {};

	for (size_t i = hook_count; i-- > 0;)
		if (used[i] && hooks[i].trigger && !is_listed(&list, hooks[i].trigger))
			list.names[list.count++] = hooks[i].trigger;
	*ret = list;
}
