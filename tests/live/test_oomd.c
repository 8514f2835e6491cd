/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What systemd-oomd is about to kill is told to stop first. The test is that: it calls as systemd-oomd 260 does, waits
 * as that does, and kills the cgroup. The real one is that of make oomdtest.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"
#include "events.h"

/* It is of cgroup v2. */
TestSuite(oomd, .init = live_setup_v2, .fini = live_teardown, .timeout = 600);

static const char *hook_dir;

static struct live_process *guard_with(const char *more)
{
	hook_dir = live_path("prekill");
	return live_daemon(live_format("oomd-hook = %s\n%s", hook_dir, more));
}

static int call(const char *message)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t size = strlen(message) + 1;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/apoptosis", hook_dir);
	live_check(fd >= 0 && !connect(fd, (const struct sockaddr *)&address, sizeof(address)),
		   "%s: %m", address.sun_path);
	live_check(send(fd, message, size, MSG_NOSIGNAL) == (ssize_t)size, "send: %m");
	return fd;
}

static int notify(const struct live_cgroup *cgroup)
{
	return call(live_format("{\"method\":\"io.systemd.oom.Prekill.Notify\",\"parameters\":"
				"{\"cgroup\":\"%s\"}}",
				cgroup->rel));
}

/* Its answer, or "" at the end of the connection; NULL: none yet. */
static const char *answer(int fd, uint64_t wait_ns)
{
	static char text[1024];
	uint64_t until_ns = clock_ns(CLOCK_MONOTONIC) + wait_ns;
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	ssize_t n;

	do {
		uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);

		if (poll(&poll_fd, 1, now_ns < until_ns ? 10 : 0) > 0) {
			n = recv(fd, text, sizeof(text) - 1, 0);
			live_check(n <= 0 || !text[n - 1], "the answer has no NUL at its end");
			text[n > 0 ? n : 0] = '\0';
			return text;
		}
	} while (clock_ns(CLOCK_MONOTONIC) < until_ns);
	return NULL;
}

static const char *whole_answer(int fd)
{
	const char *text = answer(fd, LIVE_TIMEOUT_S * NSEC_PER_SEC * live_slowness());

	live_check(text, "there is no answer");
	return text;
}

static struct live_process *grown(const struct live_cgroup *cgroup, const char *how)
{
	struct live_process *victim =
		live_victim(cgroup, "--rate", "0", "--max", "32M", "--mark", "32M", "--hold", how);

	live_wait_ready(victim);
	return victim;
}

Test(oomd, whom_it_is_about_to_kill_shuts_down_before)
{
	for (unsigned int i = 0; i < live_repeat(); i++) {
		struct live_cgroup *slice = live_cgroup(NULL, "service", 0);
		struct live_cgroup *inner = live_cgroup(slice, "inner", 0);
		struct live_process *guard = guard_with("");
		struct live_process *one = grown(inner, "--handle-int");
		struct live_process *two = grown(inner, "--handle-int");
		struct live_process *other = grown(live_cgroup(NULL, "other", 0), "--handle-int");
		int fd = notify(slice);
		const json_t *verdict;

		cr_expect_str_eq(whole_answer(fd), "{\"parameters\":{}}");
		/* The answer came when both had ended: nobody is left to be killed. */
		live_set(slice, "cgroup.kill", "1");
		live_wait_exit(one);
		live_wait_exit(two);
		live_check(live_exit_code(one) == 0 && live_exit_code(two) == 0,
			   "they ended with %d and %d", live_exit_code(one), live_exit_code(two));
		live_check(live_state_reason(one->state) && live_state_reason(two->state),
			   "their data is lost");
		live_check(!other->exited, "who has nothing to do with it has ended");
		verdict = live_event(guard, "verdict", 0);
		live_expect_text(verdict, "verdict", "saved");
		live_expect_text(verdict, "rule", "oomd");
		close(fd);
		live_stop(guard);
	}
}

Test(oomd, who_does_not_shut_down_in_time_is_too_late_and_not_answered_for)
{
	struct live_cgroup *cgroup = live_cgroup(NULL, "service", 0);
	struct live_process *guard = guard_with("");
	struct live_process *victim = grown(cgroup, "--deaf");
	int fd = notify(cgroup);

	live_event(guard, "trip", victim->pid);
	live_check(!answer(fd, NSEC_PER_SEC / 5), "it was answered while it runs");
	close(fd);
	live_set(cgroup, "cgroup.kill", "1");
	live_wait_exit(victim);
	live_expect_text(live_event(guard, "verdict", victim->pid), "verdict", "too late");
	live_stop(guard);
}

/* Nor one that is only to be looked at: systemd-oomd goes on at once, and they live until it does. */
Test(oomd, who_is_not_guarded_is_not_told)
{
	struct live_cgroup *off = live_cgroup(NULL, "off", 0), *dry = live_cgroup(NULL, "dry", 0);
	struct live_process *guard = guard_with("[guard off]\ncgroup = *-off\nenabled = no\n"
						"[guard dry]\ncgroup = *-dry\ndry-run = yes\n");
	struct live_process *one = grown(off, "--handle-int"), *two = grown(dry, "--handle-int");
	int fd = notify(off);

	cr_expect_str_eq(whole_answer(fd), "{\"parameters\":{}}");
	close(fd);
	fd = notify(dry);
	cr_expect_str_eq(whole_answer(fd), "{\"parameters\":{}}");
	close(fd);
	live_expect_text(live_event(guard, "trip", two->pid), "action.result", "dry run");
	live_check(!live_find_event(guard, "trip", one->pid, 0), "who is not guarded tripped");
	live_check(!one->exited && !two->exited, "somebody has ended");
	live_stop(guard);
}

Test(oomd, what_it_cannot_mean_is_refused_and_nothing_happens)
{
	struct live_process *guard = guard_with("");
	char *flood = live_format("%*s", 20000, "x");
	int fd = call("{\"method\":\"org.varlink.service.GetInfo\"}");

	cr_expect_str_eq(whole_answer(fd),
			 "{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":"
			 "{\"method\":\"org.varlink.service.GetInfo\"}}");
	close(fd);
	fd = call("{\"method\":\"io.systemd.oom.Prekill.Notify\",\"parameters\":{}}");
	cr_expect_str_eq(whole_answer(fd),
			 "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":"
			 "{\"parameter\":\"cgroup\"}}");
	close(fd);
	fd = call("{\"method\":\"io.systemd.oom.Prekill.Notify\",\"parameters\":"
		  "{\"cgroup\":\"/../..\"}}");
	cr_expect_str_eq(whole_answer(fd), "{\"parameters\":{}}");
	close(fd);
	fd = call("{\"method\":\"io.systemd.oom.Prekill.Notify\",\"parameters\":"
		  "{\"cgroup\":\"/\"}}");
	cr_expect_str_eq(whole_answer(fd), "{\"parameters\":{}}");
	close(fd);
	live_check(!live_find_event(guard, "trip", 0, 0), "somebody was told to stop");
	fd = call("no JSON");
	cr_expect_str_eq(whole_answer(fd), "");
	close(fd);
	fd = call(flood);
	cr_expect_str_eq(whole_answer(fd), "");
	close(fd);
	live_stop(guard);
	live_check(access(live_format("%s/apoptosis", hook_dir), F_OK) && errno == ENOENT,
		   "the socket is left");
}
