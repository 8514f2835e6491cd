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

#define GRANT "run as root, or grant it (setcap, AmbientCapabilities=, cap_add)"

static bool has_btf(const struct protection_facts *facts)
{
	return facts->features.has_btf;
}

static bool has_signal_task(const struct protection_facts *facts)
{
	return facts->features.bpf_send_signal_task;
}

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

static const struct rule kernel_rules[] = {
	{"kernel", "BTF", has_btf, PROTECTION_NEEDED,
	 "tells the programs how this kernel's structures are laid out", "everything",
	 "a kernel built with CONFIG_DEBUG_INFO_BTF=y"},
	{"kernel", "lockdown", may_read_kernel, PROTECTION_NEEDED,
	 "programs may read the kernel's counters", "everything",
	 "boot with lockdown=integrity or none"},
	{"kernel", "programs", can_load, PROTECTION_NEEDED, "the programs load into this kernel",
	 "everything", "what is missing above and below; else the error below says why"},
};

/* Those of the hooks stand in between. */
static const struct rule other_rules[] = {
	{"kernel function", "bpf_send_signal_task", has_signal_task, PROTECTION_EXTRA,
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

static_assert(ARRAY_SIZE(kernel_rules) + HOOKS_MAX + ARRAY_SIZE(other_rules) <=
		      PROTECTION_FINDINGS_MAX,
	      "findings fit the result");

uint64_t protection_counter_error_pages(unsigned int cpus)
{
	uint64_t n = MAX(cpus, 1U);
	uint64_t batch = MAX((uint64_t)32, 2 * n);

	return n * (batch - 1);
}

static void add(struct protection *p, const struct protection_finding *finding)
{
	enum protection_level level = PROTECTION_FULL;

	if (!finding->ok && finding->weight != PROTECTION_EXTRA)
		level = finding->weight == PROTECTION_NEEDED ? PROTECTION_IMPOSSIBLE
							     : PROTECTION_PARTIAL;
	p->level = MAX(p->level, level);
	p->findings[p->finding_count++] = *finding;
}

static void judge_rules(const struct protection_facts *facts, const struct rule *rules,
			size_t count, struct protection *p)
{
	for (size_t i = 0; i < count; i++)
		add(p, &(struct protection_finding){
			       .group = rules[i].group,
			       .name = rules[i].name,
			       .ok = rules[i].holds(facts),
			       .weight = rules[i].weight,
			       .gives = rules[i].gives,
			       .lost = rules[i].lost,
			       .remedy = rules[i].remedy,
		       });
}

static void judge_hooks(const struct protection_facts *facts, bool functions, struct protection *p)
{
	for (size_t i = hook_count; i-- > 0;) {
		const struct hook *hook = &hooks[i];

		if ((hook->probe == HOOK_FEXIT) != functions)
			continue;
		add(p, &(struct protection_finding){
			       .group = functions ? "kernel function" : "tracepoint",
			       .name = hook->point,
			       .ok = facts->features.hooks[i],
			       .weight = hook->weight,
			       .gives = hook->gives,
			       .lost = hook->lost,
			       .remedy = hook->remedy,
		       });
	}
}

static bool has_capabilities(const struct protection_facts *facts)
{
	return facts->capabilities[PROTECTION_CAP_SYS_ADMIN] ||
	       (facts->capabilities[PROTECTION_CAP_BPF] &&
		facts->capabilities[PROTECTION_CAP_PERFMON]);
}

static enum protection_rung judge_rung(const struct protection_facts *facts,
				       const struct protection *p)
{
	if (p->level == PROTECTION_IMPOSSIBLE)
		return facts->cgroup_version ? PROTECTION_RUNG_LOOK : PROTECTION_RUNG_NONE;
	return has_capabilities(facts) ? PROTECTION_RUNG_KERNEL : PROTECTION_RUNG_TOKEN;
}

void protection_judge(const struct protection_facts *facts, struct protection *ret)
{
	struct protection p = {
		.level = PROTECTION_FULL,
		.counter_error_pages = protection_counter_error_pages(facts->cpus),
	};

	judge_rules(facts, kernel_rules, ARRAY_SIZE(kernel_rules), &p);
	judge_hooks(facts, false, &p);
	judge_hooks(facts, true, &p);
	judge_rules(facts, other_rules, ARRAY_SIZE(other_rules), &p);
	if (p.level != PROTECTION_IMPOSSIBLE) {
		bool used[HOOKS_MAX];

		hooks_choose(facts->features.hooks, used);
		hooks_triggers(used, &p.triggers);
		p.signal_in_fault = true;
		p.signal_other_kernel = has_signal_task(facts);
		p.signal_responder = may_kill(facts);
	}
	if (p.triggers.count == 0)
		p.level = PROTECTION_IMPOSSIBLE;
	p.rung = judge_rung(facts, &p);
	*ret = p;
}

static const struct {
	const char *name, *latency, *next;
} rungs[] = {
	[PROTECTION_RUNG_NONE] = {"none", NULL,
				  "look: mount the memory controller's cgroup file system"},
	[PROTECTION_RUNG_LOOK] = {"look",
				  "limits are looked at every 2 ms to 1 s, and when the kernel has "
				  "news of one; nothing is lent",
				  "token: kernel 6.9 and libbpf 1.4 with a BPF file system that "
				  "delegates to our user namespace; or kernel: CAP_BPF and "
				  "CAP_PERFMON"},
	[PROTECTION_RUNG_TOKEN] = {"token", "in the page fault: microseconds",
				   "kernel: CAP_BPF and CAP_PERFMON, for fexit and the machine's "
				   "processes"},
	[PROTECTION_RUNG_KERNEL] = {"kernel", "in the page fault: microseconds", NULL},
};

const char *protection_rung_name(enum protection_rung rung)
{
	return rungs[rung].name;
}

const char *protection_rung_latency(enum protection_rung rung)
{
	return rungs[rung].latency;
}

const char *protection_rung_next(enum protection_rung rung)
{
	return rungs[rung].next;
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
