/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/protection.h"

#include <assert.h>

#include "base/util.h"

/* What one row of the doctor's table asks of the facts. */
struct rule {
	const char *group;
	const char *name;
	bool (*holds)(const struct protection_facts *facts);
	enum protection_weight weight;
	const char *gives, *lost, *remedy;
};

#define NEWER_KERNEL "a kernel that has it; nothing can be set"
#define GRANT "run as root, or grant it (setcap, AmbientCapabilities=, cap_add)"

#define ASKS_FEATURE(field)                                           \
	static bool has_##field(const struct protection_facts *facts) \
	{                                                             \
		return facts->features.field;                         \
	}

static bool has_btf(const struct protection_facts *facts)
{
	return facts->features.has_btf;
}

ASKS_FEATURE(rss_stat)
ASKS_FEATURE(hrtimer_expire_entry)
ASKS_FEATURE(mm_vmscan_memcg_reclaim_begin)
ASKS_FEATURE(mark_victim)
ASKS_FEATURE(signal_generate)
ASKS_FEATURE(signal_deliver)
ASKS_FEATURE(sched_process_exit)
ASKS_FEATURE(sched_process_fork)
ASKS_FEATURE(cgroup_attach_task)
ASKS_FEATURE(cgroup_rmdir)
ASKS_FEATURE(page_counter_try_charge)
ASKS_FEATURE(bpf_send_signal_task)

static bool can_load(const struct protection_facts *facts)
{
	return facts->features.load_error == 0;
}

static bool may_read_kernel(const struct protection_facts *facts)
{
	return facts->lockdown != PROTECTION_LOCKDOWN_CONFIDENTIALITY;
}

/*
 * CAP_SYS_ADMIN stands in for the two that were split off it in 5.8. Where the programs load, the
 * kernel has granted them in some way (a BPF token).
 */
static bool may_bpf(const struct protection_facts *facts)
{
	return facts->capabilities[PROTECTION_CAP_BPF] ||
	       facts->capabilities[PROTECTION_CAP_SYS_ADMIN] || can_load(facts);
}

static bool may_trace(const struct protection_facts *facts)
{
	return facts->capabilities[PROTECTION_CAP_PERFMON] ||
	       facts->capabilities[PROTECTION_CAP_SYS_ADMIN] || can_load(facts);
}

#define ASKS_CAPABILITY(word, capability)                                \
	static bool may_##word(const struct protection_facts *facts)     \
	{                                                                \
		return facts->capabilities[PROTECTION_CAP_##capability]; \
	}

ASKS_CAPABILITY(kill, KILL)
ASKS_CAPABILITY(nice, SYS_NICE)
ASKS_CAPABILITY(ptrace, SYS_PTRACE)
ASKS_CAPABILITY(search, DAC_READ_SEARCH)
ASKS_CAPABILITY(resource, SYS_RESOURCE)

static bool has_controller(const struct protection_facts *facts)
{
	return facts->cgroup_version != 0;
}

static bool may_limit(const struct protection_facts *facts)
{
	return has_controller(facts) && facts->limits_writable;
}

static const struct rule rules[] = {
	{"kernel", "BTF", has_btf, PROTECTION_NEEDED,
	 "tells the programs how this kernel's structures are laid out", "everything",
	 "a kernel built with CONFIG_DEBUG_INFO_BTF=y"},
	{"kernel", "lockdown", may_read_kernel, PROTECTION_NEEDED,
	 "programs may read the kernel's counters", "everything",
	 "boot with lockdown=integrity or none"},
	{"kernel", "programs", can_load, PROTECTION_NEEDED, "the programs load into this kernel",
	 "everything", "what is missing above and below; else the error below says why"},
	{"tracepoint", "rss_stat", has_rss_stat, PROTECTION_PART,
	 "growth trigger: looks in the page fault that grows a process",
	 "the growth trigger: spikes are seen at timer ticks and at the limit only", NEWER_KERNEL},
	{"tracepoint", "hrtimer_expire_entry", has_hrtimer_expire_entry, PROTECTION_PART,
	 "tick trigger: looks at the running process at the timer tick",
	 "early sight of tmpfs writes and kernel memory", NEWER_KERNEL},
	{"tracepoint", "mm_vmscan_memcg_reclaim_begin", has_mm_vmscan_memcg_reclaim_begin,
	 PROTECTION_PART, "reclaim trigger: looks when a cgroup is at its limit",
	 "the last chance at the limit", NEWER_KERNEL},
	{"tracepoint", "mark_victim", has_mark_victim, PROTECTION_PART,
	 "sees the kernel's OOM kills",
	 "OOM kills that no trip preceded, and certainty of the verdict too late", NEWER_KERNEL},
	{"tracepoint", "signal_generate", has_signal_generate, PROTECTION_PART,
	 "confirms that a signal was queued", "knowing whether a signal was accepted",
	 NEWER_KERNEL},
	{"tracepoint", "signal_deliver", has_signal_deliver, PROTECTION_PART,
	 "times the entry of the handler", "the time from the line to the handler", NEWER_KERNEL},
	{"tracepoint", "sched_process_exit", has_sched_process_exit, PROTECTION_PART,
	 "sees how and when a target ended", "the end of a target in the verdict", NEWER_KERNEL},
	{"tracepoint", "sched_process_fork", has_sched_process_fork, PROTECTION_PART,
	 "guards the children of a process from their first instruction",
	 "children of a guarded process until they are looked at", NEWER_KERNEL},
	{"tracepoint", "cgroup_attach_task", has_cgroup_attach_task, PROTECTION_PART,
	 "follows processes into another cgroup", "processes that move, until the next look",
	 NEWER_KERNEL},
	{"tracepoint", "cgroup_rmdir", has_cgroup_rmdir, PROTECTION_PART,
	 "drops the accounts of removed cgroups", "room in the maps, as cgroups come and go",
	 NEWER_KERNEL},
	{"kernel function", "page_counter_try_charge", has_page_counter_try_charge,
	 PROTECTION_EXTRA, "charge trigger: looks when memory of any kind is charged, by fexit",
	 "exact sight of tmpfs writes and kernel memory: up to a timer tick late",
	 "a kernel that allows fexit programs"},
	{"kernel function", "bpf_send_signal_task", has_bpf_send_signal_task, PROTECTION_EXTRA,
	 "signals any process from the kernel side",
	 "some 100 us when the target is not the one that faults: the responder signals it",
	 "Linux 6.13 or newer"},
	{"capability", "CAP_BPF", may_bpf, PROTECTION_NEEDED, "loads programs", "everything",
	 GRANT},
	{"capability", "CAP_PERFMON", may_trace, PROTECTION_NEEDED, "attaches them", "everything",
	 GRANT},
	{"capability", "CAP_KILL", may_kill, PROTECTION_PART,
	 "the responder signals processes of other users",
	 "signals to processes of other users outside of their own page fault, and --grace", GRANT},
	{"capability", "CAP_SYS_NICE", may_nice, PROTECTION_PART, "the responder runs in real time",
	 "punctual signals by the responder on a busy machine", GRANT},
	{"capability", "CAP_SYS_PTRACE", may_ptrace, PROTECTION_EXTRA,
	 "reads processes that /proc hides", "names of processes hidden by hidepid", GRANT},
	{"capability", "CAP_DAC_READ_SEARCH", may_search, PROTECTION_EXTRA,
	 "finds the path of a cgroup by its id", "some time: the tree is searched instead", GRANT},
	{"capability", "CAP_SYS_RESOURCE", may_resource, PROTECTION_EXTRA,
	 "locks memory for maps before Linux 5.11", "nothing where the programs load", GRANT},
	{"cgroup", "memory controller", has_controller, PROTECTION_NEEDED, "limits to guard",
	 "everything", "mount cgroup2 with the memory controller, without cgroup_disable=memory"},
	{"cgroup", "limits writable", may_limit, PROTECTION_EXTRA, "run --limit", "run --limit",
	 "run as root with the cgroup file system mounted read-write"},
};

static_assert(ARRAY_SIZE(rules) <= PROTECTION_FINDINGS_MAX, "findings fit the result");

uint64_t protection_counter_error_pages(unsigned int cpus)
{
	uint64_t n = MAX(cpus, 1U);
	uint64_t batch = MAX((uint64_t)32, 2 * n);

	return n * (batch - 1);
}

void protection_judge(const struct protection_facts *facts, struct protection *ret)
{
	const struct kernel_features *features = &facts->features;
	struct protection p = {
		.level = PROTECTION_FULL,
		.counter_error_pages = protection_counter_error_pages(facts->cpus),
		.finding_count = ARRAY_SIZE(rules),
	};
	bool works = true;

	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		const struct rule *rule = &rules[i];
		bool ok = rule->holds(facts);

		p.findings[i] = (struct protection_finding){
			.group = rule->group,
			.name = rule->name,
			.ok = ok,
			.weight = rule->weight,
			.gives = rule->gives,
			.lost = rule->lost,
			.remedy = rule->remedy,
		};
		if (!ok && rule->weight == PROTECTION_NEEDED)
			works = false;
		if (!ok && rule->weight == PROTECTION_PART)
			p.level = PROTECTION_PARTIAL;
	}

	p.growth = works && features->rss_stat;
	p.charge = works && features->page_counter_try_charge;
	p.tick = works && features->hrtimer_expire_entry;
	p.reclaim = works && features->mm_vmscan_memcg_reclaim_begin;
	p.signal_in_fault = works;
	p.signal_other_kernel = works && features->bpf_send_signal_task;
	p.signal_responder = works && may_kill(facts);
	if (!p.growth && !p.charge && !p.tick && !p.reclaim)
		p.level = PROTECTION_IMPOSSIBLE;
	*ret = p;
}

const char *protection_level_name(enum protection_level level)
{
	switch (level) {
	case PROTECTION_FULL:
		return "full";
	case PROTECTION_PARTIAL:
		return "partial";
	case PROTECTION_IMPOSSIBLE:
		return "impossible";
	}
	return "impossible";
}

int protection_exit_code(enum protection_level level)
{
	switch (level) {
	case PROTECTION_FULL:
		return 0;
	case PROTECTION_PARTIAL:
		return 1;
	case PROTECTION_IMPOSSIBLE:
		return 3;
	}
	return 3;
}

const char *protection_capability_name(enum protection_capability capability)
{
	static const char *const names[PROTECTION_CAPS] = {
		[PROTECTION_CAP_BPF] = "CAP_BPF",
		[PROTECTION_CAP_PERFMON] = "CAP_PERFMON",
		[PROTECTION_CAP_SYS_RESOURCE] = "CAP_SYS_RESOURCE",
		[PROTECTION_CAP_KILL] = "CAP_KILL",
		[PROTECTION_CAP_SYS_PTRACE] = "CAP_SYS_PTRACE",
		[PROTECTION_CAP_SYS_NICE] = "CAP_SYS_NICE",
		[PROTECTION_CAP_DAC_READ_SEARCH] = "CAP_DAC_READ_SEARCH",
		[PROTECTION_CAP_SYS_ADMIN] = "CAP_SYS_ADMIN",
	};

	return capability < PROTECTION_CAPS ? names[capability] : "?";
}

const char *protection_lockdown_name(enum protection_lockdown lockdown)
{
	switch (lockdown) {
	case PROTECTION_LOCKDOWN_NONE:
		return "none";
	case PROTECTION_LOCKDOWN_INTEGRITY:
		return "integrity";
	case PROTECTION_LOCKDOWN_CONFIDENTIALITY:
		return "confidentiality";
	}
	return "none";
}

const char *protection_thp_name(enum protection_thp thp)
{
	switch (thp) {
	case PROTECTION_THP_UNKNOWN:
		return "unknown";
	case PROTECTION_THP_NEVER:
		return "never";
	case PROTECTION_THP_MADVISE:
		return "madvise";
	case PROTECTION_THP_ALWAYS:
		return "always";
	}
	return "unknown";
}
