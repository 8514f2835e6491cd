/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/config.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"
#include "base/util.h"
#include "core/config_keys.h"
#include "core/container_id.h"
#include "core/ini_file.h"
#include "core/sections.h"
#include "core/unit.h"

#define BLANKS " \t"
#define CONFIG_LINE_MAX 256 /* of the parser's, with its NUL: longer than it takes */
#define DEFAULTS "defaults"
#define GUARD "guard "
#define HOST "host"

struct config {
	struct sections sections;
	struct config_guard *guards;
	const struct section **guard_sections; /* by guard */
	size_t guard_count;
	bool has_host; /* its guard is behind these */
	struct options options;
	size_t mistakes;
	config_look_fn look; /* NULL: nobody knows of workloads */
	void *look_userdata;
	unsigned int needs_look; /* WORKLOAD_*: guards are for more than a path shows */
};

/* --- a set --------------------------------------------------------------------------------- */

struct config *config_new(void)
{
	return calloc(1, sizeof(struct config));
}

struct config *config_free(struct config *config)
{
	if (!config)
		return NULL;
	sections_clear(&config->sections);
	free(config->guards);
	free(config->guard_sections);
	free(config);
	return NULL;
}

/* --- files --------------------------------------------------------------------------------- */

struct reader {
	struct config *config;
	const char *file; /* the config's */
	config_complain_fn complain;
	void *userdata;
	bool no_memory;
};

static void complain(struct reader *reader, const char *file, const struct ini_key *at,
		     const char *wrong)
{
	struct ini_key shown = *at;
	_cleanup_free_ char *line = NULL;

	if (at->key && config_is_secret(at->key))
		shown.value = NULL;
	line = ini_complaint(file, &shown, wrong);

	reader->config->mistakes++;
	if (line)
		reader->complain(line, reader->userdata);
	else
		reader->no_memory = true;
}

/* What is wrong with the title of a section; NULL: nothing is. */
static const char *wrong_with_title(const char *title)
{
	const char *name = title + strlen(GUARD);
	size_t length;

	if (!strcmp(title, DEFAULTS) || !strcmp(title, HOST) || config_is_topic(title))
		return NULL;
	if (!text_starts_with(title, GUARD))
		return *title ? "there is no such section: give [defaults], [guard NAME], "
				"[host], [lending], [reports] or [history]"
			      : "it is in no section: begin with [defaults] or [guard NAME]";
	length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
	return length && !name[length] && length < CONFIG_NAME_LEN
		       ? NULL
		       : "a name has up to 63 letters, digits, and -_.";
}

/* Whether it is one, *key and *title as in [defaults] then; what is said of one that is none is in *ret_error. */
static bool find_in_topic(const char **title, const char **key, char **ret_error)
{
	const char *means = config_topic_key(*title, *key), *nearest;

	if (!means) {
		nearest = config_topic_guess(*title, *key);
		text_refuse(ret_error, "there is no such key%s%s",
			    nearest ? "; the nearest is " : "", nearest ?: "");
		return false;
	}
	*title = DEFAULTS;
	*key = means;
	return true;
}

static enum config_section kind_of(const char *title)
{
	return !strcmp(title, DEFAULTS) ? CONFIG_OF_DEFAULTS
	       : !strcmp(title, HOST)	? CONFIG_OF_HOST
					: CONFIG_OF_GUARD;
}

static void on_key(const struct ini_key *at, void *userdata)
{
	struct reader *reader = userdata;
	struct section_value value = {.file = reader->file, .line = at->line};
	const char *title = at->section, *key = at->key, *wrong = wrong_with_title(title);
	_cleanup_free_ char *error = NULL;
	struct section *section;

	if (!wrong && ((config_is_topic(title) && !find_in_topic(&title, &key, &error)) ||
		       config_check_key(kind_of(title), key, at->value, &value.key, &error)))
		wrong = error ?: "out of memory";
	if (wrong) {
		complain(reader, reader->file, at, wrong);
		return;
	}
	section = sections_of(&reader->config->sections, title);
	value.text = section ? strdup(at->value) : NULL;
	if (!value.text || section_put(section, &value))
		reader->no_memory = true;
	else
		section->place = (struct section_value){.file = value.file, .line = value.line};
}

static void on_mistake(unsigned int line, const char *wrong, void *userdata)
{
	struct reader *reader = userdata;

	complain(reader, reader->file, &(const struct ini_key){.line = line}, wrong);
}

int config_add(struct config *config, const char *file, const char *text,
	       config_complain_fn complain_fn, void *userdata)
{
	struct reader reader = {
		.config = config,
		.file = sections_keep_file(&config->sections, file),
		.complain = complain_fn,
		.userdata = userdata,
	};
	int r = reader.file ? ini_file_read(text,
					    &(const struct ini_events){
						    .on_key = on_key,
						    .on_mistake = on_mistake,
						    .userdata = &reader,
					    })
			    : -ENOMEM;

	if (r > 0)
		on_mistake((unsigned int)r, INI_NONSENSE, &reader);
	return reader.no_memory ? -ENOMEM : MIN(r, 0);
}

size_t config_mistakes(const struct config *config)
{
	return config->mistakes;
}

/* --- guards -------------------------------------------------------------------------------- */

/* The options of the values of a section that a guard may have, over what is there. */
static int apply(const struct section *section, struct options *options, char **ret_error)
{
	int r = 0;

	for (size_t i = 0; !r && section && i < section->count; i++) {
		const struct option_row *row =
			config_option(section->values[i].key, CONFIG_OF_DEFAULTS);

		if (row)
			r = options_set_key(options, row, section->values[i].text, ret_error);
	}
	return r;
}

/* section: of a guard; NULL: what no guard is for. */
static int make_options(const struct config *config, const struct section *section,
			struct options *ret, char **ret_error)
{
	return options_defaults(COMMAND_WATCH, ret, ret_error)
		       ?: apply(sections_find(&config->sections, DEFAULTS), ret, ret_error)
		       ?: apply(section, ret, ret_error)
		       ?: policy_check(&ret->policy, true, ret_error);
}

/* Who watches memory hears of it where nobody has said at which level. */
static void let_watchers_hear(struct options *options)
{
	if (!options->pressure_socket || options->warn_given)
		return;
	options->policy.warn_is_default = true;
	options->policy.warn_permyriad = PRESSURE_PERMYRIAD;
}

static bool is_for_somebody(const struct section *section)
{
	for (size_t i = 0; i < CONFIG_MATCHES; i++)
		if (section_value(section, config_matches[i]))
			return true;
	return section_says_yes(section, "selectable");
}

/* Containers by id are in paths, and by name are not. */
static unsigned int needs_look(const struct section *section)
{
	unsigned int parts = section_says_yes(section, "selectable") ? WORKLOAD_DECLARED : 0;

	for (size_t i = CONFIG_CONTAINER; i < CONFIG_MATCHES; i++)
		if (section_value(section, config_matches[i]))
			parts |= i < CONFIG_COMMAND ? WORKLOAD_DECLARED : WORKLOAD_PROCESS;
	return parts;
}

/* What is wrong with a guard as a whole; NULL: nothing is. */
static const char *wrong_with_guard(const struct config *config, const struct section *section)
{
	if (!is_for_somebody(section))
		return "it is for nobody: give cgroup, unit, slice, container, namespace, pod, "
		       "label, command, uid or selectable";
	_Static_assert(CONFIG_GUARDS_MAX == 62, "the text says so");
	return config->guard_count == CONFIG_GUARDS_MAX ? "there are too many guards: 62 may be"
							: NULL;
}

/* At its place: by priority, those of the same in the order of the files. */
static void insert_guard(struct config *config, const struct config_guard *guard,
			 const struct section *section)
{
	size_t at = config->guard_count++;

	for (; section && at > 0 && config->guards[at - 1].priority < guard->priority; at--) {
		config->guards[at] = config->guards[at - 1];
		config->guard_sections[at] = config->guard_sections[at - 1];
	}
	config->guards[at] = *guard;
	config->guard_sections[at] = section;
}

/* section: NULL: what no guard is for, which comes last. */
static void add_guard(struct reader *reader, const struct section *section)
{
	struct config *config = reader->config;
	const struct section *said = section ?: sections_find(&config->sections, DEFAULTS);
	const struct section_value *priority = section_value(section, "priority");
	struct config_guard guard = {
		.name = section ? section->title + strlen(GUARD) : NULL,
		.is_enabled = !section_value(section, "enabled") ||
			      section_says_yes(section, "enabled"),
		.is_selectable = section_says_yes(section, "selectable"),
	};
	const char *wrong = section ? wrong_with_guard(config, section) : NULL;
	_cleanup_free_ char *error = NULL;
	struct options options = {};

	if (!wrong && make_options(config, section, &options, &error))
		wrong = error ?: "out of memory";
	if (wrong && said)
		complain(reader, said->place.file,
			 &(const struct ini_key){.line = said->place.line, .section = said->title},
			 wrong);
	if (priority)
		config_priority(priority->text, &guard.priority);
	let_watchers_hear(&options);
	guard.policy = options.policy;
	if (!section)
		config->options = options;
	if (!wrong || !section)
		insert_guard(config, &guard, section);
	config->needs_look |= needs_look(section);
}

/* After all others, and not counted among them. */
static void add_host(struct reader *reader, const struct section *section)
{
	struct config *config = reader->config;
	_cleanup_free_ char *error = NULL;
	struct options options = {};

	if (section_value(section, "enabled") && !section_says_yes(section, "enabled"))
		return;
	if (make_options(config, section, &options, &error)) {
		complain(reader, section->place.file,
			 &(const struct ini_key){.line = section->place.line,
						 .section = section->title},
			 error ?: "out of memory");
		return;
	}
	options.policy.airbag = AIRBAG_OFF; /* there is nothing to raise */
	options.policy.brake = false;
	config->guards[config->guard_count] = (struct config_guard){
		.name = section->title,
		.policy = options.policy,
		.is_enabled = true,
	};
	config->guard_sections[config->guard_count] = section;
	config->has_host = true;
}

int config_finish(struct config *config, config_complain_fn complain_fn, void *userdata)
{
	struct reader reader = {.config = config, .complain = complain_fn, .userdata = userdata};
	const struct section *host = sections_find(&config->sections, HOST);

	config->guards = calloc(config->sections.count + 2, sizeof(*config->guards));
	config->guard_sections =
		calloc(config->sections.count + 2, sizeof(*config->guard_sections));
	if (!config->guards || !config->guard_sections)
		return -ENOMEM;
	for (size_t i = 0; i < config->sections.count; i++)
		if (kind_of(config->sections.all[i].title) == CONFIG_OF_GUARD)
			add_guard(&reader, &config->sections.all[i]);
	add_guard(&reader, NULL);
	if (host)
		add_host(&reader, host);
	return reader.no_memory ? -ENOMEM : 0;
}

uint32_t config_fingerprint(const struct config *config)
{
	return sections_fingerprint(&config->sections);
}

const struct options *config_options(const struct config *config)
{
	return &config->options;
}

size_t config_guards(const struct config *config)
{
	return config->guard_count;
}

const struct config_guard *config_guard(const struct config *config, size_t index)
{
	return &config->guards[index];
}

size_t config_host(const struct config *config)
{
	return config->has_host ? config->guard_count : 0;
}

static const char *host_value(const struct config *config, const char *key)
{
	const struct section_value *value =
		section_value(sections_find(&config->sections, HOST), key);

	return value ? value->text : NULL;
}

const char *config_host_prefers(const struct config *config)
{
	return host_value(config, "prefer");
}

const char *config_host_avoids(const struct config *config)
{
	return host_value(config, "avoid");
}

/* --- whose guard --------------------------------------------------------------------------- */

/* Whether one of the words fits. */
static bool fits(const char *globs, const char *name)
{
	char glob[CONFIG_LINE_MAX];

	while (name && *globs) {
		size_t length = strcspn(globs, BLANKS);

		snprintf(glob, sizeof(glob), "%.*s", (int)length, globs);
		if (length && !fnmatch(glob, name, 0))
			return true;
		globs += length + strspn(globs + length, BLANKS);
	}
	return false;
}

/* What a cgroup and its workload are called, as the globs of a guard see it. */
struct subject {
	const char *cgroup;
	char *unit, *slice, *id; /* that the path shows; NULL: none */
	struct workload workload;
};

static void subject_new(const struct config *config, const char *cgroup, struct subject *ret)
{
	*ret = (struct subject){.cgroup = cgroup};
	if (unit_of_user_from_cgroup(cgroup, &ret->unit))
		unit_from_cgroup(cgroup, &ret->unit);
	slice_from_cgroup(cgroup, &ret->slice);
	container_id_from_cgroup(cgroup, &ret->id);
	if (config->look && config->needs_look)
		config->look(cgroup, config->needs_look, &ret->workload, config->look_userdata);
}

static void subject_clear(struct subject *subject)
{
	free(subject->unit);
	free(subject->slice);
	free(subject->id);
	workload_clear(&subject->workload);
}

static bool fits_label(const char *globs, const struct workload *workload)
{
	for (size_t i = 0; i < workload->label_count; i++)
		if (fits(globs, workload->labels[i]))
			return true;
	return false;
}

static bool fits_subject(enum config_match match, const char *globs, const struct subject *subject)
{
	const struct workload *workload = &subject->workload;

	switch (match) {
	case CONFIG_CGROUP:
		return fits(globs, subject->cgroup);
	case CONFIG_UNIT:
		return fits(globs, subject->unit);
	case CONFIG_SLICE:
		return fits(globs, subject->slice);
	case CONFIG_CONTAINER:
		return fits(globs, subject->id) || fits(globs, workload->container);
	case CONFIG_NAMESPACE:
		return fits(globs, workload->pod_namespace);
	case CONFIG_POD:
		return fits(globs, workload->pod);
	case CONFIG_LABEL:
		return fits_label(globs, workload);
	case CONFIG_COMMAND:
		return fits(globs, workload->command);
	case CONFIG_UID:
		return fits(globs, workload->uid);
	case CONFIG_MATCHES:
		break;
	}
	return false;
}

/* A guard that is only there to be asked for is for nobody. */
static bool is_for(const struct section *section, const struct subject *subject)
{
	bool is_for_any = false;

	for (size_t i = 0; i < CONFIG_MATCHES; i++) {
		const struct section_value *globs = section_value(section, config_matches[i]);

		if (globs && !fits_subject(i, globs->text, subject))
			return false;
		is_for_any |= globs != NULL;
	}
	return is_for_any;
}

/* The selectable guard of that name; the last, which is none: there is none. */
static size_t find_selectable(const struct config *config, const char *name)
{
	size_t last = config->guard_count - 1;

	for (size_t i = 0; name && i < last; i++)
		if (config->guards[i].is_selectable && !strcmp(config->guards[i].name, name))
			return i;
	return last;
}

size_t config_find(const struct config *config, const char *cgroup)
{
	size_t last = config->guard_count - 1, found;
	struct subject subject;

	subject_new(config, cgroup, &subject);
	found = find_selectable(config, subject.workload.wish);
	if (found == last)
		for (found = 0; found < last; found++)
			if (is_for(config->guard_sections[found], &subject))
				break;
	subject_clear(&subject);
	return found;
}

void config_look_with(struct config *config, config_look_fn look, void *userdata)
{
	config->look = look;
	config->look_userdata = userdata;
}

size_t config_covering(const struct config *config, const char *cgroup, size_t *ret_length)
{
	size_t last = config->guard_count - 1, found = last;
	_cleanup_free_ char *path = strdup(cgroup);

	while (path && *path && found == last) {
		char *slash = strrchr(path, '/');

		found = config_find(config, path);
		*ret_length = strlen(path);
		slash[slash == path && slash[1]] = '\0'; /* at last the root, "/" */
	}
	return found;
}

/* --- where values are from ----------------------------------------------------------------- */

size_t config_values(void)
{
	size_t count = 0;

	while (config_policy_option(count))
		count++;
	return count;
}

struct config_value config_value(const struct config *config, size_t guard, size_t index)
{
	const struct option_row *row = config_policy_option(index);
	const struct section *section = config->guard_sections[guard];
	const struct section_value *value = section_value(section, row->key);
	bool applies = guard < config->guard_count || config_option(row->key, CONFIG_OF_HOST);

	if (!value) {
		section = sections_find(&config->sections, DEFAULTS);
		value = section_value(section, row->key);
	}
	if (!value)
		return (struct config_value){
			.key = row->key, .value = row->initial ?: "no", .applies = applies};
	return (struct config_value){
		.key = row->key,
		.value = value->text,
		.file = value->file,
		.line = value->line,
		.section = section->title,
		.applies = applies,
	};
}
