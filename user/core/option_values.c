/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/option_values.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"
#include "base/util.h"
#include "core/pod.h"
#include "core/room.h"

/* The least that holds the page tables and pages of a small program with libc. */
#define LIMIT_MIN_BYTES (1024ULL * 1024)

#define EXIT_STATUS_MAX 255
#define REPORT_KEEP_MOST 1000000U
#define REPORT_SIZE_LEAST_BYTES (1024ULL * 1024)
#define HISTORY_ROWS_MOST 100000000U

/* -EEXIST: what to guard was given already. */
static int set_mode(struct options *o, enum guard_mode mode)
{
	if (o->mode != MODE_NONE)
		return -EEXIST;
	o->mode = mode;
	return 0;
}

int option_set_pid(struct options *o, const char *value, const char **ret_why)
{
	int r = parse_pid(value, &o->pid);

	(void)ret_why;
	return r < 0 ? r : set_mode(o, MODE_PID);
}

int option_set_cgroup(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	if (!*value)
		return -EINVAL;
	o->cgroup = value;
	return set_mode(o, MODE_CGROUP);
}

int option_set_pod(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	if (!pod_uid_is_valid(value))
		return -EINVAL;
	o->pod = value;
	return set_mode(o, MODE_POD);
}

int option_set_all(struct options *o, const char *value, const char **ret_why)
{
	(void)value;
	(void)ret_why;
	return set_mode(o, MODE_ALL);
}

/*
 * A size. A number alone could be of anything, and as bytes it would be next to nothing: it is refused, but for 0.
 */
static int parse_size_with_unit(const char *value, uint64_t *ret_bytes, const char **ret_why)
{
	uint64_t bytes = 0;
	int r = parse_size(value, &bytes);

	if (*value && value[strspn(value, "0123456789. ")] == '\0' && (r || bytes)) {
		*ret_why = "a unit is missing (K, M, G or T; B for bytes)";
		return -EINVAL;
	}
	if (!r)
		*ret_bytes = bytes;
	return r;
}

int option_set_limit(struct options *o, const char *value, const char **ret_why)
{
	uint64_t bytes = 0;
	int r = parse_size_with_unit(value, &bytes, ret_why);

	if (r < 0)
		return r;
	if (bytes < LIMIT_MIN_BYTES) {
		*ret_why = "no program starts in less than 1M";
		return -EINVAL;
	}
	o->limit_bytes = bytes;
	return 0;
}

int option_set_require_protection(struct options *o, const char *value, const char **ret_why)
{
	(void)value;
	(void)ret_why;
	o->require_protection = true;
	return 0;
}

int option_set_exit_on_trip(struct options *o, const char *value, const char **ret_why)
{
	uint64_t code = 0;
	int r = option_is_off(value) ? 0 : parse_u64(value, &code);

	if (!r && code > EXIT_STATUS_MAX)
		r = -ERANGE;
	if (!r && !code && !option_is_off(value)) {
		*ret_why = "0 says that all is done";
		r = -EINVAL;
	}
	if (!r)
		o->exit_on_trip = (int)code;
	return r;
}

int option_set_then(struct options *o, const char *value, const char **ret_why)
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
	int r = strchr(value, '%') ? parse_percent(value, &permyriad)
				   : parse_size_with_unit(value, &bytes, ret_why);

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

int option_set_reserve(struct options *o, const char *value, const char **ret_why)
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
	int r = option_is_off(value) ? 0 : parse_duration(value, &parsed);

	if (r < 0)
		return r;
	if (parsed == 0 && !option_is_off(value)) {
		*ret_why = "0 is no duration here";
		return -EINVAL;
	}
	*ns = parsed;
	return 0;
}

int option_set_forecast(struct options *o, const char *value, const char **ret_why)
{
	return set_duration_or_off(&o->policy.forecast_ns, value, ret_why);
}

int option_set_grace(struct options *o, const char *value, const char **ret_why)
{
	return set_duration_or_off(&o->policy.grace_ns, value, ret_why);
}

int option_set_brake(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	o->policy.brake = strcmp(value, "auto") == 0;
	return o->policy.brake || option_is_off(value) ? 0 : -EINVAL;
}

int option_set_airbag(struct options *o, const char *value, const char **ret_why)
{
	int r;

	if (option_is_off(value)) {
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

int option_set_airbag_max(struct options *o, const char *value, const char **ret_why)
{
	return set_size_or_percent(&o->policy.airbag_max_bytes, &o->policy.airbag_max_permyriad,
				   value, "that lends nothing; --airbag off says so", ret_why);
}

int option_set_cooldown(struct options *o, const char *value, const char **ret_why)
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

int option_set_signal(struct options *o, const char *value, const char **ret_why)
{
	o->policy.signal_given = true;
	return parse_usable_signal(value, &o->policy.signal, ret_why);
}

int option_set_target(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	o->policy.only_grower = strcmp(value, "only-grower") == 0;
	if (o->policy.only_grower) {
		o->policy.target = APO_TARGET_GROWER;
		return 0;
	}
	for (enum apo_target t = APO_TARGET_GROWER; t <= APO_TARGET_ALL; t++) {
		if (strcmp(value, target_name(t)) == 0) {
			o->policy.target = t;
			return 0;
		}
	}
	return -EINVAL;
}

/* LEVEL%[:SIGNAL|:auto] or off. */
int option_set_warn(struct options *o, const char *value, const char **ret_why)
{
	const char *colon = strchr(value, ':');
	bool by_profile = colon && strcmp(colon, ":auto") == 0;
	size_t level_len = colon ? (size_t)(colon - value) : strlen(value);
	char level[32];
	uint32_t permyriad = 0;
	int signal = 0, r;

	if (!option_is_off(value)) {
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
	o->warn_given = true;
	o->policy.warn_permyriad = permyriad;
	o->policy.warn_signal = signal;
	o->policy.warn_by_profile = by_profile;
	return 0;
}

int option_set_pressure_watch(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	o->no_pressure_watch = strcmp(value, "no") == 0;
	return o->no_pressure_watch || strcmp(value, "yes") == 0 ? 0 : -EINVAL;
}

const char *option_signal_meant(option_set_fn *set, const char *value)
{
	const char *colon = set == option_set_warn ? strchr(value, ':') : NULL;

	if (set == option_set_signal)
		return parse_signal_guess(value);
	return colon ? parse_signal_guess(colon + 1) : NULL;
}

/* From 1 to most. */
static int set_count(uint32_t *ret, uint32_t most, const char *value)
{
	uint64_t count;
	int r = parse_u64(value, &count);

	if (!r && (!count || count > most))
		r = -ERANGE;
	if (!r)
		*ret = (uint32_t)count;
	return r;
}

int option_set_accounts(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	return set_count(&o->accounts, ROOM_MOST, value);
}

int option_set_lend_max(struct options *o, const char *value, const char **ret_why)
{
	return set_size_or_percent(&o->lend_max_bytes, &o->lend_max_permyriad, value,
				   "that lends nothing; --airbag off says so", ret_why);
}

int option_set_report_keep(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	return set_count(&o->report_keep, REPORT_KEEP_MOST, value);
}

int option_set_report_size(struct options *o, const char *value, const char **ret_why)
{
	uint64_t bytes = 0;
	int r = parse_size_with_unit(value, &bytes, ret_why);

	if (!r && bytes < REPORT_SIZE_LEAST_BYTES) {
		*ret_why = "one report may have 1M";
		r = -EINVAL;
	}
	if (!r)
		o->report_size_bytes = bytes;
	return r;
}

int option_set_history_rows(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	return set_count(&o->history_rows, HISTORY_ROWS_MOST, value);
}

int option_set_since(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	return parse_duration(value, &o->since_ns);
}

int option_set_guard(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	o->guard = value;
	return *value ? 0 : -EINVAL;
}

int option_set_csv(struct options *o, const char *value, const char **ret_why)
{
	(void)value;
	(void)ret_why;
	o->csv = true;
	return 0;
}

int option_set_once(struct options *o, const char *value, const char **ret_why)
{
	(void)value;
	(void)ret_why;
	o->once = true;
	return 0;
}

int option_set_batch(struct options *o, const char *value, const char **ret_why)
{
	(void)value;
	(void)ret_why;
	o->batch = true;
	return 0;
}

int option_set_interval(struct options *o, const char *value, const char **ret_why)
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

int option_set_dry_run(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	return parse_flag(value, &o->policy.dry_run);
}

int option_set_json(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	return parse_flag(value, &o->json);
}

int option_set_folded(struct options *o, const char *value, const char **ret_why)
{
	(void)value;
	(void)ret_why;
	o->folded = true;
	return 0;
}

int option_set_pprof(struct options *o, const char *value, const char **ret_why)
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

int option_set_html(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	return set_text(&o->html, value);
}

int option_set_output(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	return set_text(&o->output, value);
}

int option_set_config(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	o->config = value;
	return *value ? 0 : -EINVAL;
}

int option_set_detach_all(struct options *o, const char *value, const char **ret_why)
{
	(void)value;
	(void)ret_why;
	o->detach_all = true;
	return 0;
}

int option_set_effective(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	o->subject = value;
	return *value ? 0 : -EINVAL;
}

int option_set_quiet(struct options *o, const char *value, const char **ret_why)
{
	(void)value;
	(void)ret_why;
	o->verbosity = -1;
	return 0;
}

int option_set_verbose(struct options *o, const char *value, const char **ret_why)
{
	(void)value;
	(void)ret_why;
	o->verbosity = MAX(o->verbosity, 0) + 1;
	return 0;
}

int option_set_help(struct options *o, const char *value, const char **ret_why)
{
	(void)value;
	(void)ret_why;
	o->help = true;
	return 0;
}
