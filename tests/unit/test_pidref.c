/* SPDX-License-Identifier: BSD-2-Clause */
#include "sense/pidref.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "sense/proc.h"

static int proc_fd;
static pid_t child;
static uint64_t start_ns;

static void setup(void)
{
	uint64_t ticks = 0;

	proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	cr_assert_eq(proc_start_ticks(proc_fd, child, &ticks), 0);
	start_ns = ticks * (NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK));
}

static void teardown(void)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(proc_fd);
}

TestSuite(pidref, .init = setup, .fini = teardown);

static struct apo_task task_of_child(void)
{
	return (struct apo_task){
		.tgid = (uint32_t)child,
		.ns_tgid = 1,
		.start_boottime_ns = start_ns + 1000,
		.cgroup_id = 99,
	};
}

Test(pidref, process_of_a_record_is_held_with_all_that_it_is)
{
	const struct apo_task task = task_of_child();
	struct pidref process = PIDREF_NONE;

	cr_assert_eq(pidref_of_task(proc_fd, true, &task, &process), 0);
	cr_expect_eq(process.pid, child);
	cr_expect_geq(process.pidfd, 0);
	cr_expect_eq(process.start_boottime_ns, start_ns + 1000);
	cr_expect_eq(process.cgroup_id, 99);
	cr_expect_not(pidref_exited(&process));
	pidref_close(&process);
	cr_expect_eq(process.pidfd, -1);
}

Test(pidref, another_process_of_that_pid_is_not_it)
{
	struct apo_task task = task_of_child();
	struct pidref process = PIDREF_NONE;

	task.start_boottime_ns += NSEC_PER_SEC;
	cr_expect_eq(pidref_of_task(proc_fd, true, &task, &process), -ESRCH);
	cr_expect_eq(process.pidfd, -1, "written by a failure");
}

/* The pid that counts is then the one in the process's own namespace: here 1, which is never signalled. */
Test(pidref, outside_of_the_initial_namespace_its_own_pid_counts)
{
	const struct apo_task task = task_of_child();
	struct pidref process = PIDREF_NONE;

	cr_expect_eq(pidref_of_task(proc_fd, false, &task, &process), -EPERM);
}

Test(pidref, it_is_told_apart_by_pid_and_start)
{
	const struct apo_task task = task_of_child();
	const struct pidref none = PIDREF_NONE;
	struct pidref process = PIDREF_NONE;

	cr_assert_eq(pidref_of_task(proc_fd, true, &task, &process), 0);
	cr_expect(pidref_is(&process, child, start_ns));
	cr_expect_not(pidref_is(&process, child + 1, start_ns));
	cr_expect_not(pidref_is(&process, child, start_ns + NSEC_PER_SEC));
	cr_expect_not(pidref_is(&none, 0, 0));
	pidref_close(&process);
}

Test(pidref, its_directory_can_be_had_while_it_lives)
{
	const struct apo_task task = task_of_child();
	const struct pidref none = PIDREF_NONE;
	struct pidref process = PIDREF_NONE;
	siginfo_t ended;
	int dirfd;

	cr_assert_eq(pidref_of_task(proc_fd, true, &task, &process), 0);
	dirfd = pidref_open_dir(&process, proc_fd);
	cr_assert_geq(dirfd, 0);
	cr_expect_eq(faccessat(dirfd, "maps", F_OK, 0), 0);
	close(dirfd);
	cr_assert_eq(pidref_signal(&process, SIGKILL), 0);
	cr_assert_eq(waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT), 0);
	cr_expect(pidref_exited(&process));
	cr_expect_eq(pidref_open_dir(&process, proc_fd), -ESRCH, "a zombie has nothing to show");
	cr_expect_eq(pidref_open_dir(&none, proc_fd), -ESRCH);
	pidref_close(&process);
}
