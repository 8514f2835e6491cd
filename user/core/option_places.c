/* SPDX-License-Identifier: BSD-2-Clause */
/* Options that say where something is, or who: files, directories, addresses, commands, users. */
#include "core/option_values.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "core/listen_address.h"
#include "core/notify.h"

bool option_is_off(const char *value)
{
	return strcmp(value, "off") == 0;
}

/* A path, or off: then there is none. */
static int set_path(const char **path, bool *is_none, const char *value)
{
	if (!*value)
		return -EINVAL;
	*is_none = option_is_off(value);
	*path = *is_none ? NULL : value;
	return 0;
}

static int set_whole_path(const char **path, bool *is_none, const char *value, const char **ret_why)
{
	if (*value && *value != '/' && !option_is_off(value)) {
		*ret_why = "it is no whole path";
		return -EINVAL;
	}
	return set_path(path, is_none, value);
}

int option_set_profiles(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	return set_path(&o->profiles, &o->no_profiles, value);
}

int option_set_report_dir(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	return set_path(&o->report_dir, &o->no_reports, value);
}

int option_set_history(struct options *o, const char *value, const char **ret_why)
{
	return set_whole_path(&o->history, &o->no_history, value, ret_why);
}

int option_set_pressure_socket(struct options *o, const char *value, const char **ret_why)
{
	return set_whole_path(&o->pressure_socket, &o->no_pressure_socket, value, ret_why);
}

int option_set_oomd_hook(struct options *o, const char *value, const char **ret_why)
{
	return set_whole_path(&o->oomd_hook, &o->no_oomd_hook, value, ret_why);
}

int option_set_metrics_textfile(struct options *o, const char *value, const char **ret_why)
{
	if (text_ends_with(value, "/")) {
		*ret_why = "it is a directory";
		return -EINVAL;
	}
	return set_whole_path(&o->metrics_textfile, &o->no_metrics_textfile, value, ret_why);
}

int option_set_metrics_listen(struct options *o, const char *value, const char **ret_why)
{
	struct listen_address address;

	o->no_metrics_listen = option_is_off(value);
	o->metrics_listen = o->no_metrics_listen ? NULL : value;
	return o->no_metrics_listen ? 0 : listen_address_parse(value, &address, ret_why);
}

int option_set_hook(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	o->hook = option_is_off(value) ? NULL : value;
	return *value ? 0 : -EINVAL;
}

/* The library that calls it says what is wrong with the rest. */
static bool is_web_address(const char *value)
{
	size_t scheme = text_starts_with(value, "https://")  ? strlen("https://")
			: text_starts_with(value, "http://") ? strlen("http://")
							     : 0;

	return scheme && value[scheme] && value[scheme] != '/' && !value[strcspn(value, " \t\r\n")];
}

int option_set_webhook(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	o->webhook = option_is_off(value) ? NULL : value;
	return option_is_off(value) || is_web_address(value) ? 0 : -EINVAL;
}

int option_set_hook_events(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	return notify_events_parse(value, &o->hook_events);
}

int option_set_hook_user(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	o->hook_user = value;
	return *value ? 0 : -EINVAL;
}

int option_set_pin_dir(struct options *o, const char *value, const char **ret_why)
{
	return set_whole_path(&o->pin_dir, &o->no_pins, value, ret_why);
}

int option_set_control_group(struct options *o, const char *value, const char **ret_why)
{
	(void)ret_why;
	o->control_group = option_is_off(value) ? NULL : value;
	return *value ? 0 : -EINVAL;
}
