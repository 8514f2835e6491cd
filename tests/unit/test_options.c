/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/util.h"
#include "core/option_table.h"
#include "core/options.h"
#include "unit/command_line.h"

#define MIB (1024ULL * 1024)
Test(options, defaults_are_those_of_the_table)
{
	struct options o = WATCH("--all");

	cr_expect_eq(o.command, COMMAND_WATCH);
	cr_expect_eq(o.mode, MODE_ALL);
	cr_expect_eq(o.pid, 0);
	cr_expect_null(o.cgroup);
	cr_expect_eq(o.limit_bytes, 0);
	cr_expect_eq(o.policy.reserve_bytes, 0);
	cr_expect_eq(o.policy.reserve_permyriad, 1000);
	cr_expect_eq(o.policy.reserve_max_bytes, 64 * MIB);
	cr_expect_eq(o.policy.forecast_ns, 0);
	cr_expect_eq(o.policy.signal, SIGTERM);
	cr_expect_eq(o.policy.target, APO_TARGET_GROWER);
	cr_expect_eq(o.policy.grace_ns, 0);
	cr_expect_eq(o.policy.warn_permyriad, 0);
	cr_expect_eq(o.policy.warn_signal, 0);
	cr_expect_eq(o.policy.cooldown_ns, 10 * NSEC_PER_SEC);
	cr_expect_not(o.policy.dry_run);
	cr_expect_not(o.json);
	cr_expect_null(o.report_dir);
	cr_expect_eq(o.accounts, 0);
	cr_expect_eq(o.verbosity, 0);
	cr_expect_null(o.argv);
	cr_expect_eq(RUN("--", "x").exit_on_trip, 75);
}

Test(options, every_option_of_watch_is_parsed)
{
	struct options o = WATCH("--cgroup", "/a", "--reserve=32M", "--forecast", "500ms",
				 "--signal=USR1", "--target", "leader", "--grace=30s", "--dry-run");

	cr_expect_eq(o.mode, MODE_CGROUP);
	cr_expect_str_eq(o.cgroup, "/a");
	cr_expect_eq(o.policy.reserve_bytes, 32 * MIB);
	cr_expect_eq(o.policy.reserve_permyriad, 0);
	cr_expect_eq(o.policy.forecast_ns, 500 * NSEC_PER_MSEC);
	cr_expect_eq(o.policy.signal, SIGUSR1);
	cr_expect_eq(o.policy.target, APO_TARGET_LEADER);
	cr_expect_eq(o.policy.grace_ns, 30 * NSEC_PER_SEC);
	cr_expect(o.policy.dry_run);

	o = WATCH("--pod", "2c48913c-b29f-11e7-9350-020968147796");
	cr_expect_eq(o.mode, MODE_POD);
	cr_expect_str_eq(o.pod, "2c48913c-b29f-11e7-9350-020968147796");

	o = WATCH("--pid", "77", "--warn", "80%:HUP", "--cooldown", "1m30s", "--json",
		  "--report-dir", "/r", "-v", "-vv");
	cr_expect_eq(o.mode, MODE_PID);
	cr_expect_eq(o.pid, 77);
	cr_expect_eq(o.policy.warn_permyriad, 8000);
	cr_expect_eq(o.policy.warn_signal, SIGHUP);
	cr_expect_eq(o.policy.cooldown_ns, 90 * NSEC_PER_SEC);
	cr_expect(o.json);
	cr_expect_str_eq(o.report_dir, "/r");
	cr_expect_eq(o.verbosity, 3);
	cr_expect_eq(WATCH("--all", "-q").verbosity, -1);
	cr_expect_eq(WATCH("--all", "--accounts=9").accounts, 9);
	cr_expect_str_eq(WATCH("--all", "--metrics-textfile", "/a.prom").metrics_textfile,
			 "/a.prom");
	o = WATCH("--all", "--metrics-textfile=off");
	cr_expect(o.no_metrics_textfile && !o.metrics_textfile);
	cr_expect_eq(WATCH("--all", "--target=all").policy.target, APO_TARGET_ALL);
}

Test(options, the_last_of_a_repeated_option_wins)
{
	struct options o = WATCH("--all", "--reserve", "32M", "--reserve", "12.5%", "--grace",
				 "10s", "--grace=off");

	cr_expect_eq(o.policy.reserve_bytes, 0);
	cr_expect_eq(o.policy.reserve_permyriad, 1250);
	cr_expect_eq(o.policy.reserve_max_bytes, 0);
	cr_expect_eq(o.policy.grace_ns, 0);
}

Test(options, an_airbag_has_a_size_and_an_end)
{
	struct options o = WATCH("--all");
	struct apo_policy policy;

	cr_expect_eq(o.policy.airbag, AIRBAG_AUTO);
	cr_expect_eq(policy_lends_bytes(&o.policy, 256 * MIB), 256 * MIB);
	o = WATCH("--all", "--airbag", "off");
	policy_kernel(&o.policy, 4096, &policy);
	cr_expect_eq(policy.flags, 0);
	cr_expect_eq(policy_lends_bytes(&o.policy, 256 * MIB), 0);
	o = WATCH("--all", "--airbag", "auto", "--airbag-max", "50%");
	cr_expect_eq(o.policy.airbag, AIRBAG_AUTO);
	cr_expect_eq(o.policy.grace_ns, 0);
	cr_expect_eq(policy_lends_bytes(&o.policy, 256 * MIB), 128 * MIB);
	o = WATCH("--all", "--airbag-max", "1G");
	cr_expect_eq(policy_lends_bytes(&o.policy, 256 * MIB), 1024 * MIB);
	policy_kernel(&o.policy, 4096, &policy);
	cr_expect_eq(policy.flags, APO_POLICY_AIRBAG | APO_POLICY_BRAKE);
	o = WATCH("--all", "--airbag=64M", "--grace", "3s");
	cr_expect_eq(o.policy.airbag, AIRBAG_FIXED);
	cr_expect_eq(o.policy.airbag_bytes, 64ULL << 20);
	cr_expect_eq(o.policy.airbag_permyriad, 0);
	cr_expect_eq(o.policy.grace_ns, 3 * NSEC_PER_SEC);
	o = WATCH("--all", "--airbag=12.5%");
	cr_expect_eq(o.policy.airbag_bytes, 0);
	cr_expect_eq(o.policy.airbag_permyriad, 1250);
	o = WATCH("--all", "--airbag=64M", "--airbag=off");
	cr_expect_eq(o.policy.airbag, AIRBAG_OFF);
	cr_expect_eq(o.policy.grace_ns, 0);
}

Test(options, report_takes_one_name)
{
	struct options o = command_line(COMMAND_REPORT, (const char *const[WORDS]){NULL});

	cr_expect_null(o.report);
	cr_expect_null(o.report_dir);
	o = command_line(COMMAND_REPORT, (const char *const[WORDS]){"list", "--report-dir", "/r"});
	cr_expect_str_eq(o.report, "list");
	cr_expect_str_eq(o.report_dir, "/r");
}

Test(options, reports_are_kept_unless_told)
{
	struct options o = WATCH("--all");

	cr_expect_null(o.report_dir);
	cr_expect_not(o.no_reports);
	o = WATCH("--all", "--report-dir", "off");
	cr_expect_null(o.report_dir);
	cr_expect(o.no_reports);
	o = WATCH("--all", "--report-dir", "off", "--report-dir", "./off");
	cr_expect_str_eq(o.report_dir, "./off");
	cr_expect_not(o.no_reports);
}

Test(options, the_brake_is_on_unless_told)
{
	struct options o = WATCH("--all");

	cr_expect(o.policy.brake);
	o = WATCH("--all", "--brake", "off");
	cr_expect_not(o.policy.brake);
	o = WATCH("--all", "--brake=off", "--brake=auto");
	cr_expect(o.policy.brake);
}

Test(options, warn_without_signal_is_only_an_event)
{
	struct options o = WATCH("--all", "--warn=75.5%");

	cr_expect_eq(o.policy.warn_permyriad, 7550);
	cr_expect_eq(o.policy.warn_signal, 0);
	cr_expect_eq(WATCH("--all", "--warn=80%:TERM", "--warn=off").policy.warn_signal, 0);
	cr_expect(WATCH("--all", "--warn=80%:auto").policy.warn_by_profile);
	cr_expect_not(WATCH("--all", "--warn=80%:auto", "--warn=80%").policy.warn_by_profile);
	cr_expect_str_eq(WATCH("--all", "--profiles", "x").profiles, "x");
	cr_expect(WATCH("--all", "--profiles", "x", "--profiles=off").no_profiles);
}

Test(options, hooks_are_off_unless_told)
{
	static const char *const refused[] = {
		"",	"ftp://host",	     "https://", "http:///x", "https://a b",
		"host", "file:///etc/passwd"};
	struct options options = WATCH("--all");

	cr_expect_null(options.hook);
	cr_expect_null(options.webhook);
	cr_expect_null(options.hook_user);
	options = WATCH("--all", "--hook", "mail ops", "--webhook", "https://host/x?y",
			"--hook-user", "7", "--hook-events", "warn");
	cr_expect_str_eq(options.hook, "mail ops");
	cr_expect_str_eq(options.webhook, "https://host/x?y");
	cr_expect_str_eq(options.hook_user, "7");
	options = WATCH("--all", "--hook", "mail", "--hook", "off", "--webhook", "off");
	cr_expect_null(options.hook);
	cr_expect_null(options.webhook);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		_cleanup_free_ char *error = NULL;
		const char *const words[WORDS] = {"--all", "--webhook", refused[i]};

		cr_expect_eq(command_line_parse(COMMAND_WATCH, words, &options, &error), -EINVAL,
			     "%s", refused[i]);
		cr_expect_str_eq(error, "--webhook '...': give an http or https URL, or off");
	}
}

Test(options, run_takes_the_rest_as_the_command)
{
	struct options o = RUN("--limit", "256M", "--", "srv", "--json", "-q");

	cr_expect_eq(o.limit_bytes, 256 * MIB);
	cr_expect_eq(o.argc, 3);
	cr_expect_str_eq(o.argv[0], "srv");
	cr_expect_str_eq(o.argv[1], "--json");
	cr_expect_str_eq(o.argv[2], "-q");
	cr_expect_null(o.argv[3]);
	cr_expect_not(o.json);
	cr_expect_eq(o.mode, MODE_NONE);

	o = RUN("-q", "srv", "--limit", "1G");
	cr_expect_eq(o.argc, 3);
	cr_expect_eq(o.limit_bytes, 0);

	o = RUN("--", "--", "x");
	cr_expect_str_eq(o.argv[0], "--");
}

Test(options, rss_takes_one_pid_anywhere)
{
	struct options o = command_line(COMMAND_RSS, (const char *const[WORDS]){"--json", "12"});

	cr_expect_eq(o.pid, 12);
	cr_expect(o.json);
	o = command_line(COMMAND_RSS, (const char *const[WORDS]){"12", "--json"});
	cr_expect_eq(o.pid, 12);
	cr_expect(o.json);
}

Test(options, help_asks_for_nothing_else)
{
	for (enum command c = COMMAND_WATCH; c < COMMANDS; c++) {
		cr_expect(command_line(c, (const char *const[WORDS]){"--help"}).help);
		cr_expect(command_line(c, (const char *const[WORDS]){"-h", "--nonsense"}).help);
	}
}

Test(options, bad_input_gets_one_line_with_the_value_and_the_remedy)
{
	static const struct refused_line lines[] = {
		{COMMAND_WATCH,
		 {NULL},
		 "nothing to guard: give --pid, --cgroup, --pod or --all, see apoptosis watch "
		 "--help"},
		{COMMAND_WATCH,
		 {"--pid", "1", "--all"},
		 "--all: give --pid, --cgroup, --pod or --all only once"},
		{COMMAND_WATCH,
		 {"--all", "--all"},
		 "--all: give --pid, --cgroup, --pod or --all only once"},
		{COMMAND_WATCH,
		 {"--cgroup", "/a", "--cgroup=/b"},
		 "--cgroup: give --pid, --cgroup, --pod or --all only once"},
		{COMMAND_WATCH, {"--pid", "0"}, "--pid '0': give the number of a running process"},
		{COMMAND_WATCH, {"--pid=12x"}, "--pid '12x': give the number of a running process"},
		{COMMAND_WATCH, {"--cgroup", ""}, "--cgroup '': give the path of a cgroup"},
		{COMMAND_WATCH, {"--pod", ""}, "--pod '': give the metadata.uid of a pod"},
		{COMMAND_WATCH, {"--pod", "../x"}, "--pod '../x': give the metadata.uid of a pod"},
		{COMMAND_WATCH,
		 {"--all", "--limit", "1G"},
		 "unknown option '--limit': it is one of apoptosis run, see apoptosis watch "
		 "--help"},
		{COMMAND_WATCH,
		 {"--all", "--bogus=1\n2"},
		 "unknown option '--bogus=1\\n2', see apoptosis watch --help"},
		{COMMAND_WATCH,
		 {"--all", "-qx"},
		 "unknown option '-qx', see apoptosis watch --help"},
		{COMMAND_WATCH,
		 {"--all", "junk"},
		 "unexpected argument 'junk', see apoptosis watch --help"},
		{COMMAND_WATCH,
		 {"--all", "--", "junk"},
		 "unexpected argument 'junk', see apoptosis watch --help"},
		{COMMAND_WATCH,
		 {"--all", "-"},
		 "unexpected argument '-', see apoptosis watch --help"},
		{COMMAND_WATCH,
		 {"--all=yes"},
		 "no value is taken by '--all=yes', see apoptosis watch --help"},
		{COMMAND_WATCH,
		 {"--all", "--reserve"},
		 "--reserve needs a value: give a size such as 64M, or a percent of the limit up "
		 "to 100%"},
		{COMMAND_WATCH,
		 {"--all", "--reserve", "12Q"},
		 "--reserve '12Q': give a size such as 64M, or a percent of the limit up to 100%"},
		{COMMAND_WATCH,
		 {"--all", "--reserve", "101%"},
		 "--reserve '101%': give a size such as 64M, or a percent of the limit up to "
		 "100%"},
		{COMMAND_WATCH,
		 {"--all", "--reserve", "0"},
		 "--reserve '0': without a reserve nothing can be saved; give a size such as 64M, "
		 "or a percent of the limit up to 100%"},
		{COMMAND_WATCH,
		 {"--all", "--reserve", "-1M"},
		 "--reserve '-1M': give a size such as 64M, or a percent of the limit up to 100%"},
		{COMMAND_WATCH,
		 {"--all", "--forecast", "soon"},
		 "--forecast 'soon': give a duration such as 500ms, or off"},
		{COMMAND_WATCH,
		 {"--all", "--grace", "0"},
		 "--grace '0': 0 is no duration here; give a duration such as 10s, or off"},
		{COMMAND_WATCH,
		 {"--all", "--airbag", "0"},
		 "--airbag '0': that raises nothing; give a size such as 128M, a percent of the "
		 "limit up to 100%, auto or off"},
		{COMMAND_WATCH,
		 {"--all", "--airbag", "120%"},
		 "--airbag '120%': give a size such as 128M, a percent of the limit up to 100%, "
		 "auto or off"},
		{COMMAND_WATCH, {"--all", "--brake", "on"}, "--brake 'on': give auto or off"},
		{COMMAND_WATCH,
		 {"--all", "--cooldown", "off"},
		 "--cooldown 'off': give a duration such as 10s"},
		{COMMAND_WATCH,
		 {"--all", "--signal", "KILL"},
		 "--signal 'KILL': that is what the kernel does already; give the name or number "
		 "of a signal that a process can handle, such as TERM"},
		{COMMAND_WATCH,
		 {"--all", "--signal=19"},
		 "--signal '19': no process can handle it; give the name or number of a signal "
		 "that a process can handle, such as TERM"},
		{COMMAND_WATCH,
		 {"--all", "--target", "Grower"},
		 "--target 'Grower': give grower, only-grower, leader or all"},
		{COMMAND_WATCH,
		 {"--all", "--warn", "80"},
		 "--warn '80': give a percent of the limit below 100%, with a signal or auto if "
		 "wanted, "
		 "such as 80%:USR1, or off"},
		{COMMAND_WATCH,
		 {"--all", "--warn", "100%"},
		 "--warn '100%': give a percent of the limit below 100%, with a signal or auto if "
		 "wanted, "
		 "such as 80%:USR1, or off"},
		{COMMAND_WATCH,
		 {"--all", "--warn", "80%:KILL"},
		 "--warn '80%:KILL': that is what the kernel does already; give a percent of the "
		 "limit below 100%, with a signal or auto if wanted, such as 80%:USR1, or off"},
		{COMMAND_WATCH,
		 {"--all", "--warn", "80%:"},
		 "--warn '80%:': give a percent of the limit below 100%, with a signal or auto if "
		 "wanted, "
		 "such as 80%:USR1, or off"},
		{COMMAND_WATCH,
		 {"--all", "--warn", "80%:autos"},
		 "--warn '80%:autos': give a percent of the limit below 100%, with a signal or "
		 "auto if wanted, "
		 "such as 80%:USR1, or off"},
		{COMMAND_WATCH,
		 {"--all", "--profiles", ""},
		 "--profiles '': give the path of a directory, or off"},
		{COMMAND_WATCH,
		 {"--all", "--warn", "90%"},
		 "--warn '90%': the reserve begins at 90% of the limit; give a lower level or a "
		 "smaller --reserve"},
		{COMMAND_WATCH,
		 {"--warn=95.5%", "--all", "--reserve", "5.25%"},
		 "--warn '95.5%': the reserve begins at 94.75% of the limit; give a lower level "
		 "or a smaller --reserve"},
		{COMMAND_WATCH,
		 {"--all", "--accounts", "0"},
		 "--accounts '0': give a number from 1 to 262144"},
		{COMMAND_WATCH,
		 {"--all", "--accounts=262145"},
		 "--accounts '262145': give a number from 1 to 262144"},
		{COMMAND_WATCH,
		 {"--all", "--report-dir="},
		 "--report-dir '': give the path of a directory, or off"},
		{COMMAND_WATCH,
		 {"--all", "--metrics-textfile", "a.prom"},
		 "--metrics-textfile 'a.prom': it is no whole path; give the whole path of a file, "
		 "or off"},
		{COMMAND_WATCH,
		 {"--all", "--metrics-listen", "0.0.0.0:9944"},
		 "--metrics-listen '0.0.0.0:9944': only this machine may ask; give unix:/PATH, "
		 "127.0.0.1:PORT or [::1]:PORT, or off"},
		{COMMAND_WATCH,
		 {"--all", "--metrics-listen", "unix:a.sock"},
		 "--metrics-listen 'unix:a.sock': it is no whole path; give unix:/PATH, "
		 "127.0.0.1:PORT or [::1]:PORT, or off"},
		{COMMAND_WATCH,
		 {"--all", "--metrics-textfile", "/a/"},
		 "--metrics-textfile '/a/': it is a directory; give the whole path of a file, or "
		 "off"},
		{COMMAND_RUN,
		 {"--json"},
		 "no command: give -- CMD [ARG...], see apoptosis run --help"},
		{COMMAND_RUN, {"--"}, "no command: give -- CMD [ARG...], see apoptosis run --help"},
		{COMMAND_RUN,
		 {"--all", "--", "x"},
		 "unknown option '--all': it is one of apoptosis watch, see apoptosis run --help"},
		{COMMAND_RUN,
		 {"--limit", "0", "--", "x"},
		 "--limit '0': no program starts in less than 1M; give a size such as 256M"},
		{COMMAND_RUN,
		 {"--limit", "1023K", "--", "x"},
		 "--limit '1023K': no program starts in less than 1M; give a size such as 256M"},
		{COMMAND_RUN,
		 {"--exit-on-trip", "0", "--", "x"},
		 "--exit-on-trip '0': 0 says that all is done; give an exit status from 1 to 255, "
		 "or off"},
		{COMMAND_RUN,
		 {"--exit-on-trip=256", "--", "x"},
		 "--exit-on-trip '256': give an exit status from 1 to 255, or off"},
		{COMMAND_RUN,
		 {"--exit-on-trip=on", "--", "x"},
		 "--exit-on-trip 'on': give an exit status from 1 to 255, or off"},
		{COMMAND_RUN,
		 {"--exit-on-trip", "", "--", "x"},
		 "--exit-on-trip '': give an exit status from 1 to 255, or off"},
		{COMMAND_WATCH,
		 {"--all", "--then=start"},
		 "--then 'start': give restart or nothing"},
		{COMMAND_RUN,
		 {"--then", "restart", "--", "x"},
		 "unknown option '--then': it is one of apoptosis watch, see apoptosis run --help"},
		{COMMAND_WATCH,
		 {"--all", "--exit-on-trip", "off"},
		 "unknown option '--exit-on-trip': it is one of apoptosis run, see apoptosis watch "
		 "--help"},
		{COMMAND_RUN,
		 {"--limit", "64M", "--reserve", "64M", "--", "x"},
		 "--reserve '64.0 MiB': the limit is 64.0 MiB; give a smaller reserve"},
		{COMMAND_RUN,
		 {"--limit=100M", "--reserve=25M", "--warn=75%", "--", "x"},
		 "--warn '75%': the reserve begins at 75% of the limit; give a lower level or a "
		 "smaller --reserve"},
		{COMMAND_RSS, {NULL}, "no process: give a PID, see apoptosis rss --help"},
		{COMMAND_RSS, {"self"}, "PID 'self': give the number of a running process"},
		{COMMAND_RSS, {"1", "2"}, "unexpected argument '2', see apoptosis rss --help"},
		{COMMAND_REPORT,
		 {"list", "latest"},
		 "unexpected argument 'latest', see apoptosis report --help"},
		{COMMAND_RSS,
		 {"1", "--dry-run"},
		 "unknown option '--dry-run': it is one of apoptosis watch, see apoptosis rss "
		 "--help"},
		{COMMAND_REPORT,
		 {"latest", "--since", "1d"},
		 "--since is for a list: give report list"},
		{COMMAND_TRIP, {"/a"}, "a trip is only rehearsed: give --dry-run"},
		{COMMAND_TRIP,
		 {"--dry-run"},
		 "nothing to rehearse for: give a CGROUP or a PID, see apoptosis trip --help"},
		{COMMAND_DOCTOR, {"now"}, "unexpected argument 'now', see apoptosis doctor --help"},
	};

	expect_refused(lines, ARRAY_SIZE(lines));
}

Test(options, a_warning_just_below_the_reserve_is_accepted)
{
	cr_expect_eq(WATCH("--all", "--warn=89.99%").policy.warn_permyriad, 8999);
	cr_expect_eq(
		RUN("--limit=100M", "--reserve=25M", "--warn=74.99%", "x").policy.warn_permyriad,
		7499);
}

Test(options, commands_are_found_by_name)
{
	enum command command = COMMANDS;

	cr_expect_eq(command_find("doctor", &command), 0);
	cr_expect_eq(command, COMMAND_DOCTOR);
	cr_expect_eq(command_find("watc", &command), -ENOENT);
	cr_expect_eq(command, COMMAND_DOCTOR);
}

Test(options, a_report_has_one_format)
{
	static const struct {
		const char *words[WORDS];
		enum output_format format;
	} good[] = {
		{{"latest"}, FORMAT_TEXT},
		{{"--json", "--json"}, FORMAT_JSON},
		{{"00aa", "--folded"}, FORMAT_FOLDED},
		{{"--pprof"}, FORMAT_PPROF},
		{{"--html=-"}, FORMAT_HTML},
		{{"list", "--json"}, FORMAT_JSON},
	};
	static const char *const bad[][WORDS] = {
		{"--json", "--folded"},
		{"--html", "a", "--json"},
		{"--pprof", "--html", "a"},
		{"list", "--pprof"},
		{"list", "--html", "-"},
		{"--html="},
		{"--html"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct options o = command_line(COMMAND_REPORT, good[i].words);

		cr_expect_eq(options_format(&o), good[i].format, "%s", good[i].words[0]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_free_ char *error = NULL;
		struct options o;

		cr_expect_eq(command_line_parse(COMMAND_REPORT, bad[i], &o, &error), -EINVAL, "%s",
			     bad[i][0]);
		cr_expect_not_null(error);
	}
}
