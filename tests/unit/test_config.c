/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/config.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"

#define SIXTY "456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct config *config;
static char complaints[8192];

static void make(void)
{
	config = config_new();
	cr_assert_not_null(config);
	complaints[0] = '\0';
}

static void end(void)
{
	config_free(config);
}

TestSuite(config, .init = make, .fini = end);

static void complain(const char *line, void *userdata)
{
	size_t length = strlen(complaints);

	(void)userdata;
	snprintf(complaints + length, sizeof(complaints) - length, "%s\n", line);
}

static void add(const char *file, const char *text)
{
	cr_assert_eq(config_add(config, file, text, complain, NULL), 0);
}

static void finish(void)
{
	cr_assert_eq(config_finish(config, complain, NULL), 0);
}

static const struct config_guard *guard_of(const char *cgroup)
{
	return config_guard(config, config_find(config, cgroup));
}

static const char *name_of(const char *cgroup)
{
	return guard_of(cgroup)->name ?: "none";
}

Test(config, nothing_said_is_a_guard_of_all_with_the_programs_defaults)
{
	finish();
	cr_expect_eq(config_guards(config), 1);
	cr_expect_eq(config_guard(config, 0)->name, NULL);
	cr_expect(config_guard(config, 0)->is_enabled);
	cr_expect_eq(config_guard(config, 0)->policy.signal, SIGTERM);
	cr_expect_eq(config_guard(config, 0)->policy.airbag, AIRBAG_AUTO);
	cr_expect_eq(config_mistakes(config), 0);
}

Test(config, a_guard_has_the_defaults_but_for_what_it_says)
{
	add("a.conf", "# a comment\n"
		      "[defaults]\n"
		      "grace = 30s\n"
		      "signal = INT\n"
		      "report-dir = /srv/reports ; and another\n"
		      "\n"
		      "[guard web]\n"
		      "cgroup = /web* /www\n"
		      "signal = QUIT\n"
		      "dry-run = yes\n");
	finish();
	cr_expect_str_eq(complaints, "");
	cr_expect_eq(guard_of("/web/1")->policy.signal, SIGQUIT);
	cr_expect(guard_of("/www")->policy.signal_given);
	cr_expect(guard_of("/www")->policy.dry_run);
	cr_expect_eq(guard_of("/www")->policy.grace_ns, 30 * NSEC_PER_SEC);
	cr_expect_eq(guard_of("/db")->policy.signal, SIGINT);
	cr_expect_not(guard_of("/db")->policy.dry_run);
	cr_expect_str_eq(config_options(config)->report_dir, "/srv/reports");
}

Test(config, a_later_file_changes_what_it_names)
{
	add("10-a.conf", "[guard web]\ncgroup = /web\nsignal = QUIT\ngrace = 5s\n");
	add("60-b.conf", "[guard web]\nsignal = HUP\ndry-run = yes\n");
	add("90-c.conf", "[guard web]\ndry-run = no\n");
	finish();
	cr_expect_str_eq(complaints, "");
	cr_expect_eq(config_guards(config), 2);
	cr_expect_eq(guard_of("/web")->policy.signal, SIGHUP);
	cr_expect_eq(guard_of("/web")->policy.grace_ns, 5 * NSEC_PER_SEC);
	cr_expect_not(guard_of("/web")->policy.dry_run);
}

Test(config, all_keys_of_a_guard_must_fit_and_one_word_of_each)
{
	add("a.conf", "[guard a]\nunit = web@*.service db.service\nslice = system.slice\n"
		      "[guard b]\ncontainer = 0123*\n"
		      "[guard c]\nunit = app.service\nslice = app.slice\n"
		      "[guard d]\nslice = kubepods-*\n");
	finish();
	cr_expect_str_eq(name_of("/system.slice/web@1.service"), "a");
	cr_expect_str_eq(name_of("/system.slice/db.service/sub"), "a");
	cr_expect_str_eq(name_of("/system.slice/x.service"), "none");
	cr_expect_str_eq(name_of("/other.slice/db.service"), "none");
	cr_expect_str_eq(name_of("/docker/0123" SIXTY), "b");
	cr_expect_str_eq(name_of("/docker/1123" SIXTY), "none");
	cr_expect_str_eq(name_of("/user.slice/user-1.slice/user@1.service/app.slice/app.service"),
			 "c");
	cr_expect_str_eq(name_of("/user.slice/user-1.slice/user@1.service/app.service"), "none");
	cr_expect_str_eq(name_of("/kubepods.slice/kubepods-burstable.slice/x"), "d");
	cr_expect_str_eq(name_of("/"), "none");
}

Test(config, the_highest_priority_comes_first_then_the_order_of_the_files)
{
	add("a.conf",
	    "[guard a]\ncgroup = *\n[guard b]\ncgroup = *\npriority = 10\n"
	    "[guard c]\ncgroup = *\npriority = 10\n[guard d]\ncgroup = *\npriority = -1\n");
	finish();
	cr_expect_eq(config_guards(config), 5);
	cr_expect_str_eq(config_guard(config, 0)->name, "b");
	cr_expect_str_eq(config_guard(config, 1)->name, "c");
	cr_expect_str_eq(config_guard(config, 2)->name, "a");
	cr_expect_str_eq(config_guard(config, 3)->name, "d");
	cr_expect_eq(config_guard(config, 4)->name, NULL);
}

Test(config, who_is_not_to_be_guarded)
{
	add("a.conf", "[guard a]\ncgroup = /a\nenabled = no\n");
	finish();
	cr_expect_not(guard_of("/a")->is_enabled);
	cr_expect(guard_of("/b")->is_enabled);
}

Test(config, sections_about_one_thing_are_keys_of_the_defaults)
{
	const struct options *options;

	add("a.conf", "[lending]\nlimit-max = 50%\nhost-max = 2G\n"
		      "[reports]\ndir = /r\nkeep = 9\nsize = 2M\n"
		      "[history]\nfile = /h\nrows = 77\n");
	finish();
	cr_expect_str_eq(complaints, "");
	options = config_options(config);
	cr_expect_eq(options->policy.airbag_max_permyriad, 5000);
	cr_expect_eq(options->lend_max_bytes, 2048ULL << 20);
	cr_expect_str_eq(options->report_dir, "/r");
	cr_expect_eq(options->report_keep, 9);
	cr_expect_eq(options->report_size_bytes, 2ULL << 20);
	cr_expect_str_eq(options->history, "/h");
	cr_expect_eq(options->history_rows, 77);
}

Test(config, what_is_said_last_counts_whatever_its_section_is_called)
{
	add("a.conf", "[reports]\ndir = /first\n");
	add("b.conf", "[defaults]\nreport-dir = /last\n");
	finish();
	cr_expect_str_eq(config_options(config)->report_dir, "/last");
}

/* As a runtime and the owners of cgroups say it: a cgroup, what is known of it, and what it asks for. */
static unsigned int looks, looked_for;

static void look(const char *cgroup, unsigned int parts, struct workload *ret, void *userdata)
{
	static char *labels[] = {"tier=front", "app=shop"};

	(void)userdata;
	looks++;
	looked_for |= parts;
	if (!strcmp(cgroup, "/pods/web"))
		workload_copy(&(const struct workload){.container = "nginx",
						       .pod = "web-7d9",
						       .pod_namespace = "shop",
						       .labels = labels,
						       .label_count = ARRAY_SIZE(labels),
						       .command = "nginx",
						       .uid = "33"},
			      ret);
	else if (!strncmp(cgroup, "/asks/", strlen("/asks/")))
		workload_copy(&(const struct workload){.wish = (char *)cgroup + strlen("/asks/"),
						       .wished = "attribute"},
			      ret);
}

Test(config, who_is_known_by_more_than_a_path)
{
	static const struct {
		const char *keys;
		bool fits;
	} cases[] = {
		{"namespace = shop", true},
		{"namespace = shop\npod = web-*", true},
		{"namespace = shop\npod = db-*", false},
		{"container = redis nginx", true},
		{"label = app=shop", true},
		{"label = app=*\nlabel = tier=f*", true},
		{"label = app", false},
		{"label = app=db", false},
		{"cgroup = /pods/*\npod = *", true},
		{"command = redis* ngin?", true},
		{"command = redis*", false},
		{"uid = 1 33", true},
		{"uid = 3", false},
		{"uid = 33\ncommand = php*", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[256];

		snprintf(text, sizeof(text), "[guard a]\n%s\n", cases[i].keys);
		add("a.conf", text);
		finish();
		cr_expect_str_eq(complaints, "");
		config_look_with(config, look, NULL);
		cr_expect_str_eq(name_of("/pods/web"), cases[i].fits ? "a" : "none", "%s",
				 cases[i].keys);
		cr_expect_str_eq(name_of("/pods/db"), "none", "%s", cases[i].keys);
		config_look_with(config, NULL, NULL);
		cr_expect_str_eq(name_of("/pods/web"), "none", "nobody knows: %s", cases[i].keys);
		end();
		make();
	}
}

Test(config, who_asks_for_a_guard_has_it_where_its_operator_lets_it)
{
	add("a.conf", "[guard all]\ncgroup = *\npriority = 100\n"
		      "[guard gentle]\nselectable = yes\n"
		      "[guard off]\nselectable = yes\nenabled = no\n"
		      "[guard mine]\ncgroup = /x\n");
	finish();
	cr_expect_str_eq(complaints, "");
	config_look_with(config, look, NULL);
	cr_expect_str_eq(name_of("/asks/gentle"), "gentle");
	cr_expect_str_eq(name_of("/asks/off"), "off");
	cr_expect_not(guard_of("/asks/off")->is_enabled);
	cr_expect_str_eq(name_of("/asks/mine"), "all", "it is not selectable");
	cr_expect_str_eq(name_of("/asks/nothing"), "all");
	cr_expect_str_eq(name_of("/asks/"), "all");
	cr_expect_str_eq(name_of("/pods/web"), "all");
}

Test(config, nobody_is_asked_of_workloads_where_paths_are_enough)
{
	looks = 0;
	add("a.conf", "[guard a]\ncgroup = /a*\nunit = b.service\n");
	finish();
	config_look_with(config, look, NULL);
	name_of("/asks/a");
	cr_expect_eq(looks, 0);
	end();
	make();
	looked_for = 0;
	add("a.conf", "[guard a]\ncommand = b\n");
	finish();
	config_look_with(config, look, NULL);
	name_of("/asks/a");
	cr_expect_eq(looked_for, WORKLOAD_PROCESS);
}

Test(config, what_is_below_a_cgroup_has_its_guard)
{
	size_t length = 0;

	add("a.conf", "[guard root]\ncgroup = /\n[guard a]\ncgroup = /a\n");
	finish();
	cr_expect_eq(config_covering(config, "/a/b/c", &length), 1);
	cr_expect_eq(length, strlen("/a"));
	cr_expect_eq(config_covering(config, "/ab", &length), 0);
	cr_expect_eq(length, 1);
	cr_expect_eq(config_covering(config, "/", &length), 0);
}

Test(config, each_mistake_has_its_place_and_what_to_give_instead)
{
	static const struct {
		const char *text, *complaint;
	} cases[] = {
		{"[defaults]\nairbg = auto\n", "a.conf:2: [defaults] airbg 'auto': there is no "
					       "such key; the nearest is airbag\n"},
		{"[defaults]\nxyzzy = 1\n",
		 "a.conf:2: [defaults] xyzzy '1': there is no such key\n"},
		{"[defaults]\n\n\ngrace = soon\n",
		 "a.conf:4: [defaults] grace 'soon': give a duration such as 10s, or off\n"},
		{"[defaults]\ndry-run = maybe\n",
		 "a.conf:2: [defaults] dry-run 'maybe': give yes or no\n"},
		{"[defaults]\ncgroup = /a\n",
		 "a.conf:2: [defaults] cgroup '/a': it is of one guard: give it in [guard NAME]\n"},
		{"[guard a]\ncgroup = /a\nreport-dir = /x\n",
		 "a.conf:3: [guard a] report-dir '/x': it is of the whole daemon: give it in "
		 "[defaults]\n"},
		{"[guard a]\ncgroup = /a\npriority = high\n",
		 "a.conf:3: [guard a] priority 'high': give a number from -1000 to 1000\n"},
		{"[guard a]\ncgroup = /a\npriority = 1001\n",
		 "a.conf:3: [guard a] priority '1001': give a number from -1000 to 1000\n"},
		{"[guard a]\ncgroup = /a\nenabled = 1\n",
		 "a.conf:3: [guard a] enabled '1': give yes or no\n"},
		{"[guard a]\ncgroup = /a\nsignal =\n",
		 "a.conf:3: [guard a] signal '': the value is missing\n"},
		{"[guard a]\ncgroup = /a\nsignal = KILL\n",
		 "a.conf:3: [guard a] signal 'KILL': that is what the kernel does already; give "
		 "the "
		 "name or number of a signal that a process can handle, such as TERM\n"},
		{"[guard a]\nsignal = TERM\n",
		 "a.conf:2: [guard a]: it is for nobody: give cgroup, unit, slice, container, "
		 "namespace, pod, label, command, uid or selectable\n"},
		{"[guard a]\nuid = www-data\n", "a.conf:2: [guard a] uid 'www-data': give numbers "
						"of users, as id -u prints them\n"},
		{"[gaurd a]\ncgroup = /a\n", "a.conf:2: [gaurd a] cgroup '/a': there is no such "
					     "section: give [defaults], [guard "
					     "NAME], [host], [lending], [reports] or [history]\n"},
		{"[defaults]\nwebhok = https://host/token\n",
		 "a.conf:2: [defaults] webhok: there is no such key; the nearest is webhook\n"},
		{"[reports]\nkeeps = 9\n",
		 "a.conf:2: [reports] keeps '9': there is no such key; the nearest is keep\n"},
		{"[reports]\nsignal = TERM\n",
		 "a.conf:2: [reports] signal 'TERM': there is no such key\n"},
		{"[history]\nrows = 0\n",
		 "a.conf:2: [history] rows '0': give a number from 1 to 100000000\n"},
		{"[lending]\nhost-max = 4\n",
		 "a.conf:2: [lending] host-max '4': a unit is missing (K, M, G or T; B for bytes); "
		 "give a size such as 4G, or a percent of the machine's memory up to 100%\n"},
		{"cgroup = /a\n", "a.conf:1: cgroup '/a': it is in no section: begin with "
				  "[defaults] or [guard NAME]\n"},
		{"[guard a b]\ncgroup = /a\n", "a.conf:2: [guard a b] cgroup '/a': a name has up "
					       "to 63 letters, digits, and -_.\n"},
		{"[defaults]\nnothing\n",
		 "a.conf:2: neither a section, a key = value, nor a comment\n"},
		{"[defaults]\nsignal = TERM\n  INT\n",
		 "a.conf:3: it begins with a blank: a value is one line\n"},
		{"[defaults]\nwarn = 95%\nreserve = 20%\nairbag = off\n", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		config_free(config);
		make();
		add("a.conf", cases[i].text);
		finish();
		if (cases[i].complaint)
			cr_expect_str_eq(complaints, cases[i].complaint, "case %zu: %s", i,
					 complaints);
		cr_expect_eq(config_mistakes(config), 1, "case %zu: %s", i, complaints);
	}
}

Test(config, a_line_that_is_too_long_is_one_mistake_and_what_follows_counts)
{
	char text[2048] = "[defaults]\nreport-dir = /";
	size_t length = strlen(text);

	memset(text + length, 'a', 1000);
	snprintf(text + length + 1000, sizeof(text) - length - 1000, "\nsignal = INT\n");
	add("a.conf", text);
	finish();
	cr_expect_str_eq(complaints, "a.conf:2: the line is too long\n");
	cr_expect_eq(config_guard(config, 0)->policy.signal, SIGINT);
}

Test(config, no_more_guards_than_there_can_be_policies)
{
	char text[64];

	for (int i = 0; i <= CONFIG_GUARDS_MAX; i++) {
		snprintf(text, sizeof(text), "[guard g%d]\ncgroup = /%d\n", i, i);
		add("a.conf", text);
	}
	finish();
	cr_expect_eq(config_guards(config), CONFIG_GUARDS_MAX + 1);
	cr_expect_str_eq(complaints,
			 "a.conf:2: [guard g62]: there are too many guards: 62 may be\n");
}

Test(config, where_memory_is_watched_there_is_a_level_unless_one_is_given)
{
	add("a.conf", "[defaults]\npressure-socket = /run/x\n"
		      "[guard a]\ncgroup = /a\nwarn = 60%\n[guard b]\ncgroup = /b\nwarn = off\n"
		      "[guard c]\ncgroup = /c\n");
	finish();
	cr_expect_str_empty(complaints);
	cr_expect_eq(guard_of("/a")->policy.warn_permyriad, 6000);
	cr_expect(!guard_of("/a")->policy.warn_is_default);
	cr_expect_eq(guard_of("/b")->policy.warn_permyriad, 0);
	cr_expect_eq(guard_of("/c")->policy.warn_permyriad, 8000);
	cr_expect(guard_of("/c")->policy.warn_is_default);
	cr_expect_eq(guard_of("/d")->policy.warn_permyriad, 8000);
}

Test(config, the_machines_memory_is_guarded_where_anything_is_said_of_it)
{
	const struct config_guard *host;

	add("a.conf", "[defaults]\nforecast = 1s\n[host]\nreserve = 256M\nprefer = cc1 java*\n");
	add("b.conf", "[guard web]\ncgroup = /web\n");
	finish();
	cr_expect_str_empty(complaints);
	cr_assert_eq(config_host(config), config_guards(config));
	host = config_guard(config, config_host(config));
	cr_expect_str_eq(host->name, "host");
	cr_expect_eq(host->policy.reserve_bytes, 256 << 20);
	cr_expect_eq(host->policy.forecast_ns, 1000000000);
	cr_expect_eq(host->policy.airbag, AIRBAG_OFF);
	cr_expect_str_eq(config_host_prefers(config), "cc1 java*");
	cr_expect_null(config_host_avoids(config));
	cr_expect_str_eq(name_of("/"), "none");
	cr_expect_eq(config_guard(config, 0)->policy.reserve_bytes, 0);
}

Test(config, the_machines_memory_is_left_alone_unless_anything_is_said_of_it)
{
	add("a.conf", "[defaults]\nforecast = 1s\n");
	finish();
	cr_expect_eq(config_host(config), 0);
	config_free(config);
	make();
	add("a.conf", "[host]\nreserve = 256M\n");
	add("b.conf", "[host]\nenabled = no\n");
	finish();
	cr_expect_str_empty(complaints);
	cr_expect_eq(config_host(config), 0);
}

Test(config, what_is_said_of_the_machines_memory_is_checked)
{
	static const struct {
		const char *line, *wrong;
	} cases[] = {
		{"signal = INT", "signal 'INT': it is of guards: the machine's memory is not lent, "
				 "and who is signalled, and how, is for [defaults] and [guard "
				 "NAME] to say"},
		{"airbag = auto", "airbag 'auto': it is of guards: the machine's memory is not "
				  "lent, and who is signalled, and how, is for [defaults] and "
				  "[guard NAME] to say"},
		{"report-dir = /x",
		 "report-dir '/x': it is of the whole daemon: give it in [defaults]"},
		{"priority = 1", "priority '1': it is of one guard: give it in [guard NAME]"},
		{"preferr = a", "preferr 'a': there is no such key; the nearest is prefer"},
		{"avoid = a*b", "avoid 'a*b': give names of commands of up to 15 characters, as in "
				"/proc/PID/comm, or beginnings such as java*"},
		{"avoid = sixteen-letters-", "avoid 'sixteen-letters-': give names of commands of "
					     "up to 15 characters, as in /proc/PID/comm, or "
					     "beginnings such as java*"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[128], wanted[512];

		config_free(config);
		make();
		snprintf(text, sizeof(text), "[host]\n%s\n", cases[i].line);
		snprintf(wanted, sizeof(wanted), "a.conf:2: [host] %s\n", cases[i].wrong);
		add("a.conf", text);
		finish();
		cr_expect_str_eq(complaints, wanted);
	}
}

Test(config, what_others_wrote_is_shown_as_one_line)
{
	add("a.conf", "[defaults]\nsignal = \033[31m\n");
	finish();
	cr_expect_not_null(strstr(complaints, "\\x1B"), "%s", complaints);
	cr_expect_null(strchr(complaints, '\033'));
}

static uint32_t fingerprint(const char *text)
{
	config_free(config);
	make();
	add("a.conf", text);
	finish();
	return config_fingerprint(config);
}

Test(config, what_says_the_same_has_the_same_fingerprint)
{
	uint32_t one = fingerprint("[defaults]\ngrace = 30s\n");

	cr_expect_neq(one, 0);
	cr_expect_eq(fingerprint("# other\n[defaults]\n\ngrace=30s\n"), one);
	cr_expect_neq(fingerprint("[defaults]\ngrace = 31s\n"), one);
	cr_expect_neq(fingerprint("[guard a]\ncgroup = *\ngrace = 30s\n"), one);
	cr_expect_neq(fingerprint(""), one);
}

static struct config_value value_of(size_t guard, const char *key)
{
	struct config_value value;
	size_t i = 0;

	do
		value = config_value(config, guard, i++);
	while (strcmp(value.key, key) != 0 && i < config_values());
	cr_assert_str_eq(value.key, key);
	return value;
}

Test(config, each_value_is_from_somewhere)
{
	add("a.conf", "[defaults]\ngrace = 30s\n");
	add("b.conf", "[guard web]\ncgroup = /web\n\nsignal = QUIT\n");
	finish();
	cr_expect_str_eq(value_of(0, "signal").value, "QUIT");
	cr_expect_str_eq(value_of(0, "signal").file, "b.conf");
	cr_expect_eq(value_of(0, "signal").line, 4);
	cr_expect_str_eq(value_of(0, "signal").section, "guard web");
	cr_expect_str_eq(value_of(0, "grace").value, "30s");
	cr_expect_str_eq(value_of(0, "grace").file, "a.conf");
	cr_expect_str_eq(value_of(0, "grace").section, "defaults");
	cr_expect_str_eq(value_of(0, "target").value, "grower");
	cr_expect_null(value_of(0, "target").file);
	cr_expect_str_eq(value_of(1, "signal").value, "TERM");
}
