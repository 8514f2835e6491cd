/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * orphan: leaves a grandchild without a parent and prints one line of JSON: who adopted it, and
 * whether the adopter took its exit status (else it stays a zombie). Exits 0 if so, 1 if not
 * within ten seconds.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct report {
	pid_t grandchild, adopter;
};

static void nap(void)
{
	nanosleep(&(struct timespec){0, 1000000}, NULL);
}

static void grandchild_main(int fd, pid_t parent)
{
	struct report report = {.grandchild = getpid()};

	while (getppid() == parent)
		nap();
	report.adopter = getppid();
	_exit(write(fd, &report, sizeof(report)) == sizeof(report) ? 0 : 1);
}

static void child_main(int fd)
{
	pid_t self = getpid(), pid = fork();

	if (pid == 0)
		grandchild_main(fd, self);
	_exit(pid < 0);
}

int main(void)
{
	struct report report;
	int fds[2], reaped = 0;
	pid_t child;

	if (pipe(fds) < 0 || (child = fork()) < 0)
		return 2;
	if (child == 0)
		child_main(fds[1]);
	waitpid(child, NULL, 0);
	if (read(fds[0], &report, sizeof(report)) != sizeof(report))
		return 2;
	for (int i = 0; i < 10000 && !reaped; i++) {
		reaped = kill(report.grandchild, 0) < 0 && errno == ESRCH;
		nap();
	}
	printf("{\"pid\":%d,\"parent\":%d,\"adopter\":%d,\"reaped\":%s}\n", (int)getpid(),
	       (int)getppid(), (int)report.adopter, reaped ? "true" : "false");
	return !reaped;
}
