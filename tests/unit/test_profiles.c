/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "core/profiles.h"

static struct profiles *profiles;
static char complaints[4096];

static void make(void)
{
	profiles = profiles_new();
	cr_assert_not_null(profiles);
}

static void end(void)
{
	profiles_free(profiles);
}

TestSuite(profiles, .init = make, .fini = end);

static void complain(const char *line, void *userdata)
{
	size_t length = strlen(complaints);

	(void)userdata;
	snprintf(complaints + length, sizeof(complaints) - length, "%s\n", line);
}

static void add(const char *text)
{
	complaints[0] = '\0';
	cr_assert_eq(profiles_add(profiles, "a.conf", text, complain, NULL), 0);
}

static const char *found(const char *comm, const char *arguments, const char *parent)
{
	const struct profile_subject subject = {comm, arguments, parent};
	const struct profile *profile = profiles_find(profiles, &subject, 0, NULL);

	return profile ? profile->name : "none";
}

Test(profiles, says_all_that_a_section_says)
{
	const struct profile *profile;

	add("# a comment\n"
	    "[a-1]\n"
	    "command = abc def* seventeen-letters\n"
	    "arguments = *abc: worker*\n"
	    "role = worker\n"
	    "stop = QUIT\n"
	    "target = master\n"
	    "warn = SIGUSR1\n"
	    "never = USR2 12 hup\n"
	    "time = 1m30s\n");
	cr_expect_str_eq(complaints, "");
	cr_assert_eq(profiles_count(profiles), 1);
	profile = profiles_get(profiles, 0);
	cr_expect_str_eq(profile->name, "a-1");
	cr_expect_str_eq(profile->file, "a.conf");
	cr_expect_eq(profile->command_count, 3);
	cr_expect_str_eq(profile->commands[1].name, "def");
	cr_expect(profile->commands[1].is_prefix && !profile->commands[0].is_prefix);
	cr_expect_str_eq(profile->commands[2].name, "seventeen-lette", "cut as the kernel does");
	cr_expect_str_eq(profile->arguments, "*abc: worker*");
	cr_expect_eq(profile->role, PROFILE_WORKER);
	cr_expect_eq(profile->stop_signal, SIGQUIT);
	cr_expect(profile->target == PROFILE_TO_MASTER && !profile->is_protected);
	cr_expect_eq(profile->warn_signal, SIGUSR1);
	cr_expect(!profile_may_warn(profile, SIGUSR2) && !profile_may_warn(profile, SIGHUP));
	cr_expect(profile_may_warn(profile, SIGUSR1) && profile_may_warn(profile, 0));
	cr_expect_eq(profile->time_ns, 90 * NSEC_PER_SEC);
}

Test(profiles, what_makes_no_sense_is_named_and_the_rest_counts)
{
	static const struct {
		const char *section, *complaint;
	} cases[] = {
		{"[x]\nstop = QUIT\n", "a.conf:2: [x]: no command is named\n"},
		{"[x]\ncommand = x\n",
		 "a.conf:2: [x]: it says nothing: give stop, target, warn or never\n"},
		{"[x]\ncommand = x\nstop = NOSUCH\n",
		 "a.conf:3: [x] stop 'NOSUCH': give the name of a signal, such as TERM\n"},
		{"[x]\ncommand = x\nstop = KILL\n",
		 "a.conf:3: [x] stop 'KILL': no process can handle it\n"},
		{"[x]\ncommand = x\nstop =\n", "a.conf:3: [x] stop '': the value is missing\n"},
		{"[x]\ncommand = x\nwarn = STOP\n",
		 "a.conf:3: [x] warn 'STOP': no process can handle it\n"},
		{"[x]\ncommand = x\nnever = USR1 NO\n",
		 "a.conf:3: [x] never 'USR1 NO': give the name of a signal, such as TERM\n"},
		{"[x]\ncommand = a*b\nstop = QUIT\n",
		 "a.conf:2: [x] command 'a*b': * may only end a name\n"},
		{"[x]\ncommand = *\nstop = QUIT\n",
		 "a.conf:2: [x] command '*': * may only end a name\n"},
		{"[x]\ncommand = 1 2 3 4 5 6 7 8 9 a b c d e f g h\nstop = QUIT\n",
		 "a.conf:2: [x] command '1 2 3 4 5 6 7 8 9 a b c d e f g h': too many names\n"},
		{"[x]\ncommand = x\nrole = boss\nstop = QUIT\n",
		 "a.conf:3: [x] role 'boss': give worker or master\n"},
		{"[x]\ncommand = x\ntarget = all\n",
		 "a.conf:3: [x] target 'all': give self, master or child\n"},
		{"[x]\ncommand = x\nstop = QUIT\ntime = soon\n",
		 "a.conf:4: [x] time 'soon': give a duration such as 30s\n"},
		{"[x]\ncommand = x\nsignal = QUIT\n",
		 "a.conf:3: [x] signal 'QUIT': there is no such key\n"},
		{"[X y]\ncommand = x\nstop = QUIT\n",
		 "a.conf:2: [X y]: a name has up to 31 small letters, digits and dashes\n"},
		{"[x]\ncommand = x\nstop = \x1b[2J\n",
		 "a.conf:3: [x] stop '\\x1B[2J': give the name of a signal, such as TERM\n"},
		{"command = x\nstop = QUIT\n",
		 "a.conf:1: a name has up to 31 small letters, digits and dashes\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[512];

		snprintf(text, sizeof(text), "%s[good]\ncommand = good\nstop = QUIT\n",
			 cases[i].section);
		add(text);
		cr_expect_str_eq(complaints, cases[i].complaint, "%s", complaints);
		cr_expect_eq(profiles_count(profiles), i + 1, "%s", cases[i].section);
		cr_expect_str_eq(found("x", NULL, NULL), "none", "%s", cases[i].section);
	}
}

Test(profiles, a_line_that_is_neither_is_told)
{
	add("[good]\ncommand = good\nnonsense\nstop = QUIT\n");
	cr_expect_str_eq(complaints, "a.conf:3: neither a section, a key = value, nor a "
				     "comment\n");
	cr_expect_str_eq(found("good", NULL, NULL), "good");
}

/* What it was to protect from may be on that line. */
Test(profiles, a_section_with_a_line_that_cannot_be_read_is_left_out)
{
	add("[bad]\ncommand = bad\nstop = QUIT\nnever = USR1\n  USR2\n"
	    "[good]\ncommand = good\nstop = QUIT\n");
	cr_expect_str_eq(complaints, "a.conf:5: it begins with a blank: a value is one line\n");
	cr_expect_str_eq(found("bad", NULL, NULL), "none");
	cr_expect_str_eq(found("good", NULL, NULL), "good");
}

Test(profiles, a_file_may_be_empty)
{
	add("");
	cr_expect_str_eq(complaints, "");
	cr_expect_eq(profiles_count(profiles), 0);
	cr_expect(!profiles_know(profiles, "good"));
}

Test(profiles, the_first_that_fits_counts)
{
	size_t next;
	const struct profile_subject child = {"server", "server-save *:1", "server"};
	const struct profile *profile;

	add("[writer]\ncommand = server\narguments = server-save*\nstop = USR1\n"
	    "[worker]\ncommand = server\nrole = worker\nstop = QUIT\n"
	    "[master]\ncommand = server\nrole = master\nstop = INT\n"
	    "[fpm]\ncommand = fpm*\nstop = QUIT\n");
	cr_expect_str_eq(complaints, "");
	cr_expect_str_eq(found("server", "server-save *:1", "server"), "writer");
	cr_expect_str_eq(found("server", "server *:1", "server"), "worker");
	cr_expect_str_eq(found("server", NULL, "server"), "worker", "no glob fits what is unknown");
	cr_expect_str_eq(found("server", "server *:1", "sh"), "master");
	cr_expect_str_eq(found("server", "server *:1", NULL), "master");
	cr_expect_str_eq(found("serve", NULL, NULL), "none");
	cr_expect_str_eq(found("servers", NULL, NULL), "none");
	cr_expect_str_eq(found("fpm8.2", NULL, NULL), "fpm");
	cr_expect_str_eq(found("fpm", NULL, NULL), "fpm");
	cr_expect(profiles_know(profiles, "fpm7") && !profiles_know(profiles, "fp"));
	profile = profiles_find(profiles, &child, 0, &next);
	cr_assert_not_null(profile);
	profile = profiles_find(profiles, &child, next, NULL);
	cr_assert_not_null(profile);
	cr_expect_str_eq(profile->name, "worker", "what else fits can be asked");
}

static const struct profile_mark *mark_of(const struct profile_mark *marks, size_t n,
					  const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(marks[i].command.name, name))
			return &marks[i];
	return NULL;
}

Test(profiles, the_kernel_side_is_told_of_those_who_are_told_otherwise)
{
	struct profile_mark *marks;
	size_t n;

	add("[quits]\ncommand = quits\nstop = QUIT\n"
	    "[terms]\ncommand = terms\nstop = TERM\ntime = 5s\n"
	    "[warned]\ncommand = warned\nwarn = INT\n"
	    "[not]\ncommand = not\nstop = none\n"
	    "[pool]\ncommand = pool\ntarget = master\n"
	    "[php]\ncommand = php*\nnever = USR1\n"
	    "[php-fpm]\ncommand = php-fpm*\nstop = QUIT\n");
	cr_expect_str_eq(complaints, "");
	cr_assert_eq(profiles_marks(profiles, &marks, &n), 0);
	cr_expect_eq(n, 6);
	cr_expect_eq(mark_of(marks, n, "quits")->uses, APO_PROFILED_STOP);
	cr_expect_null(mark_of(marks, n, "terms"), "as everybody");
	cr_expect_eq(mark_of(marks, n, "warned")->uses, APO_PROFILED_WARN);
	cr_expect_eq(mark_of(marks, n, "not")->uses, APO_PROFILED_STOP | APO_PROFILED_NEVER);
	cr_expect_eq(mark_of(marks, n, "pool")->uses, APO_PROFILED_STOP);
	cr_expect_eq(mark_of(marks, n, "php")->uses, APO_PROFILED_WARN);
	cr_expect_eq(mark_of(marks, n, "php-fpm")->uses, APO_PROFILED_STOP | APO_PROFILED_WARN,
		     "the longest stands for the shorter too");
	free(marks);
}
