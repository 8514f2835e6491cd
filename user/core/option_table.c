/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/option_table.h"

#include <string.h>

#include "base/util.h"
#include "core/notify.h"

#define BIT(command) (1U << (command))
#define GUARDING (BIT(COMMAND_WATCH) | BIT(COMMAND_RUN))
#define DECIDING (GUARDING | BIT(COMMAND_EXPLAIN))
#define EVERY ((1U << COMMANDS) - 1)
#define CONFIGURED \
	(BIT(COMMAND_CHECK_CONFIG) | BIT(COMMAND_CONFIG) | BIT(COMMAND_DAEMON) | BIT(COMMAND_TRIP))
#define POLICY OPTION_OF_POLICY
#define HOST OPTION_OF_HOST

static const struct option_row rows[] = {
	{"--pid", 0, NULL, "PID", "the number of a running process", NULL, BIT(COMMAND_WATCH),
	 "Guard this process, its children and the limit that binds it.", option_set_pid},
	{"--cgroup", 0, NULL, "PATH", "the path of a cgroup", NULL, BIT(COMMAND_WATCH),
	 "Guard this cgroup and all below it. PATH is below the cgroup root or absolute.",
	 option_set_cgroup},
	{"--pod", 0, NULL, "UID", "the metadata.uid of a pod", NULL, BIT(COMMAND_WATCH),
	 "Guard the pod of this uid (metadata.uid, which a pod can have in its environment) and "
	 "all its containers: its cgroup is found under both cgroup drivers. Takes the whole ID "
	 "of a pod of Podman, too.",
	 option_set_pod},
	{"--all", 0, NULL, NULL, NULL, NULL, BIT(COMMAND_WATCH),
	 "Guard every limited cgroup, those created later included.", option_set_all},
	{"--limit", 0, NULL, "SIZE", "a size such as 256M", NULL, BIT(COMMAND_RUN),
	 "Run CMD in a new cgroup with this memory limit.", option_set_limit},
	{"--exit-on-trip", 0, NULL, "CODE|off", "an exit status from 1 to 255, or off", "75",
	 BIT(COMMAND_RUN),
	 "Exit with CODE where CMD itself was signalled by a trip and ends its shutdown with "
	 "status "
	 "0, so that nobody takes a job that was broken off for a finished one. 75 is EX_TEMPFAIL: "
	 "try again. Any other status of CMD is passed on, and so is its 0 with off.",
	 option_set_exit_on_trip},
	{"--require-protection", 0, NULL, NULL, NULL, NULL, BIT(COMMAND_RUN) | BIT(COMMAND_WATCH),
	 "Do not start where the kernel side cannot be loaded; nor run CMD where no limit is in "
	 "force. Without this CMD runs all the same, and what is guarded by its cgroup or pid is "
	 "guarded by looking at its limit every 2 ms to 1 s instead: late for fast spikes, and "
	 "nothing is lent.",
	 option_set_require_protection},
	{"--pressure-watch", 0, NULL, "yes|no", "yes or no", "yes", BIT(COMMAND_RUN),
	 "Let CMD hear when its limit is nearly reached, so that it drops its caches before "
	 "anybody has "
	 "to "
	 "stop: MEMORY_PRESSURE_WATCH in its environment, as systemd has it, names a socket on "
	 "which a "
	 "byte comes at the level of --warn, which is then 80% unless given.",
	 option_set_pressure_watch},
	{"--then", 0, "then", "restart|nothing", "restart or nothing", "nothing",
	 BIT(COMMAND_WATCH),
	 "Have systemd start a service again that is down after its shutdown, which "
	 "Restart=on-failure "
	 "does not: for it that was a success. The unit's own limits on starts (StartLimitBurst=) "
	 "hold. Without systemd nothing is started.",
	 option_set_then},
	{"--reserve", 0, "reserve", "SIZE|PERCENT",
	 "a size such as 64M, or a percent of the limit up to 100%", "10%",
	 DECIDING | POLICY | HOST,
	 "Where the limit is not raised (--airbag), act when less headroom than this is left below "
	 "it. Page cache that the kernel can drop counts as headroom. The reserve is what the "
	 "shutdown itself may use. Unless given, it is at most 64M.",
	 option_set_reserve},
	{"--forecast", 0, "forecast", "DURATION|off", "a duration such as 500ms, or off", "off",
	 GUARDING | POLICY | HOST,
	 "Where the limit is not raised, act also when growth would reach it within this time and "
	 "the level is already high.",
	 option_set_forecast},
	{"--signal", 0, "signal", "NAME",
	 "the name or number of a signal that a process can handle, such as TERM", "TERM",
	 DECIDING | POLICY,
	 "The signal that asks for the shutdown. Unless it is given: INT where TERM has no handler "
	 "and INT "
	 "has one, as in CPython.",
	 option_set_signal},
	{"--target", 0, "target", "WHO", "grower, only-grower, leader or all", "grower",
	 DECIDING | POLICY,
	 "Who gets the signal: the process that grew, and where it would not act on it the main "
	 "process of its container; only the process that grew; the main process; or all "
	 "processes of the cgroup whose limit binds (grower, only-grower, leader, all).",
	 option_set_target},
	{"--grace", 0, "grace", "DURATION|off", "a duration such as 10s, or off", "off",
	 DECIDING | POLICY,
	 "Send SIGKILL to the target of a trip that still runs after this time, also if no signal "
	 "made sense for it, unless headroom is back above the line that it tripped at. With off, "
	 "what still needs a loan 10s after its trip gets SIGKILL all the same.",
	 option_set_grace},
	{"--airbag", 0, "airbag", "SIZE|PERCENT|auto|off",
	 "a size such as 128M, a percent of the limit up to 100%, auto or off", "auto",
	 DECIDING | POLICY,
	 "Raise the limit a little, silently, just before it is reached, and signal only when need "
	 "passes the limit as it was; then raise it by so much in all, for as long as the shutdown "
	 "takes and at most 2s longer than the grace (10s unless given), never by more than the "
	 "machine can "
	 "spare. auto goes by the growth rate. Where the limit cannot be raised, and with off, the "
	 "reserve is kept instead.",
	 option_set_airbag},
	{"--airbag-max", 0, "airbag-max", "SIZE|PERCENT",
	 "a size such as 512M, or a percent of the limit up to 100%", "100%", DECIDING | POLICY,
	 "With --airbag auto, the most by which a limit is ever raised.", option_set_airbag_max},
	{"--lend-max", 0, "lend-max", "SIZE|PERCENT",
	 "a size such as 4G, or a percent of the machine's memory up to 100%", NULL, GUARDING,
	 "The most by which all limits together are ever raised at a time. Unless given, it is "
	 "what "
	 "the machine can spare.",
	 option_set_lend_max},
	{"--brake", 0, "brake", "auto|off", "auto or off", "auto", GUARDING | POLICY,
	 "When the signal is taken and no more can be lent, slow down what uses up the rest: by "
	 "memory.high on cgroup v2, in the page fault on v1.",
	 option_set_brake},
	{"--warn", 0, "warn", "LEVEL[:SIGNAL|:auto]",
	 "a percent of the limit below 100%, with a signal or auto if wanted, such as 80%:USR1, or "
	 "off",
	 "off", GUARDING | POLICY | HOST,
	 "Report, and send the softer SIGNAL if one is named, at this percent of the limit, which "
	 "must come before the reserve. With auto it is what the profile of the program says, such "
	 "as INT to cancel a query of PostgreSQL, and nothing for programs without one.",
	 option_set_warn},
	{"--profiles", 0, "profiles", "DIR|off", "the path of a directory, or off", NULL, DECIDING,
	 "Where the profiles are, files that say how well-known programs are told to stop. Unless "
	 "told, lib/apoptosis/profiles.d where this program is installed, and "
	 "/etc/apoptosis/profiles.d, whose files take the place of those of the same name.",
	 option_set_profiles},
	{"--cooldown", 0, "cooldown", "DURATION", "a duration such as 10s", "10s",
	 GUARDING | POLICY, "Least time between two signals to one process.", option_set_cooldown},
	{"--accounts", 0, "accounts", "N", "a number from 1 to 262144", NULL, GUARDING,
	 "Keep room for the accounts of so many limits. Where there is none left, those of idle "
	 "limits go. Unless given, it is four times the cgroups that there are at the start, and "
	 "4096 at least.",
	 option_set_accounts},
	{"--dry-run", 0, "dry-run", NULL, NULL, NULL, GUARDING | POLICY | HOST | BIT(COMMAND_TRIP),
	 "Decide and report, but send no signal and lend nothing.", option_set_dry_run},
	{"--config", 'c', NULL, "FILE", "the path of a file", NULL, CONFIGURED,
	 "Read this file, and no other. Unless told, apoptosis.conf of the first of "
	 "/etc/apoptosis, "
	 "/run/apoptosis, /usr/local/lib/apoptosis and /usr/lib/apoptosis that has one, then "
	 "conf.d/*.conf of all of "
	 "them in the order of their names; of one name the first counts, and a link to /dev/null "
	 "masks the others.",
	 option_set_config},
	{"--pin-dir", 0, "pin-dir", "DIR|off",
	 "the path of a directory in a BPF file system, or off", NULL, BIT(COMMAND_DAEMON),
	 "Where the programs are kept in the kernel if the daemon is killed: they go on signalling "
	 "until the next start, "
	 "which takes over from them. Unless told, apoptosis in the usual place of that file "
	 "system.",
	 option_set_pin_dir},
	{"--control-group", 0, "control-group", "GROUP|off",
	 "the name or number of a group, or off", "off", BIT(COMMAND_DAEMON),
	 "Whose members may ask the daemon for its status, beside root.", option_set_control_group},
	{"--detach-all", 0, NULL, NULL, NULL, NULL, BIT(COMMAND_DAEMON),
	 "Have a daemon that was killed leave nothing: remove the programs that are kept, put back "
	 "the "
	 "limits that are raised, and end.",
	 option_set_detach_all},
	{"--effective", 0, NULL, "CGROUP|PID",
	 "the path of a cgroup or the number of a running process", NULL, BIT(COMMAND_CONFIG),
	 "Show whose guard this has, and where each value of its policy is from.",
	 option_set_effective},
	{"--json", 0, "json", NULL, NULL, NULL, EVERY, "Write JSON, one document per line.",
	 option_set_json},
	{"--html", 0, NULL, "FILE", "the path of a file, or -", NULL, BIT(COMMAND_REPORT),
	 "Write the report as one page for a browser, which needs nothing else: what happened, the "
	 "memory over time, a flame graph of who allocated. - is standard output.",
	 option_set_html},
	{"--folded", 0, NULL, NULL, NULL, NULL, BIT(COMMAND_REPORT),
	 "Print the stacks that allocated, a line each, for flame graph tools.", option_set_folded},
	{"--pprof", 0, NULL, NULL, NULL, NULL, BIT(COMMAND_REPORT),
	 "Print the stacks that allocated as a profile.proto, for go tool pprof; binary.",
	 option_set_pprof},
	{"--report-dir", 0, "report-dir", "DIR", "the path of a directory, or off", NULL,
	 GUARDING | BIT(COMMAND_REPORT) | BIT(COMMAND_BUGREPORT),
	 "The directory of reports, a JSON file for each incident. Unless told, root's are in "
	 "/var/lib/apoptosis/reports, or where that cannot "
	 "be written in /run/apoptosis/reports, and nobody else has any. Who allocated is recorded "
	 "only where DIR is named: what grows fast pays for it.",
	 option_set_report_dir},
	{"--report-keep", 0, "report-keep", "N", "a number from 1 to 1000000", "1000", GUARDING,
	 "Of more reports than this the oldest go.", option_set_report_keep},
	{"--report-size", 0, "report-size", "SIZE", "a size such as 64M", "64M", GUARDING,
	 "Of reports that are larger together the oldest go.", option_set_report_size},
	{"--history", 0, "history", "FILE|off", "the whole path of a file, or off", NULL,
	 BIT(COMMAND_DAEMON) | BIT(COMMAND_HISTORY),
	 "Where the daemon keeps a row for each verdict, for years. Unless told, history.db in "
	 "/var/lib/apoptosis.",
	 option_set_history},
	{"--history-rows", 0, "history-rows", "N", "a number from 1 to 100000000", NULL,
	 BIT(COMMAND_DAEMON),
	 "Of more verdicts than this the oldest go. Unless given, 100000, which take some 20 MiB.",
	 option_set_history_rows},
	{"--metrics-textfile", 0, "metrics-textfile", "FILE|off",
	 "the whole path of a file, or off", NULL, BIT(COMMAND_WATCH) | BIT(COMMAND_DAEMON),
	 "Write metrics for Prometheus to this file every 15s and soon after each incident, as the "
	 "textfile collector of its node exporter reads them. It is removed at the end.",
	 option_set_metrics_textfile},
	{"--metrics-listen", 0, "metrics-listen", "ADDRESS|off",
	 "unix:/PATH, 127.0.0.1:PORT or [::1]:PORT, or off", NULL,
	 BIT(COMMAND_WATCH) | BIT(COMMAND_DAEMON),
	 "Serve these metrics by HTTP, at /metrics, to this machine: on a socket in the file "
	 "system "
	 "or on a port.",
	 option_set_metrics_listen},
	{"--oomd-hook", 0, "oomd-hook", "DIR|off", "the path of a directory, or off", NULL,
	 BIT(COMMAND_DAEMON),
	 "Where systemd-oomd, 260 and newer, looks for those whom it tells what it is about to "
	 "kill, "
	 "so that it is asked to stop before. Unless told, /run/systemd/oomd.prekill.hook where "
	 "systemd runs.",
	 option_set_oomd_hook},
	{"--pressure-socket", 0, "pressure-socket", "PATH|off", "the path of a socket, or off",
	 NULL, BIT(COMMAND_DAEMON),
	 "Let workloads hear when a limit of theirs is nearly reached, so that they drop their "
	 "caches "
	 "before anybody has to stop: by systemd's protocol, whoever connects to this socket, "
	 "which "
	 "MEMORY_PRESSURE_WATCH in his environment names, gets a byte at the level of warn, which "
	 "is "
	 "then 80% unless given.",
	 option_set_pressure_socket},
	{"--hook", 0, "hook", "COMMAND|off", "a command for the shell, or off", "off", GUARDING,
	 "Run this at events, with the facts in its environment and the event as JSON on its "
	 "standard input. It has 10s, and nothing waits for it.",
	 option_set_hook},
	{"--webhook", 0, "webhook", "URL|off", "an http or https URL, or off", "off",
	 GUARDING | OPTION_SECRET,
	 "Post events there, as JSON. In a file that only root reads, a URL that holds a secret "
	 "stays one.",
	 option_set_webhook},
	{"--hook-events", 0, "hook-events", "EVENTS", NOTIFY_EVENTS_RANGE, NOTIFY_EVENTS_DEFAULT,
	 GUARDING, "At which events hooks are run: warn, trip, verdict, oom_kill.",
	 option_set_hook_events},
	{"--hook-user", 0, "hook-user", "USER", "the name or number of a user", NULL, GUARDING,
	 "As whom hooks are run. Unless given, nobody, or who runs this if that is not root.",
	 option_set_hook_user},
	{"--since", 0, NULL, "DURATION", "a duration such as 7d", NULL,
	 BIT(COMMAND_HISTORY) | BIT(COMMAND_REPORT),
	 "Only what was judged in this time before now. Unless given, all of it.",
	 option_set_since},
	{"--guard", 0, NULL, "NAME", "the name of a guard", NULL, BIT(COMMAND_REPORT),
	 "With list, only what was judged by this guard of the configuration.", option_set_guard},
	{"--csv", 0, NULL, NULL, NULL, NULL, BIT(COMMAND_HISTORY),
	 "Print the rows themselves, with commas between their values.", option_set_csv},
	{"--once", 0, NULL, NULL, NULL, NULL, BIT(COMMAND_TOP),
	 "Print what there is now as text, all limits, and end.", option_set_once},
	{"--batch", 0, NULL, NULL, NULL, NULL, BIT(COMMAND_TOP),
	 "Print one screen after the other as text, until interrupted.", option_set_batch},
	{"--interval", 0, NULL, "DURATION", "a duration from 200ms to 1h", "1s", BIT(COMMAND_TOP),
	 "The time from one screen to the next.", option_set_interval},
	{"--output", 'o', NULL, "FILE", "the path of a file that is not there yet", NULL,
	 BIT(COMMAND_BUGREPORT),
	 "Write it there. Unless told, to apoptosis-bugreport-TIME.tar.gz in this directory.",
	 option_set_output},
	{"--quiet", 'q', NULL, NULL, NULL, NULL, GUARDING | BIT(COMMAND_DAEMON),
	 "Print events and errors only.", option_set_quiet},
	{"--verbose", 'v', NULL, NULL, NULL, NULL, EVERY,
	 "Say more about what is done; twice: what libbpf says, too.", option_set_verbose},
	{"--help", 'h', NULL, NULL, NULL, NULL, EVERY, "Show this help.", option_set_help},
};

const struct option_row *options_rows(size_t *ret_count)
{
	*ret_count = ARRAY_SIZE(rows);
	return rows;
}

const struct option_row *options_find_flag(enum command command, const char *flag, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if ((rows[i].commands & BIT(command)) && strlen(rows[i].flag) == len &&
		    memcmp(rows[i].flag, flag, len) == 0)
			return &rows[i];
	}
	return NULL;
}

const struct option_row *options_find_short(enum command command, char flag)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if ((rows[i].commands & BIT(command)) && rows[i].short_flag == flag)
			return &rows[i];
	}
	return NULL;
}
