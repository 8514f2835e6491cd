/* SPDX-License-Identifier: BSD-2-Clause */
#include "sense/proc.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "unit/fixture.h"

TestSuite(proc, .init = fixture_make, .fini = fixture_remove);

/* A stat line with the fields that matter here. */
static void write_stat(pid_t pid, const char *comm, char state, unsigned long flags, uint64_t start)
{
	char path[64], text[512];

	snprintf(path, sizeof(path), "%d/stat", pid);
	snprintf(text, sizeof(text),
		 "%d (%s) %c 7 42 42 0 -1 %lu 10 0 0 0 1 2 0 0 20 0 5 0 %llu 1000000 200\n", pid,
		 comm, state, flags, (unsigned long long)start);
	fixture_file(path, text);
}

static void write_status(const char *path, const char *blocked, const char *ignored,
			 const char *caught, const char *ns_pids)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "Name:\tx\nUid:\t1000\t0\t0\t0\nNSpid:\t%s\nSigBlk:\t%s\nSigIgn:\t%s\n"
		 "SigCgt:\t%s\n",
		 ns_pids, blocked, ignored, caught);
	fixture_file(path, text);
}

#define NO_SIGNALS "0000000000000000"
#define TERM_BIT "0000000000004000"

Test(proc, facts_of_a_process)
{
	_cleanup_proc_info_ struct proc_info *info = NULL;

	write_stat(42, "server", 'S', 4194304, 12345);
	write_status("42/status", NO_SIGNALS, NO_SIGNALS, NO_SIGNALS, "42\t17\t3");
	fixture_file("42/comm", "server\n");

	cr_assert_eq(proc_info_read(fixture_root(), 42, &info), 0);
	cr_expect_eq(info->pid, 42);
	cr_expect_eq(info->ppid, 7);
	cr_expect_eq(info->ns_pid, 3);
	cr_expect_eq(info->ns_level, 2);
	cr_expect_eq(info->uid, 1000);
	cr_expect_eq(info->threads, 5);
	cr_expect_not(info->kernel_thread);
	cr_expect_not(info->zombie);
	cr_expect_eq(info->start_ticks, 12345);
	cr_expect_eq(info->start_boottime_ns,
		     12345 * (1000000000 / (uint64_t)sysconf(_SC_CLK_TCK)));
	cr_expect_str_eq(info->comm, "server");
}

Test(proc, a_hostile_comm_is_kept_raw)
{
	_cleanup_proc_info_ struct proc_info *info = NULL;

	write_stat(42, ") R 1 (\n\xff\"", 'S', 0, 99);
	write_status("42/status", NO_SIGNALS, NO_SIGNALS, NO_SIGNALS, "42");
	fixture_file("42/comm", ") R 1 (\n\xff\"\n");

	cr_assert_eq(proc_info_read(fixture_root(), 42, &info), 0);
	cr_expect_eq(info->ppid, 7);
	cr_expect_eq(info->start_ticks, 99);
	cr_expect_str_eq(info->comm, ") R 1 (\n\xff\"");
}

static char *cmdline_of(const char *directory)
{
	_cleanup_close_ int fd = openat(fixture_root(), directory, O_RDONLY | O_DIRECTORY);
	char *cmdline = (char *)"unset";

	cr_assert_eq(proc_cmdline_read(fd, &cmdline), 0);
	return cmdline;
}

Test(proc, a_command_line_is_its_arguments_joined_and_raw)
{
	_cleanup_free_ char *plain = NULL, *hostile = NULL;

	fixture_bytes("42/cmdline", "/bin/server\0--port\0008080\0", 24);
	fixture_bytes("43/cmdline", "a\nb\0\xff\0\0c\0\0", 10);
	fixture_file("44/cmdline", ""); /* a kernel thread, a zombie */
	plain = cmdline_of("42");
	hostile = cmdline_of("43");
	cr_expect_str_eq(plain, "/bin/server --port 8080");
	cr_expect_str_eq(hostile, "a\nb \xff  c");
	cr_expect_null(cmdline_of("44"));
}

Test(proc, kernel_threads_and_zombies_are_told)
{
	_cleanup_proc_info_ struct proc_info *thread = NULL, *zombie = NULL;

	write_stat(2, "kthreadd", 'S', 0x208040, 0);
	write_status("2/status", NO_SIGNALS, "ffffffffffffffff", NO_SIGNALS, "2");
	fixture_file("2/comm", "kthreadd\n");
	write_stat(3, "dead", 'Z', 0x400000, 5);
	write_status("3/status", NO_SIGNALS, NO_SIGNALS, NO_SIGNALS, "3");
	fixture_file("3/comm", "dead\n");

	cr_assert_eq(proc_info_read(fixture_root(), 2, &thread), 0);
	cr_expect(thread->kernel_thread);
	cr_assert_eq(proc_info_read(fixture_root(), 3, &zombie), 0);
	cr_expect(zombie->zombie);
	cr_expect_not(zombie->kernel_thread);
	cr_expect(proc_is_kernel_thread(fixture_root(), 2));
	cr_expect_not(proc_is_kernel_thread(fixture_root(), 3));
	cr_expect_not(proc_is_kernel_thread(fixture_root(), 4));
}

Test(proc, missing_process_is_esrch)
{
	struct proc_info *info = NULL;
	uint64_t ticks = 77;

	fixture_directory("5"); /* going away: the directory without its files */
	cr_expect_eq(proc_info_read(fixture_root(), 4, &info), -ESRCH);
	cr_expect_eq(proc_info_read(fixture_root(), 5, &info), -ESRCH);
	cr_expect_eq(proc_info_read(fixture_root(), 0, &info), -ESRCH);
	cr_expect_eq(proc_info_read(fixture_root(), -1, &info), -ESRCH);
	cr_expect_eq(proc_start_ticks(fixture_root(), 4, &ticks), -ESRCH);
	cr_expect_eq(ticks, 77);
	cr_expect_null(info);
}

Test(proc, senseless_stat_is_refused)
{
	static const char *const texts[] = {"", "42", "42 (x", "42 (x) S 1 2", "42 (x)", ")"};
	struct proc_info *info = NULL;
	uint64_t ticks = 77;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		fixture_file("42/stat", texts[i]);
		cr_expect_eq(proc_start_ticks(fixture_root(), 42, &ticks), -EBADMSG, "%s",
			     texts[i]);
		cr_expect_eq(proc_info_read(fixture_root(), 42, &info), -EBADMSG, "%s", texts[i]);
	}
	cr_expect_eq(ticks, 77);
	cr_expect_null(info);
}

Test(proc, disposition_tells_what_the_signal_would_do)
{
	static const struct {
		const char *blocked, *ignored, *caught, *ns_pids;
		int signal;
		enum apo_disposition disposition;
	} cases[] = {
		{NO_SIGNALS, NO_SIGNALS, NO_SIGNALS, "42", SIGTERM, APO_DISP_DEFAULT},
		{NO_SIGNALS, NO_SIGNALS, TERM_BIT, "42", SIGTERM, APO_DISP_HANDLED},
		{NO_SIGNALS, TERM_BIT, NO_SIGNALS, "42", SIGTERM, APO_DISP_IGNORED},
		{TERM_BIT, NO_SIGNALS, NO_SIGNALS, "42", SIGTERM, APO_DISP_BLOCKED},
		{TERM_BIT, NO_SIGNALS, TERM_BIT, "42", SIGTERM, APO_DISP_BLOCKED},
		{TERM_BIT, TERM_BIT, NO_SIGNALS, "42", SIGTERM, APO_DISP_IGNORED},
		{NO_SIGNALS, NO_SIGNALS, NO_SIGNALS, "42\t1", SIGTERM, APO_DISP_INIT},
		{NO_SIGNALS, NO_SIGNALS, NO_SIGNALS, "42\t12", SIGTERM, APO_DISP_DEFAULT},
		{NO_SIGNALS, NO_SIGNALS, TERM_BIT, "42\t1", SIGTERM, APO_DISP_HANDLED},
		{TERM_BIT, NO_SIGNALS, NO_SIGNALS, "42\t1", SIGTERM, APO_DISP_BLOCKED},
		{NO_SIGNALS, NO_SIGNALS, NO_SIGNALS, "42\t1", SIGKILL, APO_DISP_DEFAULT},
		{NO_SIGNALS, NO_SIGNALS, NO_SIGNALS, "42", SIGCHLD, APO_DISP_IGNORED},
		{NO_SIGNALS, NO_SIGNALS, "0000000000010000", "42", SIGCHLD, APO_DISP_HANDLED},
		{NO_SIGNALS, NO_SIGNALS, "8000000000000000", "42", 64, APO_DISP_HANDLED},
		{NO_SIGNALS, NO_SIGNALS, "0000000000000001", "42", SIGHUP, APO_DISP_HANDLED},
		{NO_SIGNALS, NO_SIGNALS, NO_SIGNALS, "42", 0, APO_DISP_UNKNOWN},
		{NO_SIGNALS, NO_SIGNALS, NO_SIGNALS, "42", 65, APO_DISP_UNKNOWN},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		write_status("42/status", cases[i].blocked, cases[i].ignored, cases[i].caught,
			     cases[i].ns_pids);
		cr_expect_eq(proc_disposition(fixture_root(), 42, cases[i].signal),
			     cases[i].disposition, "case %zu", i);
	}
	cr_expect_eq(proc_disposition(fixture_root(), 43, SIGTERM), APO_DISP_UNKNOWN);
	fixture_file("42/status", "Name:\tx\n");
	cr_expect_eq(proc_disposition(fixture_root(), 42, SIGTERM), APO_DISP_UNKNOWN);
}

Test(proc, signal_is_blocked_only_if_every_thread_blocks_it)
{
	write_status("42/status", TERM_BIT, NO_SIGNALS, TERM_BIT, "42");
	write_status("42/task/42/status", TERM_BIT, NO_SIGNALS, TERM_BIT, "42");
	write_status("42/task/43/status", TERM_BIT, NO_SIGNALS, TERM_BIT, "43");
	fixture_directory("42/task/44"); /* ended meanwhile */
	cr_expect_eq(proc_disposition(fixture_root(), 42, SIGTERM), APO_DISP_BLOCKED);
	write_status("42/task/45/status", NO_SIGNALS, NO_SIGNALS, TERM_BIT, "45");
	cr_expect_eq(proc_disposition(fixture_root(), 42, SIGTERM), APO_DISP_HANDLED);
}

Test(proc, children_are_those_of_the_main_thread)
{
	pid_t children[2] = {};

	cr_expect_eq(proc_children(fixture_root(), 42, children, 2), 0);
	fixture_file("42/task/42/children", "43 4711 4712 ");
	cr_expect_eq(proc_children(fixture_root(), 42, children, 2), 2);
	cr_expect(children[0] == 43 && children[1] == 4711);
	fixture_file("42/task/42/children", "");
	cr_expect_eq(proc_children(fixture_root(), 42, children, 2), 0);
}

/* What it waits for is not in SigBlk meanwhile. */
Test(proc, a_thread_in_sigwait_takes_the_signal)
{
	write_status("42/status", NO_SIGNALS, NO_SIGNALS, NO_SIGNALS, "42");
	write_status("42/task/42/status", NO_SIGNALS, NO_SIGNALS, NO_SIGNALS, "42");
	write_status("42/task/43/status", TERM_BIT, NO_SIGNALS, NO_SIGNALS, "43");
	fixture_file("42/wchan", "do_sys_poll");
	fixture_file("42/task/42/wchan", "do_sys_poll");
	cr_expect_eq(proc_disposition(fixture_root(), 42, SIGTERM), APO_DISP_DEFAULT);
	fixture_file("42/wchan", "do_sigtimedwait.isra.0");
	fixture_file("42/task/42/wchan", "do_sigtimedwait.isra.0");
	cr_expect_eq(proc_disposition(fixture_root(), 42, SIGTERM), APO_DISP_BLOCKED);
	write_status("42/task/44/status", NO_SIGNALS, NO_SIGNALS, NO_SIGNALS, "44");
	cr_expect_eq(proc_disposition(fixture_root(), 42, SIGTERM), APO_DISP_DEFAULT,
		     "another would take it");
}

Test(proc, own_process_is_read_from_the_real_proc)
{
	_cleanup_proc_info_ struct proc_info *info = NULL;
	_cleanup_close_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t ticks = 0;

	cr_assert_eq(proc_info_read(proc_fd, getpid(), &info), 0);
	cr_expect_eq(info->ppid, getppid());
	cr_expect_eq(info->uid, getuid());
	cr_expect_not(info->kernel_thread);
	cr_assert_eq(proc_start_ticks(proc_fd, getpid(), &ticks), 0);
	cr_expect_eq(ticks, info->start_ticks);

	signal(SIGUSR1, SIG_DFL);
	cr_expect_eq(proc_disposition(proc_fd, getpid(), SIGUSR1), APO_DISP_DEFAULT);
	signal(SIGUSR1, SIG_IGN);
	cr_expect_eq(proc_disposition(proc_fd, getpid(), SIGUSR1), APO_DISP_IGNORED);
}

Test(proc, reaped_child_is_esrch)
{
	_cleanup_close_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_proc_info_ struct proc_info *info = NULL;
	siginfo_t ended;
	uint64_t ticks;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	cr_assert_eq(waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT), 0);
	cr_assert_eq(proc_info_read(proc_fd, pid, &info), 0);
	cr_expect(info->zombie);
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
	cr_expect_eq(proc_start_ticks(proc_fd, pid, &ticks), -ESRCH);
}

Test(proc, memory_by_kind)
{
	uint64_t page_kib = (uint64_t)sysconf(_SC_PAGESIZE) / 1024, pages[APO_KINDS];
	char text[256];

	write_stat(42, "server", 'S', 4194304, 12345);
	snprintf(text, sizeof(text),
		 "Name:\tx\nRssAnon:\t%8llu kB\nRssFile:\t%8llu kB\nVmSwap:\t%8llu kB\n",
		 300ULL * page_kib, 20ULL * page_kib, 7ULL * page_kib);
	fixture_file("42/status", text);
	cr_assert_eq(proc_memory_read(fixture_root(), 42, pages), 0);
	cr_expect_eq(pages[APO_ANON], 300);
	cr_expect_eq(pages[APO_FILE], 20);
	cr_expect_eq(pages[APO_SWAP], 7);
	cr_expect_eq(pages[APO_SHMEM], 0);
	cr_expect_eq(proc_memory_read(fixture_root(), 43, pages), -ESRCH);
}

/* write_stat() says that the parent of each is 7. */
Test(proc, descent_is_by_parents)
{
	write_stat(42, "child", 'S', 4194304, 12345);
	write_stat(7, "loops", 'S', 4194304, 12345);
	cr_expect(proc_descends(fixture_root(), 42, 7));
	cr_expect_not(proc_descends(fixture_root(), 42, 42));
	cr_expect_not(proc_descends(fixture_root(), 42, 8), "a loop has an end");
	cr_expect_not(proc_descends(fixture_root(), 43, 7), "there is no such process");
}

Test(proc, a_signal_is_pending_until_it_is_taken)
{
	write_stat(42, "server", 'S', 4194304, 12345);
	fixture_file("42/status", "Name:\tx\nShdPnd:\t" TERM_BIT "\n");
	cr_expect_eq(proc_is_pending(fixture_root(), 42, SIGTERM), 1);
	cr_expect_eq(proc_is_pending(fixture_root(), 42, SIGINT), 0);
	cr_expect_eq(proc_is_pending(fixture_root(), 43, SIGTERM), -ESRCH);
}
