// SPDX-License-Identifier: BSD-2-Clause
/*
 * A real process, whose cgroup is one of a unit for all that files say, and a script in place of systemctl: systemd
 * itself is for machines that run it (tests/vm). Whether the process has got a signal is asked of its end: the first of
 * two ends it, if it is none that dumps core.
 */
#include "engine/unit_stops.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "fixture.h"

#define MOUNTINFO                                         \
	"27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n" \
	"30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"

static pid_t process;
static struct cgroup_tree *tree;
static char systemctl[512];

static void set_up(void)
{
	_cleanup_free_ char *stat = NULL;
	char path[64];

	fixture_make();
	fixture_file("sys/fs/cgroup/cgroup.procs", "");
	fixture_file("sys/fs/cgroup/cgroup.controllers", "memory\n");
	fixture_file("sys/fs/cgroup/system.slice/web.service/cgroup.procs", "");
	signal(SIGHUP, SIG_DFL); /* a shell in the background has it ignored */
	process = fork();
	if (process == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	snprintf(path, sizeof(path), "/proc/%d/stat", process);
	cr_assert_eq(file_read(AT_FDCWD, path, &stat, NULL), 0);
	fixture_file(path + 1, stat);
	snprintf(path, sizeof(path), "proc/%d/cgroup", process);
	fixture_file(path, "0::/system.slice/web.service\n");
	tree = fixture_cgroup_tree(MOUNTINFO);
	cr_assert_not_null(tree);
}

static void take_down(void)
{
	kill(process, SIGKILL);
	waitpid(process, NULL, WNOHANG);
	cgroup_tree_free(tree);
	fixture_remove();
}

TestSuite(unit_stops, .init = set_up, .fini = take_down);

/* What it does when it is asked for the state. */
static void make_systemctl(const char *show)
{
	char script[1024];

	snprintf(script, sizeof(script),
		 "#!/bin/sh\nPATH=/usr/bin:/bin\ncd %s || exit 1\necho \"$3\" \"$6\" >>asked\n"
		 "case $* in *show*) ;; *) exit 1 ;; esac\n%s\n",
		 fixture_path(), show);
	fixture_file("systemctl", script);
	snprintf(systemctl, sizeof(systemctl), "%s/systemctl", fixture_path());
	cr_assert_eq(chmod(systemctl, 0700), 0);
}

/* The signal that has ended the process; 0: none has. */
static int ask(enum apo_declaration declared, const char *with)
{
	_cleanup_close_ int proc_fd = openat(fixture_root(), "proc", O_RDONLY | O_DIRECTORY);
	uv_loop_t loop;
	const struct unit_stops_config config = {
		.loop = &loop, .systemctl = with, .tree = tree, .proc_fd = proc_fd};
	const struct responder_result result = {
		.pid = process, .signal = SIGHUP, .action = APO_ACT_ASKED, .declared = declared};
	struct unit_stops *stops;
	int status;

	uv_loop_init(&loop);
	stops = unit_stops_new(&config);
	cr_assert_not_null(stops);
	unit_stops_ask(stops, &result);
	uv_run(&loop, UV_RUN_DEFAULT);
	unit_stops_free(stops);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&loop), 0);
	kill(process, SIGUSR1); /* after what was sent before, if anything was */
	cr_assert_eq(waitpid(process, &status, 0), process);
	return WTERMSIG(status) == SIGUSR1 ? 0 : WTERMSIG(status);
}

static void expect_asked(const char *asked)
{
	_cleanup_free_ char *text = NULL;

	cr_assert_eq(file_read(fixture_root(), "asked", &text, NULL), 0);
	cr_expect_str_eq(text, asked);
}

Test(unit_stops, what_its_manager_stops_gets_no_signal)
{
	make_systemctl("echo ActiveState=deactivating");
	cr_expect_eq(ask(APO_DECLARED_EXEC_STOP, systemctl), 0);
	expect_asked("stop web.service\nshow web.service\n");
}

Test(unit_stops, who_is_started_again_is_restarted)
{
	make_systemctl("echo ActiveState=active; echo Job=17"); /* that waits */
	cr_expect_eq(ask(APO_DECLARED_EXEC_RESTART, systemctl), 0);
	expect_asked("restart web.service\nshow web.service\n");
}

Test(unit_stops, what_its_manager_does_not_stop_gets_the_signal_of_its_unit)
{
	char show[128];

	snprintf(show, sizeof(show), "echo ActiveState=active; echo MainPID=%d", process);
	make_systemctl(show);
	cr_expect_eq(ask(APO_DECLARED_EXEC_STOP, systemctl), SIGHUP);
}

Test(unit_stops, a_manager_that_hangs_is_not_waited_for)
{
	make_systemctl("exec sleep 1000");
	cr_expect_eq(ask(APO_DECLARED_EXEC_STOP, systemctl), SIGHUP);
}

Test(unit_stops, without_a_manager_it_gets_the_signal)
{
	cr_expect_eq(ask(APO_DECLARED_EXEC_STOP, NULL), SIGHUP);
}
