/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/util.h"
#include "core/protection.h"
#include "output/doctor.h"

static struct protection_facts everything(void)
{
	struct protection_facts facts = {
		.features = {.has_btf = true,
			     .rss_stat = true,
			     .hrtimer_expire_entry = true,
			     .mm_vmscan_memcg_reclaim_begin = true,
			     .mark_victim = true,
			     .signal_generate = true,
			     .signal_deliver = true,
			     .sched_process_exit = true,
			     .sched_process_fork = true,
			     .cgroup_attach_task = true,
			     .cgroup_rmdir = true,
			     .page_counter_try_charge = true,
			     .bpf_send_signal_task = true},
		.cgroup_version = 2,
		.cgroup_mount = "/sys/fs/cgroup",
		.limits_writable = true,
		.cpus = 2,
		.page_bytes = 4096,
		.kernel_release = "6.18.0",
	};

	for (size_t i = 0; i < PROTECTION_CAPS; i++)
		facts.capabilities[i] = true;
	return facts;
}

static struct protection judged(const struct protection_facts *facts)
{
	struct protection protection;

	protection_judge(facts, &protection);
	return protection;
}

static const struct protection_finding *find(const struct protection *protection, const char *name)
{
	for (size_t i = 0; i < protection->finding_count; i++) {
		if (strcmp(protection->findings[i].name, name) == 0)
			return &protection->findings[i];
	}
	cr_assert_fail("no finding %s", name);
	return NULL;
}

Test(protection, everything_there_is_full)
{
	struct protection_facts facts = everything();
	struct protection p = judged(&facts);

	cr_expect_eq(p.level, PROTECTION_FULL);
	cr_expect(p.growth && p.charge && p.tick && p.reclaim);
	cr_expect(p.signal_in_fault && p.signal_other_kernel && p.signal_responder);
	for (size_t i = 0; i < p.finding_count; i++)
		cr_expect(p.findings[i].ok, "%s", p.findings[i].name);
	cr_expect_eq(protection_exit_code(p.level), 0);
}

Test(protection, each_missing_feature_costs_what_it_gives)
{
	static const struct {
		size_t offset;
		enum protection_level level;
		bool growth, charge, tick, reclaim;
	} rows[] = {
#define LACKS(feature) offsetof(struct kernel_features, feature)
		{LACKS(has_btf), PROTECTION_IMPOSSIBLE, 0, 0, 0, 0},
		{LACKS(rss_stat), PROTECTION_PARTIAL, 0, 1, 1, 1},
		{LACKS(hrtimer_expire_entry), PROTECTION_PARTIAL, 1, 1, 0, 1},
		{LACKS(mm_vmscan_memcg_reclaim_begin), PROTECTION_PARTIAL, 1, 1, 1, 0},
		{LACKS(mark_victim), PROTECTION_PARTIAL, 1, 1, 1, 1},
		{LACKS(signal_generate), PROTECTION_PARTIAL, 1, 1, 1, 1},
		{LACKS(signal_deliver), PROTECTION_PARTIAL, 1, 1, 1, 1},
		{LACKS(sched_process_exit), PROTECTION_PARTIAL, 1, 1, 1, 1},
		{LACKS(sched_process_fork), PROTECTION_PARTIAL, 1, 1, 1, 1},
		{LACKS(cgroup_attach_task), PROTECTION_PARTIAL, 1, 1, 1, 1},
		{LACKS(cgroup_rmdir), PROTECTION_PARTIAL, 1, 1, 1, 1},
		{LACKS(page_counter_try_charge), PROTECTION_FULL, 1, 0, 1, 1},
		{LACKS(bpf_send_signal_task), PROTECTION_FULL, 1, 1, 1, 1},
#undef LACKS
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct protection_facts facts = everything();
		struct protection p;
		size_t missing = 0;

		*(bool *)((char *)&facts.features + rows[i].offset) = false;
		p = judged(&facts);
		cr_expect_eq(p.level, rows[i].level, "row %zu", i);
		cr_expect_eq(p.growth, rows[i].growth, "row %zu", i);
		cr_expect_eq(p.charge, rows[i].charge, "row %zu", i);
		cr_expect_eq(p.tick, rows[i].tick, "row %zu", i);
		cr_expect_eq(p.reclaim, rows[i].reclaim, "row %zu", i);
		for (size_t n = 0; n < p.finding_count; n++)
			missing += !p.findings[n].ok;
		cr_expect_eq(missing, 1, "row %zu", i);
	}
}

Test(protection, without_any_trigger_it_is_impossible)
{
	struct protection_facts facts = everything();

	facts.features.rss_stat = false;
	facts.features.page_counter_try_charge = false;
	facts.features.hrtimer_expire_entry = false;
	facts.features.mm_vmscan_memcg_reclaim_begin = false;
	cr_expect_eq(judged(&facts).level, PROTECTION_IMPOSSIBLE);
}

Test(protection, each_missing_capability_costs_what_it_gives)
{
	static const enum protection_level levels[PROTECTION_CAPS] = {
		/* The programs load, so the kernel has granted the first two in some way. */
		[PROTECTION_CAP_BPF] = PROTECTION_FULL,
		[PROTECTION_CAP_PERFMON] = PROTECTION_FULL,
		[PROTECTION_CAP_SYS_RESOURCE] = PROTECTION_FULL,
		[PROTECTION_CAP_KILL] = PROTECTION_PARTIAL,
		[PROTECTION_CAP_SYS_PTRACE] = PROTECTION_FULL,
		[PROTECTION_CAP_SYS_NICE] = PROTECTION_PARTIAL,
		[PROTECTION_CAP_DAC_READ_SEARCH] = PROTECTION_FULL,
		[PROTECTION_CAP_SYS_ADMIN] = PROTECTION_FULL,
	};

	for (enum protection_capability c = 0; c < PROTECTION_CAPS; c++) {
		struct protection_facts facts = everything();

		facts.capabilities[c] = false;
		cr_expect_eq(judged(&facts).level, levels[c], "%s", protection_capability_name(c));
	}
}

Test(protection, an_ordinary_user_is_told_which_capabilities_to_get)
{
	struct protection_facts facts = everything();
	struct protection p;

	memset(facts.capabilities, 0, sizeof(facts.capabilities));
	facts.features.load_error = -EPERM;
	p = judged(&facts);
	cr_expect_eq(p.level, PROTECTION_IMPOSSIBLE);
	cr_expect_not(p.growth || p.charge || p.tick || p.reclaim);
	cr_expect_not(p.signal_in_fault || p.signal_other_kernel || p.signal_responder);
	cr_expect_not(find(&p, "programs")->ok);
	cr_expect_not(find(&p, "CAP_BPF")->ok);
	cr_expect_not(find(&p, "CAP_PERFMON")->ok);
	cr_expect_eq(protection_exit_code(p.level), 3);

	/* CAP_SYS_ADMIN stands in for both. */
	facts.capabilities[PROTECTION_CAP_SYS_ADMIN] = true;
	p = judged(&facts);
	cr_expect(find(&p, "CAP_BPF")->ok);
	cr_expect(find(&p, "CAP_PERFMON")->ok);
}

Test(protection, lockdown_and_controller_decide)
{
	struct protection_facts facts = everything();

	facts.lockdown = PROTECTION_LOCKDOWN_INTEGRITY;
	cr_expect_eq(judged(&facts).level, PROTECTION_FULL);
	facts.lockdown = PROTECTION_LOCKDOWN_CONFIDENTIALITY;
	cr_expect_eq(judged(&facts).level, PROTECTION_IMPOSSIBLE);

	facts = everything();
	facts.cgroup_version = 0;
	cr_expect_eq(judged(&facts).level, PROTECTION_IMPOSSIBLE);

	facts = everything();
	facts.limits_writable = false;
	cr_expect_eq(judged(&facts).level, PROTECTION_FULL);
}

Test(protection, no_responder_without_the_right_to_signal)
{
	struct protection_facts facts = everything();
	struct protection p;

	facts.capabilities[PROTECTION_CAP_KILL] = false;
	facts.features.bpf_send_signal_task = false;
	p = judged(&facts);
	cr_expect(p.signal_in_fault);
	cr_expect_not(p.signal_other_kernel || p.signal_responder);
	cr_expect_eq(p.level, PROTECTION_PARTIAL);
	cr_expect_eq(protection_exit_code(p.level), 1);
}

/* Computed by hand from lib/percpu_counter.c. */
Test(protection, counters_lag_by_the_batch_of_each_cpu)
{
	cr_expect_eq(protection_counter_error_pages(0), 31);
	cr_expect_eq(protection_counter_error_pages(1), 31);
	cr_expect_eq(protection_counter_error_pages(2), 62);
	cr_expect_eq(protection_counter_error_pages(16), 496);
	cr_expect_eq(protection_counter_error_pages(17), 17 * 33);
	cr_expect_eq(protection_counter_error_pages(64), 8128);
	cr_expect_eq(protection_counter_error_pages(256), 130816);
}

static char *text_of(const struct protection_facts *facts, bool colour)
{
	struct protection p = judged(facts);
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	cr_assert_eq(doctor_text(file, facts, &p, colour), 0);
	fclose(file);
	return text;
}

Test(protection, the_report_ends_with_what_follows)
{
	struct protection_facts facts = everything();
	_cleanup_free_ char *text = text_of(&facts, false);

	cr_expect_eq(strncmp(text,
			     "Linux 6.18.0, 2 CPUs, pages of 4.0 KiB\n"
			     "memory limits: cgroup v2 at /sys/fs/cgroup\n",
			     82),
		     0, "%s", text);
	cr_expect_str_eq(
		strstr(text, "\nconditions"),
		"\nconditions\n"
		"  lockdown                    none\n"
		"  transparent huge pages      unknown\n"
		"  swap                        none\n"
		"  RSS counters                within 62 pages (248.0 KiB) on 2 CPUs; the "
		"trip does not depend on them\n"
		"\nso\n"
		"  triggers: growth charge tick reclaim\n"
		"  signals: in the fault, to any process from the kernel, to any process by "
		"the responder\n"
		"  protection: full\n",
		"%s", text);
}

Test(protection, the_report_says_what_is_lost_and_how_to_get_it)
{
	struct protection_facts facts = everything();
	_cleanup_free_ char *text = NULL, *none = NULL;

	facts.capabilities[PROTECTION_CAP_KILL] = false;
	facts.features.bpf_send_signal_task = false;
	text = text_of(&facts, false);
	cr_expect_not_null(
		strstr(text,
		       "  MISSING  CAP_KILL                       the responder signals processes "
		       "of other users\n"
		       "           lost: signals to processes of other users outside of their own "
		       "page fault, and --grace\n"
		       "           get it: run as root, or grant it (setcap, "
		       "AmbientCapabilities=, cap_add)\n"),
		"%s", text);
	cr_expect_not_null(strstr(text, "  absent   bpf_send_signal_task"), "%s", text);
	cr_expect_not_null(strstr(text, "  signals: in the fault\n"), "%s", text);
	cr_expect_null(strchr(text, '\033'));

	facts.features.load_error = -EPERM;
	none = text_of(&facts, true);
	cr_expect_not_null(strstr(none, "\nso\n  the programs do not load: Operation not "
					"permitted\n  protection: \033[31mimpossible\033[0m\n"),
			   "%s", none);
}

Test(protection, json_of_the_report)
{
	struct protection_facts facts = everything();
	struct protection p;
	json_t *document, *finding;

	facts.capabilities[PROTECTION_CAP_SYS_NICE] = false;
	facts.kernel_release = "6\xff";
	p = judged(&facts);
	document = doctor_json(&facts, &p, 0);
	cr_assert_not_null(document);
	cr_expect_str_eq(json_string_value(json_object_get(document, "event")), "doctor");
	cr_expect_str_eq(json_string_value(json_object_get(document, "protection")), "partial");
	cr_expect_eq(json_array_size(json_object_get(document, "triggers")), 4);
	cr_expect_eq(json_array_size(json_object_get(document, "signals")), 3);
	cr_expect_eq(json_integer_value(json_object_get(document, "counter_error_pages")), 62);
	cr_expect_str_eq(json_string_value(json_object_get(json_object_get(document, "machine"),
							   "kernel_release")),
			 "6\xef\xbf\xbd");
	cr_expect_eq(json_array_size(json_object_get(document, "findings")), p.finding_count);
	finding = json_array_get(json_object_get(document, "findings"),
				 (size_t)(find(&p, "CAP_SYS_NICE") - p.findings));
	cr_expect(json_is_false(json_object_get(finding, "ok")));
	cr_expect_str_eq(json_string_value(json_object_get(finding, "weight")), "part");
	cr_expect(json_is_string(json_object_get(finding, "remedy")));
	json_decref(document);
}
