/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A real helper process on a real loop, with a script in place of systemctl: systemd itself is for machines that
 * run it (tests/vm). The script says what it was asked, and gives the next line of a file as the state.
 */
#include "engine/comebacks.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/util.h"
#include "engine/manager.h"
#include "fixture.h"

static unsigned int outcomes;
static struct comeback last;
static enum apo_action action = APO_ACT_SENT;
static char systemctl[512];

static void on_comeback(uint64_t id, const struct comeback *comeback, void *userdata)
{
	(void)userdata;
	cr_expect_eq(id, 0xab);
	outcomes++;
	last = *comeback;
}

/* commands: of a shell, in the fixture. */
static void write_systemctl(const char *commands)
{
	char script[1024];

	snprintf(script, sizeof(script), "#!/bin/sh\nPATH=/usr/bin:/bin\ncd %s || exit 1\n%s",
		 fixture_path(), commands);
	fixture_file("systemctl", script);
	snprintf(systemctl, sizeof(systemctl), "%s/systemctl", fixture_path());
	cr_assert_eq(chmod(systemctl, 0700), 0);
}

/* states: of "show" in turn; the last one stays. */
static void make_systemctl(const char *states)
{
	fixture_file("states", states);
	write_systemctl(
		"echo \"$@\" >>asked\n"
		"case $* in *show*) ;; *) exit 0 ;; esac\n"
		"IFS= read -r state <states\nprintf 'LoadState=loaded\\nActiveState=%s\\n' "
		"\"$state\"\n"
		"printf 'MainPID=80\\nActiveEnterTimestampMonotonic=2000000\\nRestart=no\\n'\n"
		"[ \"$(wc -l <states)\" -eq 1 ] || sed -i 1d states\n");
}

static void follow(const char *unit, bool restarts, const char *with)
{
	struct incident incident = {.id = 0xab,
				    .action = action,
				    .exit_ns = NSEC_PER_SEC,
				    .target = {.pid = 70, .unit = (char *)unit}};
	uv_loop_t loop;
	const struct comebacks_config config = {
		.loop = &loop,
		.systemctl = with,
		.restarts = restarts,
		.on_comeback = on_comeback,
	};
	struct comebacks *comebacks;

	outcomes = 0;
	uv_loop_init(&loop);
	comebacks = comebacks_new(&config);
	cr_assert_not_null(comebacks);
	comebacks_follow(comebacks, &incident);
	cr_expect_eq(comebacks_are_open(comebacks), with && unit);
	uv_run(&loop, UV_RUN_DEFAULT);
	comebacks_free(comebacks);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&loop), 0);
}

static void expect_asked(const char *asked)
{
	_cleanup_free_ char *text = NULL;

	cr_assert_eq(file_read(fixture_root(), "asked", &text, NULL), 0);
	cr_expect_str_eq(text, asked);
}

#define ASKED "--no-ask-password --no-pager "
#define SHOW ASKED "show " UNIT_PROPERTIES " -- web.service\n"
#define START ASKED "start --no-block -- web.service\n"

TestSuite(comebacks, .init = fixture_make, .fini = fixture_remove);

Test(comebacks, a_service_that_is_up_again_is_asked_for_once)
{
	make_systemctl("active\n");
	follow("web.service", true, systemctl);
	cr_assert_eq(outcomes, 1);
	cr_expect_eq(last.outcome, COMEBACK_RESTARTED);
	cr_expect_eq(last.took_ns, NSEC_PER_SEC);
	cr_expect_str_eq(last.unit, "web.service");
	expect_asked(SHOW);
}

Test(comebacks, one_that_is_down_is_left_alone)
{
	make_systemctl("deactivating\ninactive\n");
	follow("web.service", false, systemctl);
	cr_assert_eq(outcomes, 1);
	cr_expect_eq(last.outcome, COMEBACK_DOWN);
	cr_expect_str_eq(last.restart, "no");
	expect_asked(SHOW SHOW SHOW);
}

Test(comebacks, one_that_is_down_is_started_where_that_is_asked_for)
{
	make_systemctl("inactive\ninactive\nactivating\nactive\n");
	follow("web.service", true, systemctl);
	cr_assert_eq(outcomes, 1);
	cr_expect_eq(last.outcome, COMEBACK_RESTARTED);
	cr_expect(last.is_asked);
	expect_asked(SHOW SHOW START SHOW SHOW);
}

Test(comebacks, without_a_manager_or_a_service_nobody_is_followed)
{
	make_systemctl("active\n");
	follow("web.service", true, NULL);
	follow(NULL, true, systemctl);
	cr_expect_eq(outcomes, 0);
}

/* A crash loop, or many services at once, and a manager that is slow. */
Test(comebacks, no_more_than_four_ask_at_once)
{
	struct incident incident = {.id = 0xab, .exit_ns = NSEC_PER_SEC};
	_cleanup_free_ char *course = NULL;
	struct comebacks *comebacks;
	unsigned int running = 0, most = 0;
	uv_loop_t loop;

	write_systemctl("printf + >>course\nsleep 0.1\n"
			"printf 'LoadState=loaded\\nActiveState=active\\nMainPID=80\\n'\n"
			"printf - >>course\n");
	uv_loop_init(&loop);
	comebacks = comebacks_new(&(const struct comebacks_config){
		.loop = &loop, .systemctl = systemctl, .on_comeback = on_comeback});
	incident.target.unit = (char[]){"web.service"};
	for (unsigned int i = 0; i < 12; i++)
		comebacks_follow(comebacks, &incident);
	uv_run(&loop, UV_RUN_DEFAULT);
	comebacks_free(comebacks);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&loop), 0);
	cr_expect_eq(outcomes, 12);
	cr_assert_eq(file_read(fixture_root(), "course", &course, NULL), 0);
	for (const char *c = course; *c; c++) {
		running += *c == '+' ? 1U : -1U;
		most = MAX(most, running);
	}
	cr_expect(most >= 1 && most <= 4, "%u", most);
}

static unsigned int answers;

static void on_no_states(const char *text, void *userdata)
{
	(void)userdata;
	cr_expect_null(text);
	answers++;
}

/* One that hangs is killed, and who asked is answered at once, and once. */
Test(comebacks, a_manager_that_hangs_is_no_answer)
{
	static const char *const unit = "web.service";
	struct manager_call *call;
	uv_loop_t loop;
	struct manager_request request = {
		.loop = &loop,
		.systemctl = systemctl,
		.units = &unit,
		.unit_count = 1,
		.patience_ms = 50,
		.on_states = on_no_states,
	};

	make_systemctl("active\n");
	fixture_file("systemctl", "#!/bin/sh\nexec sleep 1000\n");
	uv_loop_init(&loop);
	for (unsigned int i = 1; i <= 2; i++) {
		request.job = i == 2 ? MANAGER_START : MANAGER_NO_JOB;
		cr_assert_eq(manager_ask(&call, &request), 0);
		uv_run(&loop, UV_RUN_DEFAULT);
		cr_expect_eq(answers, i);
		manager_drop(call);
	}
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&loop), 0);
}

Test(comebacks, one_that_somebody_else_told_to_stop_is_left_alone)
{
	make_systemctl("inactive\n");
	action = APO_ACT_TOLD;
	follow("web.service", true, systemctl);
	cr_expect_eq(last.outcome, COMEBACK_STOPPED);
	expect_asked(SHOW SHOW);
}

/* A scope is its creator's to bring back, and so is a slice nobody's. */
Test(comebacks, a_unit_that_is_no_service_is_not_followed)
{
	uv_loop_t loop;
	struct incident incident = {.exit_ns = 1};
	struct comebacks *comebacks;

	uv_loop_init(&loop);
	comebacks = comebacks_new(&(const struct comebacks_config){
		.loop = &loop, .systemctl = "/bin/false", .on_comeback = on_comeback});
	incident.target.unit = (char[]){"docker-0123.scope"};
	comebacks_follow(comebacks, &incident);
	incident.target.unit = (char[]){"user@1000.service"};
	incident.target.user_unit = (char[]){"app.service"};
	comebacks_follow(comebacks, &incident);
	incident = (struct incident){.target.unit = (char[]){"web.service"}}; /* that runs on */
	comebacks_follow(comebacks, &incident);
	cr_expect_not(comebacks_are_open(comebacks));
	comebacks_free(comebacks);
	cr_expect_eq(uv_loop_close(&loop), 0);
}

Test(comebacks, a_command_without_a_loop_asks_and_waits)
{
	struct unit_state state;

	make_systemctl("active\n");
	cr_assert_eq(manager_ask_now(systemctl, "web.service", &state), 0);
	cr_expect_eq(state.activity, UNIT_UP);
	cr_expect_eq(state.main_pid, 80);
	cr_expect_eq(manager_ask_now("/bin/true", "web.service", &state), -ETIMEDOUT);
	cr_expect_eq(manager_ask_now("/nonexistent", "web.service", &state), -ENOENT);
}
