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
#include "core/unit.h"

#define BLANKS " \t"
#define CONFIG_LINE_MAX 256 /* of the parser's, with its NUL: longer than it takes */
#define DEFAULTS "defaults"
#define GUARD "guard "

/* As it was written. */
struct value {
	const char *key;
	char *text;
	const char *file; /* the config's */
	unsigned int line;
};

struct section {
	char *title; /* "defaults", "guard web" */
	struct value *values;
	size_t count;
	struct value place; /* where it was named last, for what is wrong with all of it */
};

struct config {
	char **files;
	size_t file_count;
	struct section *sections;
	size_t count;
	struct config_guard *guards;
	const struct section **guard_sections; /* by guard */
	size_t guard_count;
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
	for (size_t i = 0; i < config->count; i++) {
		for (size_t j = 0; j < config->sections[i].count; j++)
			free(config->sections[i].values[j].text);
		free(config->sections[i].values);
		free(config->sections[i].title);
	}
	for (size_t i = 0; i < config->file_count; i++)
		free(config->files[i]);
	free(config->files);
	free(config->sections);
	free(config->guards);
	free(config->guard_sections);
	free(config);
	return NULL;
}

static const struct value *find_value(const struct section *section, const char *key)
{
	for (size_t i = 0; section && i < section->count; i++)
		if (!strcmp(section->values[i].key, key))
			return &section->values[i];
	return NULL;
}

static struct section *find_section(const struct config *config, const char *title)
{
	for (size_t i = 0; i < config->count; i++)
		if (!strcmp(config->sections[i].title, title))
			return &config->sections[i];
	return NULL;
}

/* Its section, made if it was not named before; NULL: no memory. */
static struct section *section_of(struct config *config, const char *title)
{
	struct section *found = find_section(config, title), *more;
	char *copy;

	if (found)
		return found;
	more = reallocarray(config->sections, config->count + 1, sizeof(*more));
	if (!more)
		return NULL;
	config->sections = more;
	copy = strdup(title);
	if (!copy)
		return NULL;
	more[config->count] = (struct section){.title = copy};
	return &more[config->count++];
}

/* Takes the text, also when it fails. */
static int put_value(struct section *section, const struct value *value)
{
	struct value *found = (struct value *)find_value(section, value->key), *more;

	if (found) {
		free(found->text);
		*found = *value;
		return 0;
	}
	more = reallocarray(section->values, section->count + 1, sizeof(*more));
	if (!more) {
		free(value->text);
		return -ENOMEM;
	}
	section->values = more;
	more[section->count++] = *value;
	return 0;
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

	if (!strcmp(title, DEFAULTS) || config_is_topic(title))
		return NULL;
	if (!text_starts_with(title, GUARD))
		return *title ? "there is no such section: give [defaults], [guard NAME], "
				"[lending], [reports] or [history]"
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

static void on_key(const struct ini_key *at, void *userdata)
{
	struct reader *reader = userdata;
	struct value value = {.file = reader->file, .line = at->line};
	const char *title = at->section, *key = at->key, *wrong = wrong_with_title(title);
	_cleanup_free_ char *error = NULL;
	struct section *section;

	if (!wrong &&
	    ((config_is_topic(title) && !find_in_topic(&title, &key, &error)) ||
	     config_check_key(strcmp(title, DEFAULTS) != 0, key, at->value, &value.key, &error)))
		wrong = error ?: "out of memory";
	if (wrong) {
		complain(reader, reader->file, at, wrong);
		return;
	}
	section = section_of(reader->config, title);
	value.text = section ? strdup(at->value) : NULL;
	if (!value.text || put_value(section, &value))
		reader->no_memory = true;
	else
		section->place = (struct value){.file = value.file, .line = value.line};
}

static void on_mistake(unsigned int line, const char *wrong, void *userdata)
{
	struct reader *reader = userdata;

	complain(reader, reader->file, &(const struct ini_key){.line = line}, wrong);
}

static const char *keep_name(struct config *config, const char *file)
{
	char **more = reallocarray(config->files, config->file_count + 1, sizeof(*more));
	char *copy = more ? strdup(file) : NULL;

	if (more)
		config->files = more;
	if (copy)
		config->files[config->file_count++] = copy;
	return copy;
}

int config_add(struct config *config, const char *file, const char *text,
	       config_complain_fn complain_fn, void *userdata)
{
	struct reader reader = {
		.config = config,
		.file = keep_name(config, file),
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
		const struct option_row *row = config_option(section->values[i].key, false);

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
		       ?: apply(find_section(config, DEFAULTS), ret, ret_error)
		       ?: apply(section, ret, ret_error)
		       ?: policy_check(&ret->policy, true, ret_error);
}

static bool says_yes(const struct section *section, const char *key)
{
	const struct value *value = find_value(section, key);

	return value && !strcmp(value->text, "yes");
}

static bool is_for_somebody(const struct section *section)
{
	for (size_t i = 0; i < CONFIG_MATCHES; i++)
		if (find_value(section, config_matches[i]))
			return true;
	return says_yes(section, "selectable");
}

/* Containers by id are in paths, and by name are not. */
static unsigned int needs_look(const struct section *section)
{
	unsigned int parts = says_yes(section, "selectable") ? WORKLOAD_DECLARED : 0;

	for (size_t i = CONFIG_CONTAINER; i < CONFIG_MATCHES; i++)
		if (find_value(section, config_matches[i]))
			parts |= i < CONFIG_COMMAND ? WORKLOAD_DECLARED : WORKLOAD_PROCESS;
	return parts;
}

/* What is wrong with a guard as a whole; NULL: nothing is. */
static const char *wrong_with_guard(const struct config *config, const struct section *section)
{
	if (!is_for_somebody(section))
		return "it is for nobody: give cgroup, unit, slice, container, namespace, pod, "
		       "label, command, uid or selectable";
	_Static_assert(CONFIG_GUARDS_MAX == 63, "the text says so");
	return config->guard_count == CONFIG_GUARDS_MAX ? "there are too many guards: 63 may be"
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
	const struct section *said = section ?: find_section(config, DEFAULTS);
	const struct value *priority = find_value(section, "priority");
	struct config_guard guard = {
		.name = section ? section->title + strlen(GUARD) : NULL,
		.is_enabled = !find_value(section, "enabled") || says_yes(section, "enabled"),
		.is_selectable = says_yes(section, "selectable"),
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
	guard.policy = options.policy;
	if (!section)
		config->options = options;
	if (!wrong || !section)
		insert_guard(config, &guard, section);
	config->needs_look |= needs_look(section);
}

int config_finish(struct config *config, config_complain_fn complain_fn, void *userdata)
{
	struct reader reader = {.config = config, .complain = complain_fn, .userdata = userdata};

	config->guards = calloc(config->count + 1, sizeof(*config->guards));
	config->guard_sections = calloc(config->count + 1, sizeof(*config->guard_sections));
	if (!config->guards || !config->guard_sections)
		return -ENOMEM;
	for (size_t i = 0; i < config->count; i++)
		if (strcmp(config->sections[i].title, DEFAULTS) != 0)
			add_guard(&reader, &config->sections[i]);
	add_guard(&reader, NULL);
	return reader.no_memory ? -ENOMEM : 0;
}

/* FNV-1a, the NUL included. */
static uint32_t mix(uint32_t hash, const char *text)
{
	do
		hash = (hash ^ (unsigned char)*text) * 16777619U;
	while (*text++);
	return hash;
}

uint32_t config_fingerprint(const struct config *config)
{
	uint32_t hash = 2166136261U;

	for (size_t i = 0; i < config->count; i++) {
		hash = mix(hash, config->sections[i].title);
		for (size_t j = 0; j < config->sections[i].count; j++)
			hash = mix(mix(hash, config->sections[i].values[j].key),
				   config->sections[i].values[j].text);
	}
	return hash ?: 1;
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
		const struct value *globs = find_value(section, config_matches[i]);

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
	const struct value *value = find_value(section, row->key);

	if (!value) {
		section = find_section(config, DEFAULTS);
		value = find_value(section, row->key);
	}
	if (!value)
		return (struct config_value){.key = row->key, .value = row->initial ?: "no"};
	return (struct config_value){
		.key = row->key,
		.value = value->text,
		.file = value->file,
		.line = value->line,
		.section = section->title,
	};
}
