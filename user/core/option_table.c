/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/option_table.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/parse.h"
#include "base/util.h"
#include "core/room.h"

#define BIT(command) (1U << (command))
#define GUARDING (BIT(COMMAND_WATCH) | BIT(COMMAND_RUN))
#define DECIDING (GUARDING | BIT(COMMAND_EXPLAIN))
#define EVERY ((1U << COMMANDS) - 1)
#define CONFIGURED (BIT(COMMAND_CHECK_CONFIG) | BIT(COMMAND_CONFIG) | BIT(COMMAND_DAEMON))
#define POLICY OPTION_OF_POLICY

/* The least that holds the page tables and pages of a small program with libc. */
#define LIMIT_MIN_BYTES (1024ULL * 1024)

#define EXIT_STATUS_MAX 255

static bool is_off(const char *value)
{
	return strcmp(value, "off") == 0;
}

/* -EEXIST: what to guard was given already. */
static int set_mode(struct options *o, enum guard_mode mode)
{
	if (o->mode != MODE_NONE)
		return -EEXIST;
	o->mode = mode;
	return 0;
}

static int set_pid(struct options *o, const char *value, const char **ret_why)
{
	int r = parse_pid(value, &o->pid);

	(void)ret_why;
	return r < 0 ? r : set_mode(o, MODE_PID);
}

static int set_cgroup(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	if (!*value)
		return -EINVAL;
	o->cgroup = value;
	return set_mode(o, MODE_CGROUP);
}

static int set_all(struct options *o, const char *value, const char **ret_why)
{
	(void)value;
	(void)ret_why;
	return set_mode(o, MODE_ALL);
}

static int set_limit(struct options *o, const char *value, const char **ret_why)
{
	uint64_t bytes;
	int r = parse_size(value, &bytes);

	if (r < 0)
		return r;
	if (bytes < LIMIT_MIN_BYTES) {
		*ret_why = "no program starts in less than 1M";
		return -EINVAL;
	}
	o->limit_bytes = bytes;
	return 0;
}

static int set_exit_on_trip(struct options *o, const char *value, const char **ret_why)
{
	uint64_t code = 0;
	int r = is_off(value) ? 0 : parse_u64(value, &code);

	if (!r && code > EXIT_STATUS_MAX)
		r = -ERANGE;
	if (!r && !code && !is_off(value)) {
		*ret_why = "0 says that all is done";
		r = -EINVAL;
	}
	if (!r)
		o->exit_on_trip = (int)code;
	return r;
}

static int set_then(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	o->restarts = !strcmp(value, "restart");
	return o->restarts || !strcmp(value, "nothing") ? 0 : -EINVAL;
}

/* A size or a percent: the other is 0. why: what is said of nothing at all. */
static int set_size_or_percent(uint64_t *ret_bytes, uint32_t *ret_permyriad, const char *value,
			       const char *why, const char **ret_why)
{
	uint32_t permyriad = 0;
	uint64_t bytes = 0;
	int r = strchr(value, '%') ? parse_percent(value, &permyriad) : parse_size(value, &bytes);

	if (r < 0)
		return r;
	if (permyriad == 0 && bytes == 0) {
		*ret_why = why;
		return -EINVAL;
	}
	*ret_bytes = bytes;
	*ret_permyriad = permyriad;
	return 0;
}

static int set_reserve(struct options *o, const char *value, const char **ret_why)
{
	int r = set_size_or_percent(&o->policy.reserve_bytes, &o->policy.reserve_permyriad, value,
				    "without a reserve nothing can be saved", ret_why);

	if (!r)
		o->policy.reserve_max_bytes = 0;
	return r;
}

static int set_duration_or_off(uint64_t *ns, const char *value, const char **ret_why)
{
	uint64_t parsed = 0;
	int r = is_off(value) ? 0 : parse_duration(value, &parsed);

	if (r < 0)
		return r;
	if (parsed == 0 && !is_off(value)) {
		*ret_why = "0 is no duration here";
		return -EINVAL;
	}
	*ns = parsed;
	return 0;
}

static int set_forecast(struct options *o, const char *value, const char **ret_why)
{
	return set_duration_or_off(&o->policy.forecast_ns, value, ret_why);
}

static int set_grace(struct options *o, const char *value, const char **ret_why)
{
	return set_duration_or_off(&o->policy.grace_ns, value, ret_why);
}

static int set_brake(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	o->policy.brake = strcmp(value, "auto") == 0;
	return o->policy.brake || is_off(value) ? 0 : -EINVAL;
}

static int set_airbag(struct options *o, const char *value, const char **ret_why)
{
	int r;

	if (is_off(value)) {
		o->policy.airbag = AIRBAG_OFF;
		return 0;
	}
	if (strcmp(value, "auto") == 0) {
		o->policy.airbag = AIRBAG_AUTO;
		return 0;
	}
	r = set_size_or_percent(&o->policy.airbag_bytes, &o->policy.airbag_permyriad, value,
				"that raises nothing", ret_why);
	if (!r)
		o->policy.airbag = AIRBAG_FIXED;
	return r;
}

static int set_airbag_max(struct options *o, const char *value, const char **ret_why)
{
	return set_size_or_percent(&o->policy.airbag_max_bytes, &o->policy.airbag_max_permyriad,
				   value, "that lends nothing; --airbag off says so", ret_why);
}

static int set_cooldown(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	return parse_duration(value, &o->policy.cooldown_ns);
}

static int parse_usable_signal(const char *value, int *ret, const char **ret_why)
{
	int signal;
	int r = parse_signal(value, &signal);

	if (r < 0)
		return r;
	if (signal == SIGKILL)
		*ret_why = "that is what the kernel does already";
	else if (signal == SIGSTOP)
		*ret_why = "no process can handle it";
	if (*ret_why)
		return -EINVAL;
	*ret = signal;
	return 0;
}

static int set_signal(struct options *o, const char *value, const char **ret_why)
{
	o->policy.signal_given = true;
	return parse_usable_signal(value, &o->policy.signal, ret_why);
}

static int set_target(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	for (enum apo_target t = APO_TARGET_GROWER; t <= APO_TARGET_ALL; t++) {
		if (strcmp(value, target_name(t)) == 0) {
			o->policy.target = t;
			return 0;
		}
	}
	return -EINVAL;
}

/* LEVEL%[:SIGNAL|:auto] or off. */
static int set_warn(struct options *o, const char *value, const char **ret_why)
{
	const char *colon = strchr(value, ':');
	bool by_profile = colon && strcmp(colon, ":auto") == 0;
	size_t level_len = colon ? (size_t)(colon - value) : strlen(value);
	char level[32];
	uint32_t permyriad = 0;
	int signal = 0, r;

	if (!is_off(value)) {
		if (level_len >= sizeof(level))
			return -EINVAL;
		memcpy(level, value, level_len);
		level[level_len] = '\0';
		r = parse_percent(level, &permyriad);
		if (r < 0)
			return r;
		if (permyriad >= PERMYRIAD)
			return -ERANGE;
		r = colon && !by_profile ? parse_usable_signal(colon + 1, &signal, ret_why) : 0;
		if (r < 0)
			return r;
	}
	o->policy.warn_permyriad = permyriad;
	o->policy.warn_signal = signal;
	o->policy.warn_by_profile = by_profile;
	return 0;
}

static int set_accounts(struct options *o, const char *value, const char **ret_why)
{
	uint64_t accounts;
	int r = parse_u64(value, &accounts);

	(void)ret_why;
	if (!r && (!accounts || accounts > ROOM_MOST))
		r = -ERANGE;
	if (!r)
		o->accounts = (uint32_t)accounts;
	return r;
}

static int set_profiles(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	if (!*value)
		return -EINVAL;
	o->no_profiles = is_off(value);
	o->profiles = o->no_profiles ? NULL : value;
	return 0;
}

static int set_report_dir(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	if (!*value)
		return -EINVAL;
	o->no_reports = is_off(value);
	o->report_dir = o->no_reports ? NULL : value;
	return 0;
}

static int set_history(struct options *o, const char *value, const char **ret_why)
{
	if (!is_off(value) && *value != '/') {
		*ret_why = "it is no whole path";
		return -EINVAL;
	}
	o->no_history = is_off(value);
	o->history = o->no_history ? NULL : value;
	return 0;
}

static int set_since(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	return parse_duration(value, &o->since_ns);
}

static int set_csv(struct options *o, const char *value, const char **ret_why)
{
	(void)value;
	(void)ret_why;
	o->csv = true;
	return 0;
}

static int set_once(struct options *o, const char *value, const char **ret_why)
{
	(void)value;
	(void)ret_why;
	o->once = true;
	return 0;
}

static int set_batch(struct options *o, const char *value, const char **ret_why)
{
	(void)value;
	(void)ret_why;
	o->batch = true;
	return 0;
}

static int set_interval(struct options *o, const char *value, const char **ret_why)
{
	int r = parse_duration(value, &o->interval_ns);

	(void)ret_why;
	if (!r && (o->interval_ns < NSEC_PER_SEC / 5 || o->interval_ns > 3600 * NSEC_PER_SEC))
		r = -ERANGE;
	return r;
}

/* Flags have no value on a command line, and yes or no in a configuration file. */
static int parse_flag(const char *value, bool *ret)
{
	if (value && strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
		return -EINVAL;
	*ret = !value || !strcmp(value, "yes");
	return 0;
}

static int set_dry_run(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	return parse_flag(value, &o->policy.dry_run);
}

static int set_json(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	return parse_flag(value, &o->json);
}

static int set_folded(struct options *o, const char *value, const char **ret_why)
{
	(void)value;
	(void)ret_why;
	o->folded = true;
	return 0;
}

static int set_pprof(struct options *o, const char *value, const char **ret_why)
{
	(void)value;
	(void)ret_why;
	o->pprof = true;
	return 0;
}

static int set_text(const char **text, const char *value)
{
	*text = value;
	return *value ? 0 : -EINVAL;
}

static int set_html(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	return set_text(&o->html, value);
}

static int set_output(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	return set_text(&o->output, value);
}

static int set_config(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	o->config = value;
	return *value ? 0 : -EINVAL;
}

static int set_pin_dir(struct options *o, const char *value, const char **ret_why)
{
	if (!is_off(value) && *value != '/') {
		*ret_why = "it is no whole path";
		return -EINVAL;
	}
	o->no_pins = is_off(value);
	o->pin_dir = o->no_pins ? NULL : value;
	return 0;
}

static int set_control_group(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	o->control_group = is_off(value) ? NULL : value;
	return *value ? 0 : -EINVAL;
}

static int set_detach_all(struct options *o, const char *value, const char **ret_why)
{
	(void)value;
	(void)ret_why;
	o->detach_all = true;
	return 0;
}

static int set_effective(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	o->subject = value;
	return *value ? 0 : -EINVAL;
}

static int set_quiet(struct options *o, const char *value, const char **ret_why)
{
	(void)value;
	(void)ret_why;
	o->verbosity = -1;
	return 0;
}

static int set_verbose(struct options *o, const char *value, const char **ret_why)
{
	(void)value;
	(void)ret_why;
	o->verbosity = MAX(o->verbosity, 0) + 1;
	return 0;
}

static int set_help(struct options *o, const char *value, const char **ret_why)
{
	(void)value;
	(void)ret_why;
	o->help = true;
	return 0;
}

static const struct option_row rows[] = {
	{"--pid", 0, NULL, "PID", "the number of a running process", NULL, BIT(COMMAND_WATCH),
	 "Guard this process, its children and the limit that binds it.", set_pid},
	{"--cgroup", 0, NULL, "PATH", "the path of a cgroup", NULL, BIT(COMMAND_WATCH),
	 "Guard this cgroup and all below it. PATH is below the cgroup root or absolute.",
	 set_cgroup},
	{"--all", 0, NULL, NULL, NULL, NULL, BIT(COMMAND_WATCH),
	 "Guard every limited cgroup, those created later included.", set_all},
	{"--limit", 0, NULL, "SIZE", "a size such as 256M", NULL, BIT(COMMAND_RUN),
	 "Run CMD in a new cgroup with this memory limit.", set_limit},
	{"--exit-on-trip", 0, NULL, "CODE|off", "an exit status from 1 to 255, or off", "75",
	 BIT(COMMAND_RUN),
	 "Exit with CODE where CMD itself was signalled by a trip and ends its shutdown with "
	 "status "
	 "0, so that nobody takes a job that was broken off for a finished one. 75 is EX_TEMPFAIL: "
	 "try again. Any other status of CMD is passed on, and so is its 0 with off.",
	 set_exit_on_trip},
	{"--then", 0, "then", "restart|nothing", "restart or nothing", "nothing",
	 BIT(COMMAND_WATCH),
	 "Have systemd start a service again that is down after its shutdown, which "
	 "Restart=on-failure "
	 "does not: for it that was a success. The unit's own limits on starts (StartLimitBurst=) "
	 "hold. Without systemd nothing is started.",
	 set_then},
	{"--reserve", 0, "reserve", "SIZE|PERCENT",
	 "a size such as 64M, or a percent of the limit up to 100%", "10%", DECIDING | POLICY,
	 "Where the limit is not raised (--airbag), act when less headroom than this is left below "
	 "it. Page cache that the kernel can drop counts as headroom. The reserve is what the "
	 "shutdown itself may use. Unless given, it is at most 64M.",
	 set_reserve},
	{"--forecast", 0, "forecast", "DURATION|off", "a duration such as 500ms, or off", "off",
	 GUARDING | POLICY,
	 "Where the limit is not raised, act also when growth would reach it within this time and "
	 "the level is already high.",
	 set_forecast},
	{"--signal", 0, "signal", "NAME",
	 "the name or number of a signal that a process can handle, such as TERM", "TERM",
	 DECIDING | POLICY,
	 "The signal that asks for the shutdown. Unless it is given: INT where TERM has no handler "
	 "and INT "
	 "has one, as in CPython.",
	 set_signal},
	{"--target", 0, "target", "WHO", "grower, leader or all", "grower", DECIDING | POLICY,
	 "Who gets the signal: the process that grew, the main process of its container, or all "
	 "processes of the cgroup whose limit binds (grower, leader, all).",
	 set_target},
	{"--grace", 0, "grace", "DURATION|off", "a duration such as 10s, or off", "off",
	 DECIDING | POLICY,
	 "Send SIGKILL to the target of a trip that still runs after this time, also if no signal "
	 "made sense for it, unless headroom is back above the line that it tripped at. With off, "
	 "what still needs a loan 10s after its trip gets SIGKILL all the same.",
	 set_grace},
	{"--airbag", 0, "airbag", "SIZE|PERCENT|auto|off",
	 "a size such as 128M, a percent of the limit up to 100%, auto or off", "auto",
	 DECIDING | POLICY,
	 "Raise the limit a little, silently, just before it is reached, and signal only when need "
	 "passes the limit as it was; then raise it by so much in all, for as long as the shutdown "
	 "takes and at most 2s longer than the grace (10s unless given), never by more than the "
	 "machine can "
	 "spare. auto goes by the growth rate. Where the limit cannot be raised, and with off, the "
	 "reserve is kept instead.",
	 set_airbag},
	{"--airbag-max", 0, "airbag-max", "SIZE|PERCENT",
	 "a size such as 512M, or a percent of the limit up to 100%", "100%", DECIDING | POLICY,
	 "With --airbag auto, the most by which a limit is ever raised.", set_airbag_max},
	{"--brake", 0, "brake", "auto|off", "auto or off", "auto", GUARDING | POLICY,
	 "When the signal is taken and no more can be lent, slow down what uses up the rest: by "
	 "memory.high on cgroup v2, in the page fault on v1.",
	 set_brake},
	{"--warn", 0, "warn", "LEVEL[:SIGNAL|:auto]",
	 "a percent of the limit below 100%, with a signal or auto if wanted, such as 80%:USR1, or "
	 "off",
	 "off", GUARDING | POLICY,
	 "Report, and send the softer SIGNAL if one is named, at this percent of the limit, which "
	 "must come before the reserve. With auto it is what the profile of the program says, such "
	 "as INT to cancel a query of PostgreSQL, and nothing for programs without one.",
	 set_warn},
	{"--profiles", 0, "profiles", "DIR|off", "the path of a directory, or off", NULL, DECIDING,
	 "Where the profiles are, files that say how well-known programs are told to stop. Unless "
	 "told, lib/apoptosis/profiles.d where this program is installed, and "
	 "/etc/apoptosis/profiles.d, whose files take the place of those of the same name.",
	 set_profiles},
	{"--cooldown", 0, "cooldown", "DURATION", "a duration such as 10s", "10s",
	 GUARDING | POLICY, "Least time between two signals to one process.", set_cooldown},
	{"--accounts", 0, "accounts", "N", "a number from 1 to 262144", NULL, GUARDING,
	 "Keep room for the accounts of so many limits. Where there is none left, those of idle "
	 "limits go. Unless given, it is four times the cgroups that there are at the start, and "
	 "4096 at least.",
	 set_accounts},
	{"--dry-run", 0, "dry-run", NULL, NULL, NULL, GUARDING | POLICY,
	 "Decide and report, but send no signal and lend nothing.", set_dry_run},
	{"--config", 'c', NULL, "FILE", "the path of a file", NULL, CONFIGURED,
	 "Read this file, and no other. Unless told, apoptosis.conf of the first of "
	 "/etc/apoptosis, "
	 "/run/apoptosis, /usr/local/lib/apoptosis and /usr/lib/apoptosis that has one, then "
	 "conf.d/*.conf of all of "
	 "them in the order of their names; of one name the first counts, and a link to /dev/null "
	 "masks the others.",
	 set_config},
	{"--pin-dir", 0, "pin-dir", "DIR|off",
	 "the path of a directory in a BPF file system, or off", NULL, BIT(COMMAND_DAEMON),
	 "Where the programs are kept in the kernel if the daemon is killed: they go on signalling "
	 "until the next start, "
	 "which takes over from them. Unless told, apoptosis in the usual place of that file "
	 "system.",
	 set_pin_dir},
	{"--control-group", 0, "control-group", "GROUP|off",
	 "the name or number of a group, or off", "off", BIT(COMMAND_DAEMON),
	 "Whose members may ask the daemon for its status, beside root.", set_control_group},
	{"--detach-all", 0, NULL, NULL, NULL, NULL, BIT(COMMAND_DAEMON),
	 "Have a daemon that was killed leave nothing: remove the programs that are kept, and end.",
	 set_detach_all},
	{"--effective", 0, NULL, "CGROUP|PID",
	 "the path of a cgroup or the number of a running process", NULL, BIT(COMMAND_CONFIG),
	 "Show whose guard this has, and where each value of its policy is from.", set_effective},
	{"--json", 0, "json", NULL, NULL, NULL, EVERY, "Write JSON, one document per line.",
	 set_json},
	{"--html", 0, NULL, "FILE", "the path of a file, or -", NULL, BIT(COMMAND_REPORT),
	 "Write the report as one page for a browser, which needs nothing else: what happened, the "
	 "memory over time, a flame graph of who allocated. - is standard output.",
	 set_html},
	{"--folded", 0, NULL, NULL, NULL, NULL, BIT(COMMAND_REPORT),
	 "Print the stacks that allocated, a line each, for flame graph tools.", set_folded},
	{"--pprof", 0, NULL, NULL, NULL, NULL, BIT(COMMAND_REPORT),
	 "Print the stacks that allocated as a profile.proto, for go tool pprof; binary.",
	 set_pprof},
	{"--report-dir", 0, "report-dir", "DIR", "the path of a directory, or off", NULL,
	 GUARDING | BIT(COMMAND_REPORT) | BIT(COMMAND_BUGREPORT),
	 "The directory of reports, a JSON file for each incident; of more than 1000 or 64 MiB the "
	 "oldest go. Unless told, root's are in /var/lib/apoptosis/reports, or where that cannot "
	 "be written in /run/apoptosis/reports, and nobody else has any. Who allocated is recorded "
	 "only where DIR is named: what grows fast pays for it.",
	 set_report_dir},
	{"--history", 0, "history", "FILE|off", "the whole path of a file, or off", NULL,
	 BIT(COMMAND_DAEMON) | BIT(COMMAND_HISTORY),
	 "Where the daemon keeps a row for each verdict, for years. Unless told, history.db in "
	 "/var/lib/apoptosis.",
	 set_history},
	{"--since", 0, NULL, "DURATION", "a duration such as 7d", NULL, BIT(COMMAND_HISTORY),
	 "Only what was judged in this time before now. Unless given, all of it.", set_since},
	{"--csv", 0, NULL, NULL, NULL, NULL, BIT(COMMAND_HISTORY),
	 "Print the rows themselves, with commas between their values.", set_csv},
	{"--once", 0, NULL, NULL, NULL, NULL, BIT(COMMAND_TOP),
	 "Print what there is now as text, all limits, and end.", set_once},
	{"--batch", 0, NULL, NULL, NULL, NULL, BIT(COMMAND_TOP),
	 "Print one screen after the other as text, until interrupted.", set_batch},
	{"--interval", 0, NULL, "DURATION", "a duration from 200ms to 1h", "1s", BIT(COMMAND_TOP),
	 "The time from one screen to the next.", set_interval},
	{"--output", 'o', NULL, "FILE", "the path of a file that is not there yet", NULL,
	 BIT(COMMAND_BUGREPORT),
	 "Write it there. Unless told, to apoptosis-bugreport-TIME.tar.gz in this directory.",
	 set_output},
	{"--quiet", 'q', NULL, NULL, NULL, NULL, GUARDING | BIT(COMMAND_DAEMON),
	 "Print events and errors only.", set_quiet},
	{"--verbose", 'v', NULL, NULL, NULL, NULL, EVERY,
	 "Say more about what is done; twice: what libbpf says, too.", set_verbose},
	{"--help", 'h', NULL, NULL, NULL, NULL, EVERY, "Show this help.", set_help},
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
