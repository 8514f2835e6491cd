/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * token UID DIR OPTION=VALUE... PROGRAM ARGUMENT...: runs a program as that user, who is root in a user namespace of his own,
 * with a BPF file system on DIR, mounted with those options, from which he may take a BPF token (Linux 6.9): as a manager of
 * containers does it for one that it trusts. He has no capability outside of that namespace. Needs root. Exits with 77 where
 * the kernel knows no such options.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"

#define NOT_HERE 77

static void fail(const char *what)
{
	int status = errno == EINVAL || errno == ENOSYS ? NOT_HERE : 1;

	fprintf(stderr, "token: %s: %s\n", what, strerror(errno));
	exit(status);
}

static void send_fd(int socket, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(fd))] = {};
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	if (sendmsg(socket, &message, 0) != 1)
		fail("cannot hand over the file system");
}

static int receive_fd(int socket)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	int fd;

	if (recvmsg(socket, &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
		exit(1); /* it has said why */
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

/* Only who has CAP_SYS_ADMIN outside may say so. */
static void delegate(int fs, char **options)
{
	for (; strchr(*options, '='); options++) {
		char *value = strchr(*options, '=');

		*value++ = '\0';
		if (fsconfig(fs, FSCONFIG_SET_STRING, *options, value, 0))
			fail(*options);
	}
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		fail("cannot make a BPF file system");
}

static void write_file(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		fail(path);
}

static void enter(uid_t user)
{
	char map[64];

	if (setresgid(user, user, user) || setresuid(user, user, user))
		fail("cannot become that user");
	/* Else its files in /proc are root's. */
	prctl(PR_SET_DUMPABLE, 1);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		fail("cannot enter a user namespace");
	snprintf(map, sizeof(map), "0 %u 1", user);
	write_file("/proc/self/setgroups", "deny");
	write_file("/proc/self/uid_map", map);
	write_file("/proc/self/gid_map", map);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		fail("cannot keep mounts to ourselves");
}

/* In the namespace: whose file system it is is decided here. */
static void run(int socket, const char *dir, char **argv)
{
	_cleanup_close_ int fs = fsopen("bpf", FSOPEN_CLOEXEC), mounted = -1;
	char byte;

	if (fs < 0)
		fail("cannot open a BPF file system");
	send_fd(socket, fs);
	if (read(socket, &byte, 1) != 1)
		exit(NOT_HERE); /* it has said why */
	mounted = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	if (mounted < 0 || move_mount(mounted, "", AT_FDCWD, dir, MOVE_MOUNT_F_EMPTY_PATH))
		fail("cannot mount it");
	execvp(argv[0], argv);
	fail(argv[0]);
}

int main(int argc, char **argv)
{
	char **program = argv + 3;
	int sockets[2], status;
	pid_t child;

	if (argc < 4) {
		fprintf(stderr, "usage: token UID DIR OPTION=VALUE... PROGRAM ARGUMENT...\n");
		return 2;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets))
		fail("cannot make sockets");
	child = fork();
	if (child < 0)
		fail("cannot fork");
	if (child == 0) {
		close(sockets[1]);
		enter((uid_t)strtoul(argv[1], NULL, 10));
		while (strchr(*program, '='))
			program++;
		run(sockets[0], argv[2], program);
	}
	close(sockets[0]);
	delegate(receive_fd(sockets[1]), argv + 3);
	if (write(sockets[1], "", 1) != 1)
		fail("cannot answer");
	if (waitpid(child, &status, 0) != child)
		fail("cannot wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
