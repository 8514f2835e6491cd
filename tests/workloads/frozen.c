/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * frozen DIR FILE MIB: a process that no one can look into. It mounts a file system of its own on DIR, maps a
 * file of it, and reads that through /proc/self/mem: the read holds the process's mmap_lock until the file
 * system answers, which it never does. A second thread wants to map something: whoever reads this process's
 * cmdline, environ, maps or smaps after that waits behind it. What root can do here any user can in a
 * user namespace.
 *
 * Then it writes so many MiB to FILE, which is on a tmpfs, for which it needs no mmap_lock, and stays. It
 * prints "frozen" before, and ignores SIGTERM. Not even SIGKILL ends it, as long as the process that has
 * the file system lives.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FILE_NODE 2
#define PAGE 4096

static char block[1 << 16];
static char *page; /* of the file that is never read */

static void fail(const char *what)
{
	fprintf(stderr, "frozen: %s: %s\n", what, strerror(errno));
	_exit(2);
}

static void nap(void)
{
	nanosleep(&(struct timespec){0, 1000000}, NULL);
}

/* --- the file system ----------------------------------------------------------------------- */

static void reply(int fd, uint64_t unique, int error, const void *data, size_t size)
{
	struct {
		struct fuse_out_header header;
		char data[256];
	} out = {.header = {.len = sizeof(out.header) + size, .error = -error, .unique = unique}};

	memcpy(out.data, data, size);
	if (write(fd, &out, out.header.len) < 0 && errno != ENOENT)
		fail("cannot answer");
}

static struct fuse_attr attr_of(uint64_t node)
{
	return (struct fuse_attr){
		.ino = node,
		.size = PAGE,
		.mode = node == FILE_NODE ? S_IFREG | 0644 : S_IFDIR | 0755,
		.nlink = 1,
		.blksize = PAGE,
	};
}

static void answer(int fd, const struct fuse_in_header *in, int told)
{
	const struct fuse_init_out init = {.major = FUSE_KERNEL_VERSION,
					   .minor = 31,
					   .max_write = PAGE,
					   .max_readahead = PAGE};
	const struct fuse_entry_out entry = {.nodeid = FILE_NODE,
					     .attr_valid = 1000,
					     .entry_valid = 1000,
					     .attr = attr_of(FILE_NODE)};
	const struct fuse_attr_out attr = {.attr_valid = 1000, .attr = attr_of(in->nodeid)};
	const struct fuse_open_out opened = {.fh = 1};

	switch (in->opcode) {
	case FUSE_INIT:
		return reply(fd, in->unique, 0, &init, sizeof(init));
	case FUSE_LOOKUP:
		return reply(fd, in->unique, 0, &entry, sizeof(entry));
	case FUSE_GETATTR:
		return reply(fd, in->unique, 0, &attr, sizeof(attr));
	case FUSE_OPEN:
		return reply(fd, in->unique, 0, &opened, sizeof(opened));
	case FUSE_READ: /* never */
		if (write(told, "r", 1) != 1)
			fail("cannot tell of the read");
		return;
	case FUSE_FORGET:
	case FUSE_INTERRUPT:
		return;
	default:
		return reply(fd, in->unique, ENOSYS, NULL, 0);
	}
}

static void serve(int fd, int told)
{
	static char request[1 << 17];

	signal(SIGTERM, SIG_IGN);
	for (;;) {
		ssize_t n = read(fd, request, sizeof(request));

		if (n < 0 && errno == ENODEV)
			_exit(0);
		if (n >= (ssize_t)sizeof(struct fuse_in_header))
			answer(fd, (const struct fuse_in_header *)request, told);
	}
}

/* Returns where a byte comes from when the file is read. */
static int mount_on(const char *dir)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC), told[2];
	char options[128];

	if (fd < 0)
		fail("/dev/fuse");
	if (pipe2(told, O_CLOEXEC) || unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		fail("cannot have mounts of its own");
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%d,group_id=%d", fd,
		 (int)getuid(), (int)getgid());
	if (mount("frozen", dir, "fuse", MS_NOSUID | MS_NODEV, options))
		fail("cannot mount a fuse file system");
	if (fork() == 0)
		serve(fd, told[1]);
	close(fd);
	return told[0];
}

/* --- freezing ------------------------------------------------------------------------------ */

static void *reader_main(void *arg)
{
	int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	char byte;

	(void)arg;
	if (fd < 0 || pread(fd, &byte, 1, (off_t)(uintptr_t)page) != 1)
		return NULL;
	return NULL;
}

static volatile bool is_read;
static volatile pid_t writer_tid;

/* It is there before: not even its stack could be mapped afterwards. */
static void *writer_main(void *arg)
{
	writer_tid = (pid_t)syscall(SYS_gettid);
	while (!is_read)
		nap();
	mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return arg;
}

/* Its state in stat, behind the name in parentheses. */
static char state_of(pid_t tid)
{
	char path[64], text[256];
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return '?';
	text[n] = '\0';
	return strrchr(text, ')')[2];
}

static void freeze(const char *dir)
{
	int told = mount_on(dir);
	pthread_t reader, writer;
	char path[512], byte;
	int fd;

	/*
	 * Before 6.4 whoever meets a page for the first time waits for mmap_lock too. All are met anew after a
	 * fork, which shares them.
	 */
	if (mlockall(MCL_CURRENT))
		fail("cannot lock its memory");
	snprintf(path, sizeof(path), "%s/file", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	page = fd < 0 ? MAP_FAILED : mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	if (page == MAP_FAILED)
		fail("cannot map a file of its own");
	if (pthread_create(&writer, NULL, writer_main, NULL) ||
	    pthread_create(&reader, NULL, reader_main, NULL) || read(told, &byte, 1) != 1)
		fail("the file is not read");
	is_read = true;
	while (!writer_tid || state_of(writer_tid) != 'D')
		nap();
}

int main(int argc, char **argv)
{
	int fd;

	if (argc != 4) {
		fputs("usage: frozen DIR FILE MIB\n", stderr);
		return 2;
	}
	setvbuf(stdout, NULL, _IONBF, 0);
	memset(block, 1, sizeof(block));
	signal(SIGTERM, SIG_IGN);
	fd = open(argv[2], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		fail(argv[2]);
	freeze(argv[1]);
	if (write(STDOUT_FILENO, "frozen\n", 7) != 7)
		return 2;
	for (long left = strtol(argv[3], NULL, 10) * (1 << 20); left > 0;) {
		ssize_t n = write(fd, block, sizeof(block));

		if (n < 0)
			nap();
		else
			left -= n;
	}
	for (;;)
		pause();
}
