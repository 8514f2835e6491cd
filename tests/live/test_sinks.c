/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where else the end of an incident is told. The listeners are ours: what is tested is what comes
 * to the places that journald and Kubernetes have made for it.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "events.h"

TestSuite(sinks, .init = live_setup, .fini = live_teardown, .timeout = 300);

#define JOURNAL_DIR "/run/systemd/journal"
#define JOURNAL_SOCKET JOURNAL_DIR "/socket"
#define TERMINATION_FILE "/dev/termination-log"

/* Makes the path and listens there; -1: somebody does already. */
static int listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	mkdir("/run/systemd", 0755);
	mkdir(JOURNAL_DIR, 0755);
	strcpy(address.sun_path, path);
	if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		return -1;
	}
	return fd;
}

Test(sinks, journal_gets_the_verdict_with_its_fields)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "journal", 128 * MIB);
	int journal = listen_at(JOURNAL_SOCKET);
	struct live_process *guard, *victim;
	char message[8192] = "";
	ssize_t size;

	if (journal < 0)
		live_skip("journal", "a journal is running here");
	guard = live_watch("--cgroup", cgroup->rel);
	victim = live_victim(cgroup, "--comm", "a\nb");
	live_expect_victim_saved(guard, victim, cgroup);
	unlink(JOURNAL_SOCKET);
	size = recv(journal, message, sizeof(message) - 1, 0);
	live_check(size > 0, "no message: %m");
	live_check(strstr(message, "\nAPOPTOSIS_VERDICT=saved\n"), "no verdict in %s", message);
	live_check(strstr(message, live_format("\nAPOPTOSIS_PID=%d\n", victim->pid)),
		   "no pid in %s", message);
	live_check(strstr(message, live_format("\nAPOPTOSIS_CGROUP=%s\n", cgroup->rel)),
		   "no cgroup in %s", message);
	live_check(strstr(message, "\nAPOPTOSIS_COMM=a\\nb\n"), "no name in %s", message);
	live_check(strstr(message, "\nPRIORITY=5\n"), "no priority in %s", message);
	live_check(recv(journal, message, sizeof(message), 0) < 0, "more than the verdict");
	close(journal);
	live_stop(guard);
}

Test(sinks, termination_message_of_a_container)
{
	struct live_spawn spec = {.cgroup = live_cgroup(NULL, "pod", 128 * MIB)};
	int fd = open(TERMINATION_FILE, O_WRONLY | O_CREAT | O_EXCL, 0600);
	const char *message;

	if (fd < 0)
		live_skip("termination", "%s: %m", TERMINATION_FILE);
	close(fd);
	live_wait_exit(live_run(&spec, live_workload("victim")));
	message = live_read(TERMINATION_FILE);
	unlink(TERMINATION_FILE);
	live_check(strstr(message, "saved") && strstr(message, "victim["), "it says '%s'", message);
}
