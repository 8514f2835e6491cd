/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/config_files.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "fixture.h"

static struct config *config;
static char complaints[4096];

static void end(void)
{
	config_free(config);
	fixture_remove();
}

TestSuite(config_files, .init = fixture_make, .fini = end);

static void complain(const char *line, void *userdata)
{
	size_t length = strlen(complaints);

	(void)userdata;
	snprintf(complaints + length, sizeof(complaints) - length, "%s\n", line);
}

static int read_files(const char *file)
{
	_cleanup_free_ char *where = NULL;

	return config_files_read(fixture_root(), file, NULL, complain, NULL, &config, &where);
}

static int signal_of_all(void)
{
	return config_guard(config, config_guards(config) - 1)->policy.signal;
}

Test(config_files, no_file_at_all_is_no_mistake)
{
	cr_assert_eq(read_files(NULL), 0);
	cr_expect_eq(signal_of_all(), SIGTERM);
	cr_expect_eq(config_mistakes(config), 0);
}

Test(config_files, the_first_main_file_counts_and_drop_ins_come_over_it)
{
	fixture_file("usr/lib/apoptosis/apoptosis.conf", "[defaults]\nsignal = HUP\ngrace = 7s\n");
	fixture_file("etc/apoptosis/apoptosis.conf", "[defaults]\nsignal = INT\n");
	cr_assert_eq(read_files(NULL), 0);
	cr_expect_eq(signal_of_all(), SIGINT);
	cr_expect_eq(config_guard(config, 0)->policy.grace_ns, 0);
	config_free(config);
	fixture_file("usr/lib/apoptosis/conf.d/10-a.conf", "[defaults]\nsignal = QUIT\n");
	cr_assert_eq(read_files(NULL), 0);
	cr_expect_eq(signal_of_all(), SIGQUIT);
}

Test(config_files, drop_ins_are_taken_in_the_order_of_their_names_and_of_one_name_the_first)
{
	fixture_file("usr/lib/apoptosis/conf.d/50-b.conf", "[defaults]\nsignal = QUIT\n");
	fixture_file("run/apoptosis/conf.d/10-a.conf", "[defaults]\nsignal = HUP\ngrace = 7s\n");
	fixture_file("etc/apoptosis/conf.d/10-a.conf", "[defaults]\nsignal = INT\n");
	fixture_file("etc/apoptosis/conf.d/99-not.conf.bak", "nonsense\n");
	fixture_file("etc/apoptosis/conf.d/.99-not.conf", "nonsense\n");
	cr_assert_eq(read_files(NULL), 0);
	cr_expect_eq(signal_of_all(), SIGQUIT);
	cr_expect_eq(config_guard(config, 0)->policy.grace_ns, 0);
	cr_expect_eq(config_mistakes(config), 0);
}

Test(config_files, a_link_to_nothing_masks)
{
	char path[600];

	fixture_file("usr/lib/apoptosis/conf.d/50-b.conf", "[defaults]\nsignal = QUIT\n");
	fixture_directory("etc/apoptosis/conf.d");
	snprintf(path, sizeof(path), "%s/etc/apoptosis/conf.d/50-b.conf", fixture_path());
	cr_assert_eq(symlink("/dev/null", path), 0);
	cr_assert_eq(read_files(NULL), 0);
	cr_expect_eq(signal_of_all(), SIGTERM);
}

Test(config_files, a_file_that_is_named_is_the_only_one)
{
	char path[600];

	fixture_file("etc/apoptosis/apoptosis.conf", "[defaults]\nsignal = INT\n");
	fixture_file("etc/apoptosis/conf.d/a.conf", "nonsense\n");
	fixture_file("mine", "[defaults]\nsignal = HUP\n");
	snprintf(path, sizeof(path), "%s/mine", fixture_path());
	cr_assert_eq(read_files(path), 0);
	cr_expect_eq(signal_of_all(), SIGHUP);
	cr_expect_eq(config_mistakes(config), 0);
}

Test(config_files, one_that_is_named_and_is_not_there)
{
	cr_expect_eq(read_files("/nonexistent/mine"), -ENOENT);
}

Test(config_files, mistakes_are_named_by_the_path_of_the_file)
{
	fixture_file("etc/apoptosis/conf.d/a.conf", "nonsense\n");
	cr_assert_eq(read_files(NULL), 0);
	cr_expect_eq(config_mistakes(config), 1);
	cr_expect_str_eq(complaints,
			 "/etc/apoptosis/conf.d/a.conf:1: neither a section, a key = value, nor a "
			 "comment\n");
}
