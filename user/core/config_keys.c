/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/config_keys.h"

#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"
#include "base/util.h"

int config_priority(const char *value, int *ret)
{
	bool is_negative = *value == '-';
	uint64_t number;
	int r = parse_u64(value + is_negative, &number);

	if (!r && number > CONFIG_PRIORITY_MAX)
		r = -ERANGE;
	if (!r)
		*ret = is_negative ? -(int)number : (int)number;
	return r;
}

static int check_priority(const char *value)
{
	int priority;

	return config_priority(value, &priority);
}

static int check_yes_or_no(const char *value)
{
	return strcmp(value, "yes") != 0 && strcmp(value, "no") != 0 ? -EINVAL : 0;
}

const char *const config_matches[CONFIG_MATCHES] = {
	[CONFIG_CGROUP] = "cgroup",
	[CONFIG_UNIT] = "unit",
	[CONFIG_SLICE] = "slice",
	[CONFIG_CONTAINER] = "container",
	[CONFIG_NAMESPACE] = "namespace",
	[CONFIG_POD] = "pod",
	[CONFIG_LABEL] = "label",
	[CONFIG_COMMAND] = "command",
	[CONFIG_UID] = "uid",
};

/* A name would be for nobody, and never be noticed. */
static int check_match(const char *match, const char *value, char **ret_error)
{
	if (strcmp(match, config_matches[CONFIG_UID]) != 0 ||
	    !value[strspn(value, "0123456789 \t")])
		return 0;
	return text_refuse(ret_error, "give numbers of users, as id -u prints them");
}

_Static_assert(CONFIG_PRIORITY_MAX == 1000, "the range says so");

/* Keys of a guard that are no options, nor globs that say for whom it is. */
static const struct own_key {
	const char *name;
	int (*check)(const char *value);
	const char *range;
} own_keys[] = {
	{"priority", check_priority, "a number from -1000 to 1000"},
	{"enabled", check_yes_or_no, "yes or no"},
	{"selectable", check_yes_or_no, "yes or no"},
};

static const struct topic {
	const char *section, *key;
	const char *means; /* in [defaults] */
} topics[] = {
	{"lending", "limit-max", "airbag-max"}, {"lending", "host-max", "lend-max"},
	{"reports", "dir", "report-dir"},	{"reports", "keep", "report-keep"},
	{"reports", "size", "report-size"},	{"history", "file", "history"},
	{"history", "rows", "history-rows"},
};

bool config_is_topic(const char *section)
{
	for (size_t i = 0; i < ARRAY_SIZE(topics); i++)
		if (!strcmp(section, topics[i].section))
			return true;
	return false;
}

const char *config_topic_key(const char *section, const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(topics); i++)
		if (!strcmp(section, topics[i].section) && !strcmp(key, topics[i].key))
			return topics[i].means;
	return NULL;
}

const char *config_topic_guess(const char *section, const char *key)
{
	struct text_guess guess = {.word = key};

	for (size_t i = 0; i < ARRAY_SIZE(topics); i++)
		if (!strcmp(section, topics[i].section))
			text_guess_offer(&guess, topics[i].key);
	return guess.nearest;
}

/* What may be said in a section. */
static bool takes_option(const struct option_row *row, bool is_guard)
{
	return row->key && (!is_guard || (row->commands & OPTION_OF_POLICY));
}

static const char *find_match(const char *key)
{
	for (size_t i = 0; i < CONFIG_MATCHES; i++)
		if (!strcmp(key, config_matches[i]))
			return config_matches[i];
	return NULL;
}

static const struct own_key *find_own(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(own_keys); i++)
		if (!strcmp(key, own_keys[i].name))
			return &own_keys[i];
	return NULL;
}

const struct option_row *config_option(const char *key, bool is_guard)
{
	size_t count;
	const struct option_row *rows = options_rows(&count);

	for (size_t i = 0; i < count; i++)
		if (takes_option(&rows[i], is_guard) && !strcmp(key, rows[i].key))
			return &rows[i];
	return NULL;
}

const struct option_row *config_policy_option(size_t index)
{
	size_t count;
	const struct option_row *rows = options_rows(&count);

	for (size_t i = 0; i < count; i++)
		if (takes_option(&rows[i], true) && index-- == 0)
			return &rows[i];
	return NULL;
}

static const char *nearest_key(const char *key, bool is_guard)
{
	struct text_guess guess = {.word = key};
	size_t count;
	const struct option_row *rows = options_rows(&count);

	for (size_t i = 0; i < count; i++)
		if (takes_option(&rows[i], is_guard))
			text_guess_offer(&guess, rows[i].key);
	for (size_t i = 0; is_guard && i < CONFIG_MATCHES; i++)
		text_guess_offer(&guess, config_matches[i]);
	for (size_t i = 0; is_guard && i < ARRAY_SIZE(own_keys); i++)
		text_guess_offer(&guess, own_keys[i].name);
	return guess.nearest;
}

bool config_is_secret(const char *key)
{
	const char *meant = nearest_key(key, false); /* itself, if it is one */
	const struct option_row *row = meant ? config_option(meant, false) : NULL;

	return row && (row->commands & OPTION_SECRET);
}

static int refuse_key(const char *key, bool is_guard, char **ret_error)
{
	const char *nearest = nearest_key(key, is_guard);

	if (is_guard && config_option(key, false))
		return text_refuse(ret_error, "it is of the whole daemon: give it in [defaults]");
	if (!is_guard && (find_match(key) || find_own(key)))
		return text_refuse(ret_error, "it is of one guard: give it in [guard NAME]");
	return nearest ? text_refuse(ret_error, "there is no such key; the nearest is %s", nearest)
		       : text_refuse(ret_error, "there is no such key");
}

static int check_option(const struct option_row *row, const char *value, char **ret_error)
{
	struct options scratch;

	return options_defaults(COMMAND_WATCH, &scratch, ret_error)
		       ?: options_set_key(&scratch, row, value, ret_error);
}

int config_check_key(bool is_guard, const char *key, const char *value, const char **ret_key,
		     char **ret_error)
{
	const struct option_row *row = config_option(key, is_guard);
	const struct own_key *own = is_guard ? find_own(key) : NULL;
	const char *match = is_guard ? find_match(key) : NULL;

	if (!row && !own && !match)
		return refuse_key(key, is_guard, ret_error);
	if (!*value)
		return text_refuse(ret_error, "the value is missing");
	*ret_key = row ? row->key : own ? own->name : match;
	if (row)
		return check_option(row, value, ret_error);
	if (match)
		return check_match(match, value, ret_error);
	return own && own->check(value) ? text_refuse(ret_error, "give %s", own->range) : 0;
}
