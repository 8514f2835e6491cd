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

static void expect_field(const char *message, const char *field)
{
	live_check(strstr(message, live_format("\n%s\n", field)), "no %s in %s", field, message);
}

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* The container of a service: both find it. */
Test(sinks, journal_gets_the_verdict_with_its_fields)
{
	struct live_cgroup *service = live_cgroup(NULL, "journal.service", 128 * MIB);
	struct live_cgroup *cgroup = live_cgroup(service, "pod.slice:cri-containerd:" ID, 0);
	const char *unit = strrchr(service->rel, '/') + 1;
	int journal = listen_at(JOURNAL_SOCKET);
	struct live_process *guard, *victim;
	char message[8192] = "";
	json_t *verdict;
	ssize_t size;

	if (journal < 0)
		live_skip("journal", "a journal is running here");
	guard = live_watch("--cgroup", service->rel);
	victim = live_victim(cgroup, "--comm", "a\nb");
	verdict = live_expect_victim_saved(guard, victim, service);
	live_expect_text(verdict, "target.unit", unit);
	live_expect_text(verdict, "process.unit", unit);
	live_check(json_is_null(live_member(verdict, "target.user_unit")), "a unit of a user");
	unlink(JOURNAL_SOCKET);
	size = recv(journal, message, sizeof(message) - 1, 0);
	live_check(size > 0, "no message: %m");
	expect_field(message, "APOPTOSIS_VERDICT=saved");
	expect_field(message, live_format("APOPTOSIS_PID=%d", victim->pid));
	expect_field(message, live_format("APOPTOSIS_CGROUP=%s", cgroup->rel));
	expect_field(message, "APOPTOSIS_COMM=a\\nb");
	expect_field(message, "PRIORITY=5");
	expect_field(message, live_format("OBJECT_SYSTEMD_UNIT=%s", unit));
	expect_field(message, "CONTAINER_ID=0123456789ab");
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
