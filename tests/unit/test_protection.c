/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "core/protection.h"
#include "output/doctor.h"

static struct protection_facts everything(void)
{
	struct protection_facts facts = {
		.features = {.has_btf = true, .bpf_send_signal_task = true},
		.cgroup_version = 2,
		.cgroup_mount = "/sys/fs/cgroup",
		.limits_writable = true,
		.cpus = 2,
		.page_bytes = 4096,
		.kernel_release = "6.18.0",
	};

	for (size_t i = 0; i < hook_count; i++)
		facts.features.hooks[i] = true;
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

/* "growth charge tick reclaim "; overwritten by the next call. */
static const char *triggers(const struct protection *protection)
{
	static char line[64];
	int end = 0;

	line[0] = '\0';
	for (size_t i = 0; i < protection->triggers.count; i++)
		end += snprintf(line + end, sizeof(line) - (size_t)end, "%s ",
				protection->triggers.names[i]);
	return line;
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
	cr_expect_str_eq(triggers(&p), "growth charge tick reclaim ");
	cr_expect(p.signal_in_fault && p.signal_other_kernel && p.signal_responder);
	for (size_t i = 0; i < p.finding_count; i++)
		cr_expect(p.findings[i].ok, "%s", p.findings[i].name);
	cr_expect_eq(protection_exit_code(p.level), 0);
}

Test(protection, each_missing_hook_costs_what_it_gives)
{
	static const struct {
		const char *program;
		enum protection_level level;
		const char *triggers;
	} rows[] = {
		{"on_rss_stat", PROTECTION_PARTIAL, "charge tick reclaim "},
		{"on_tick", PROTECTION_PARTIAL, "growth charge reclaim "},
		{"on_switch", PROTECTION_FULL, "growth charge tick reclaim "},
		{"on_reclaim", PROTECTION_PARTIAL, "growth charge tick "},
		{"on_reclaim_end", PROTECTION_PARTIAL, "growth charge tick reclaim "},
		{"on_charge", PROTECTION_FULL, "growth tick reclaim "},
		{"on_mark_victim", PROTECTION_PARTIAL, "growth charge tick reclaim "},
		{"on_signal_generate", PROTECTION_PARTIAL, "growth charge tick reclaim "},
		{"on_signal_deliver", PROTECTION_PARTIAL, "growth charge tick reclaim "},
		{"on_exit", PROTECTION_PARTIAL, "growth charge tick reclaim "},
		{"on_fork", PROTECTION_PARTIAL, "growth charge tick reclaim "},
		{"on_mkdir", PROTECTION_FULL, "growth charge tick reclaim "},
		{"on_attach", PROTECTION_PARTIAL, "growth charge tick reclaim "},
		{"on_rmdir", PROTECTION_PARTIAL, "growth charge tick reclaim "},
	};

	cr_expect_eq(ARRAY_SIZE(rows), hook_count);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct protection_facts facts = everything();
		const struct hook *hook = hook_find(rows[i].program);
		struct protection p;
		size_t missing = 0;

		cr_assert_not_null(hook, "%s", rows[i].program);
		facts.features.hooks[hook - hooks] = false;
		p = judged(&facts);
		cr_expect_eq(p.level, rows[i].level, "%s", rows[i].program);
		cr_expect_str_eq(triggers(&p), rows[i].triggers, "%s: %s", rows[i].program,
				 triggers(&p));
		cr_expect_not(find(&p, hook->point)->ok, "%s", hook->point);
		for (size_t n = 0; n < p.finding_count; n++)
			missing += !p.findings[n].ok;
		cr_expect_eq(missing, 1, "%s", rows[i].program);
	}
}

Test(protection, without_btf_it_is_impossible_without_the_kfunc_full)
{
	struct protection_facts facts = everything();
	struct protection p;

	facts.features.bpf_send_signal_task = false;
	p = judged(&facts);
	cr_expect_eq(p.level, PROTECTION_FULL);
	cr_expect_str_eq(triggers(&p), "growth charge tick reclaim ");
	facts.features.has_btf = false;
	p = judged(&facts);
	cr_expect_eq(p.level, PROTECTION_IMPOSSIBLE);
	cr_expect_str_eq(triggers(&p), "");
}

Test(protection, without_any_trigger_it_is_impossible)
{
	struct protection_facts facts = everything();

	for (size_t i = 0; i < hook_count; i++)
		if (hooks[i].trigger)
			facts.features.hooks[i] = false;
	cr_expect_eq(judged(&facts).level, PROTECTION_IMPOSSIBLE);
}

Test(protection, findings_go_by_group_triggers_first)
{
	static const char *const groups[] = {"kernel", "tracepoint", "kernel function",
					     "capability", "cgroup"};
	struct protection_facts facts = everything();
	struct protection p = judged(&facts);
	size_t group = 0;

	for (size_t i = 0; i < p.finding_count; i++) {
		if (strcmp(p.findings[i].group, groups[group]) != 0) {
			group++;
			cr_assert_lt(group, ARRAY_SIZE(groups), "%s again", p.findings[i].group);
		}
		cr_expect_str_eq(p.findings[i].group, groups[group], "%s", p.findings[i].name);
	}
	cr_expect_eq(group, ARRAY_SIZE(groups) - 1);
	cr_expect_lt(find(&p, "rss_stat"), find(&p, "hrtimer_expire_entry"));
	cr_expect_lt(find(&p, "mm_vmscan_memcg_reclaim_begin"), find(&p, "mark_victim"));
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
	cr_expect_eq(p.triggers.count, 0);
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
		"  protection: full\n"
		"  rung: kernel: in the page fault: microseconds\n",
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
					"permitted\n  protection: \033[31mimpossible\033[0m\n"
					"  rung: look: limits are looked at every 2 ms to 1 s"),
			   "%s", none);
}

Test(protection, rung_is_the_best_there_is)
{
	struct protection_facts facts = everything();

	cr_expect_eq(judged(&facts).rung, PROTECTION_RUNG_KERNEL);
	cr_expect_null(protection_rung_next(PROTECTION_RUNG_KERNEL));
	facts.capabilities[PROTECTION_CAP_SYS_ADMIN] = false;
	facts.capabilities[PROTECTION_CAP_BPF] = false;
	cr_expect_eq(judged(&facts).rung, PROTECTION_RUNG_TOKEN, "the programs load");
	facts.features.load_error = -EPERM;
	cr_expect_eq(judged(&facts).rung, PROTECTION_RUNG_LOOK);
	facts.cgroup_version = 0;
	cr_expect_eq(judged(&facts).rung, PROTECTION_RUNG_NONE);
	for (enum protection_rung rung = 0; rung < PROTECTION_RUNG_KERNEL; rung++)
		cr_expect_not_null(protection_rung_next(rung));
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
