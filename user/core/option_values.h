/* SPDX-License-Identifier: BSD-2-Clause */
/* What values of options mean, also those of core/option_places.c: for core/option_table.c. Pure. */
#pragma once

#include "core/options.h"

/*
 * Sets an option. -EEXIST: what to guard was given already. -EINVAL, -ERANGE: not a value of the range, or refused for
 * the reason in *ret_why.
 */
typedef int option_set_fn(struct options *o, const char *value, const char **ret_why);

option_set_fn option_set_accounts, option_set_airbag, option_set_airbag_max, option_set_all,
	option_set_batch, option_set_brake, option_set_cgroup, option_set_config,
	option_set_control_group, option_set_cooldown, option_set_csv, option_set_detach_all,
	option_set_dry_run, option_set_effective, option_set_exit_on_trip, option_set_folded,
	option_set_forecast, option_set_grace, option_set_help, option_set_history, option_set_hook,
	option_set_history_rows, option_set_hook_events, option_set_hook_user, option_set_html,
	option_set_interval, option_set_json, option_set_lend_max, option_set_limit,
	option_set_metrics_listen, option_set_oomd_hook, option_set_metrics_textfile,
	option_set_once, option_set_output, option_set_pid, option_set_pin_dir, option_set_pod,
	option_set_pprof, option_set_pressure_socket, option_set_pressure_watch,
	option_set_profiles, option_set_quiet, option_set_report_dir, option_set_report_keep,
	option_set_report_size, option_set_require_protection, option_set_reserve,
	option_set_signal, option_set_since, option_set_guard, option_set_target, option_set_then,
	option_set_verbose, option_set_warn, option_set_webhook;

/* Whether it is the word for none. */
bool option_is_off(const char *value);

/* The signal that is like the one in a value that an option of signals has refused; or NULL. */
const char *option_signal_meant(option_set_fn *set, const char *value);
