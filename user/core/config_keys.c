/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/config_keys.h"

#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"
#include "base/util.h"

#define GUARD (1U << CONFIG_OF_GUARD)
#define HOST (1U << CONFIG_OF_HOST)

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

/* Words, each the name of a command, or the beginning of one and a star. */
static int check_commands(const char *value)
{
	while (*value) {
		size_t length = strcspn(value, " \t"), name = strcspn(value, " \t*?[");

		if (name >= APO_COMM_LEN || !length ||
		    (name < length && (value[name] != '*' || name + 1 < length)))
			return -EINVAL;
		value += length + strspn(value + length, " \t");
	}
	return 0;
}

#define A_COMMAND                                                                                \
	"names of commands of up to 15 characters, as in /proc/PID/comm, or beginnings such as " \
	"java*"

/* Keys that are no options, nor globs that say for whom a guard is. */
static const struct own_key {
	const char *name;
	unsigned int sections; /* bits */
	int (*check)(const char *value);
	const char *range;
} own_keys[] = {
	{"priority", GUARD, check_priority, "a number from -1000 to 1000"},
	{"enabled", GUARD | HOST, check_yes_or_no, "yes or no"},
	{"selectable", GUARD, check_yes_or_no, "yes or no"},
	{"prefer", HOST, check_commands, A_COMMAND},
	{"avoid", HOST, check_commands, A_COMMAND},
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
static bool takes_option(const struct option_row *row, enum config_section section)
{
	static const unsigned int needed[] = {
		[CONFIG_OF_GUARD] = OPTION_OF_POLICY,
		[CONFIG_OF_HOST] = OPTION_OF_HOST,
	};

	return row->key && (section == CONFIG_OF_DEFAULTS || (row->commands & needed[section]));
}

static const char *find_match(const char *key)
{
	for (size_t i = 0; i < CONFIG_MATCHES; i++)
		if (!strcmp(key, config_matches[i]))
			return config_matches[i];
	return NULL;
}

static const struct own_key *find_own(const char *key, unsigned int sections)
{
	for (size_t i = 0; i < ARRAY_SIZE(own_keys); i++)
		if (own_keys[i].sections & sections && !strcmp(key, own_keys[i].name))
			return &own_keys[i];
	return NULL;
}

const struct option_row *config_option(const char *key, enum config_section section)
{
	size_t count;
	const struct option_row *rows = options_rows(&count);

	for (size_t i = 0; i < count; i++)
		if (takes_option(&rows[i], section) && !strcmp(key, rows[i].key))
			return &rows[i];
	return NULL;
}

const struct option_row *config_policy_option(size_t index)
{
	size_t count;
	const struct option_row *rows = options_rows(&count);

	for (size_t i = 0; i < count; i++)
		if (takes_option(&rows[i], CONFIG_OF_GUARD) && index-- == 0)
			return &rows[i];
	return NULL;
}

static const char *nearest_key(const char *key, enum config_section section)
{
	struct text_guess guess = {.word = key};
	size_t count;
	const struct option_row *rows = options_rows(&count);

	for (size_t i = 0; i < count; i++)
		if (takes_option(&rows[i], section))
			text_guess_offer(&guess, rows[i].key);
	for (size_t i = 0; section == CONFIG_OF_GUARD && i < CONFIG_MATCHES; i++)
		text_guess_offer(&guess, config_matches[i]);
	for (size_t i = 0; i < ARRAY_SIZE(own_keys); i++)
		if (own_keys[i].sections & 1U << section)
			text_guess_offer(&guess, own_keys[i].name);
	return guess.nearest;
}

bool config_is_secret(const char *key)
{
	const char *meant = nearest_key(key, CONFIG_OF_DEFAULTS); /* itself, if it is one */
	const struct option_row *row = meant ? config_option(meant, CONFIG_OF_DEFAULTS) : NULL;

	return row && (row->commands & OPTION_SECRET);
}

static int refuse_key(const char *key, enum config_section section, char **ret_error)
{
	const char *nearest = nearest_key(key, section);

	if (section == CONFIG_OF_HOST && (config_option(key, CONFIG_OF_GUARD) || find_match(key)))
		return text_refuse(ret_error, "it is of guards: the machine's memory is not lent, "
					      "and who is signalled, and how, is for [defaults] "
					      "and [guard NAME] to say");
	if (section != CONFIG_OF_DEFAULTS && config_option(key, CONFIG_OF_DEFAULTS))
		return text_refuse(ret_error, "it is of the whole daemon: give it in [defaults]");
	if (section != CONFIG_OF_GUARD && (find_match(key) || find_own(key, GUARD)))
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

int config_check_key(enum config_section section, const char *key, const char *value,
		     const char **ret_key, char **ret_error)
{
	const struct option_row *row = config_option(key, section);
	const struct own_key *own = find_own(key, 1U << section);
	const char *match = section == CONFIG_OF_GUARD ? find_match(key) : NULL;

	if (!row && !own && !match)
		return refuse_key(key, section, ret_error);
	if (!*value)
		return text_refuse(ret_error, "the value is missing");
	*ret_key = row ? row->key : own ? own->name : match;
	if (row)
		return check_option(row, value, ret_error);
	if (match)
		return check_match(match, value, ret_error);
	return own && own->check(value) ? text_refuse(ret_error, "give %s", own->range) : 0;
}
