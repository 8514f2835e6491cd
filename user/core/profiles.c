// SPDX-License-Identifier: BSD-2-Clause
#include "core/profiles.h"

#include <errno.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"
#include "base/util.h"
#include "core/ini_file.h"

struct profiles {
	struct profile **all;
	size_t count;
};

/* --- a set --------------------------------------------------------------------------------- */

static struct profile *profile_free(struct profile *profile)
{
	if (profile) {
		free(profile->file);
		free(profile->arguments);
		free(profile);
	}
	return NULL;
}

struct profiles *profiles_new(void)
{
	return calloc(1, sizeof(struct profiles));
}

struct profiles *profiles_free(struct profiles *profiles)
{
	if (!profiles)
		return NULL;
	for (size_t i = 0; i < profiles->count; i++)
		profile_free(profiles->all[i]);
	free(profiles->all);
	free(profiles);
	return NULL;
}

size_t profiles_count(const struct profiles *profiles)
{
	return profiles->count;
}

const struct profile *profiles_get(const struct profiles *profiles, size_t index)
{
	return profiles->all[index];
}

/* Takes the profile where it returns 0. */
static int append(struct profiles *profiles, struct profile *profile)
{
	struct profile **more = reallocarray(profiles->all, profiles->count + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	profiles->all = more;
	profiles->all[profiles->count++] = profile;
	return 0;
}

/* --- keys ---------------------------------------------------------------------------------- */

/* What is wrong with the value of a key is said in words; NULL: nothing is. */

static const char *parse_stop_signal(const char *word, int *ret)
{
	int signal;

	if (parse_signal(word, &signal))
		return "give the name of a signal, such as TERM";
	if (signal == SIGKILL || signal == SIGSTOP)
		return "no process can handle it";
	*ret = signal;
	return NULL;
}

/* The next word of a list, cut off; NULL: there is none. */
static char *next_word(char **rest)
{
	char *word;

	do
		word = strsep(rest, " \t");
	while (word && !*word);
	return word;
}

static const char *add_command(struct profile *profile, char *word)
{
	struct profile_command command = {};
	char *star = strchr(word, '*');

	if (star && (star[1] || star == word))
		return "* may only end a name";
	if (star)
		*star = '\0';
	command.is_prefix = star;
	if (strlen(word) >= sizeof(command.name)) { /* the kernel cuts it, too */
		word[sizeof(command.name) - 1] = '\0';
		command.is_prefix = false;
	}
	if (profile->command_count == PROFILE_COMMANDS_MAX)
		return "too many names";
	memcpy(command.name, word, strlen(word));
	profile->commands[profile->command_count++] = command;
	return NULL;
}

static const char *set_command(struct profile *profile, char *value)
{
	const char *wrong = NULL;
	char *word;

	while (!wrong && (word = next_word(&value)))
		wrong = add_command(profile, word);
	return wrong;
}

static const char *set_arguments(struct profile *profile, char *value)
{
	free(profile->arguments);
	profile->arguments = strdup(value);
	return profile->arguments ? NULL : "out of memory";
}

static const char *set_role(struct profile *profile, char *value)
{
	if (!strcmp(value, "worker"))
		profile->role = PROFILE_WORKER;
	else if (!strcmp(value, "master"))
		profile->role = PROFILE_MASTER;
	else
		return "give worker or master";
	return NULL;
}

static const char *set_stop(struct profile *profile, char *value)
{
	profile->is_protected = !strcmp(value, "none");
	return profile->is_protected ? NULL : parse_stop_signal(value, &profile->stop_signal);
}

static const char *set_target(struct profile *profile, char *value)
{
	static const char *const names[] = {
		[PROFILE_SELF] = "self",
		[PROFILE_TO_MASTER] = "master",
		[PROFILE_TO_CHILD] = "child",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(value, names[i]) != 0)
			continue;
		profile->target = (enum profile_target)i;
		return NULL;
	}
	return "give self, master or child";
}

static const char *set_warn(struct profile *profile, char *value)
{
	return parse_stop_signal(value, &profile->warn_signal);
}

static const char *set_never(struct profile *profile, char *value)
{
	const char *wrong = NULL;
	char *word;
	int signal;

	while ((word = next_word(&value)) && !(wrong = parse_stop_signal(word, &signal)))
		profile->never_warn |= 1ULL << (signal - 1);
	return wrong;
}

static const char *set_time(struct profile *profile, char *value)
{
	return parse_duration(value, &profile->time_ns) ? "give a duration such as 30s" : NULL;
}

static const struct {
	const char *name;
	const char *(*set)(struct profile *profile, char *value);
} keys[] = {
	{"command", set_command}, {"arguments", set_arguments}, {"role", set_role},
	{"stop", set_stop},	  {"target", set_target},	{"warn", set_warn},
	{"never", set_never},	  {"time", set_time},
};

/* --- files --------------------------------------------------------------------------------- */

struct reader {
	struct profiles *profiles;
	const char *file;
	profiles_complain_fn complain;
	void *userdata;
	struct profile *profile; /* that is being read; NULL: none */
	unsigned int line;	 /* its last one so far */
	bool is_broken;
	bool no_memory;
};

static void complain(struct reader *reader, const struct ini_key *at, const char *wrong)
{
	_cleanup_free_ char *line = ini_complaint(reader->file, at, wrong);

	if (line)
		reader->complain(line, reader->userdata);
	else
		reader->no_memory = true;
}

static const char *wrong_with(const struct profile *profile)
{
	if (!profile->command_count)
		return "no command is named";
	if (!profile->stop_signal && !profile->is_protected && !profile->target &&
	    !profile->warn_signal && !profile->never_warn)
		return "it says nothing: give stop, target, warn or never";
	return NULL;
}

/* The section that was read is over. */
static void finish(struct reader *reader)
{
	struct profile *profile = TAKE_PTR(reader->profile);
	const char *wrong = profile && !reader->is_broken ? wrong_with(profile) : NULL;

	if (wrong)
		complain(reader, &(const struct ini_key){reader->line, profile->name, NULL, NULL},
			 wrong);
	if (!profile || reader->is_broken || wrong) {
		profile_free(profile);
	} else if (append(reader->profiles, profile)) {
		reader->no_memory = true;
		profile_free(profile);
	}
	reader->is_broken = false;
}

static bool is_name(const char *section)
{
	size_t length = strspn(section, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return length && !section[length] && length < PROFILE_NAME_LEN;
}

static void begin(struct reader *reader, const struct ini_key *at)
{
	const char *section = at->section;

	finish(reader);
	reader->profile = calloc(1, sizeof(*reader->profile));
	if (!reader->profile || !(reader->profile->file = strdup(reader->file))) {
		reader->no_memory = true;
		reader->profile = profile_free(reader->profile);
		return;
	}
	snprintf(reader->profile->name, sizeof(reader->profile->name), "%s", section);
	reader->is_broken = !is_name(section);
	if (reader->is_broken)
		complain(reader, &(const struct ini_key){at->line, section, NULL, NULL},
			 "a name has up to 31 small letters, digits and dashes");
}

static const char *set_key(struct profile *profile, const char *key, const char *value)
{
	_cleanup_free_ char *copy = strdup(value);

	if (!copy)
		return "out of memory";
	if (!*copy)
		return "the value is missing";
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strcmp(key, keys[i].name))
			return keys[i].set(profile, copy);
	return "there is no such key";
}

static void on_key(const struct ini_key *at, void *userdata)
{
	struct reader *reader = userdata;
	const char *wrong;

	if (!reader->profile ||
	    strncmp(reader->profile->name, at->section, PROFILE_NAME_LEN - 1) != 0)
		begin(reader, at);
	if (!reader->profile)
		return;
	reader->line = at->line;
	wrong = set_key(reader->profile, at->key, at->value);
	if (wrong) {
		reader->is_broken = true;
		complain(reader, at, wrong);
	}
}

/* Something is missing of a section. */
static void on_mistake(unsigned int line, const char *wrong, void *userdata)
{
	struct reader *reader = userdata;

	reader->is_broken = true;
	complain(reader, &(const struct ini_key){.line = line}, wrong);
}

int profiles_add(struct profiles *profiles, const char *file, const char *text,
		 profiles_complain_fn complain_fn, void *userdata)
{
	struct reader reader = {
		.profiles = profiles,
		.file = file,
		.complain = complain_fn,
		.userdata = userdata,
	};
	int r = ini_file_read(text, &(const struct ini_events){
					    .on_key = on_key,
					    .on_mistake = on_mistake,
					    .userdata = &reader,
				    });

	if (r > 0)
		complain(&reader, &(const struct ini_key){.line = (unsigned int)r}, INI_NONSENSE);
	finish(&reader);
	return reader.no_memory ? -ENOMEM : MIN(r, 0);
}

/* --- finding ------------------------------------------------------------------------------- */

static bool command_fits(const struct profile_command *command, const char *comm)
{
	return command->is_prefix ? text_starts_with(comm, command->name)
				  : !strcmp(comm, command->name);
}

bool profile_is_for(const struct profile *profile, const char *comm)
{
	for (size_t i = 0; i < profile->command_count; i++)
		if (command_fits(&profile->commands[i], comm))
			return true;
	return false;
}

static bool fits(const struct profile *profile, const struct profile_subject *subject)
{
	bool is_worker;

	if (!profile_is_for(profile, subject->comm))
		return false;
	is_worker = subject->parent_comm && profile_is_for(profile, subject->parent_comm);
	if (profile->role != PROFILE_ANY && is_worker != (profile->role == PROFILE_WORKER))
		return false;
	return !profile->arguments ||
	       (subject->arguments &&
		!fnmatch(profile->arguments, subject->arguments, FNM_NOESCAPE));
}

const struct profile *profiles_find(const struct profiles *profiles,
				    const struct profile_subject *subject, size_t from,
				    size_t *ret_next)
{
	for (size_t i = from; i < profiles->count; i++) {
		if (!fits(profiles->all[i], subject))
			continue;
		if (ret_next)
			*ret_next = i + 1;
		return profiles->all[i];
	}
	return NULL;
}

bool profiles_know(const struct profiles *profiles, const char *comm)
{
	for (size_t i = 0; i < profiles->count; i++)
		if (profile_is_for(profiles->all[i], comm))
			return true;
	return false;
}

bool profile_may_warn(const struct profile *profile, int signal)
{
	return signal < 1 || signal > 64 || !(profile->never_warn >> (signal - 1) & 1);
}

/* --- what the kernel side is to know ------------------------------------------------------- */

/* SIGTERM to itself is what everybody gets. */
static uint32_t uses_of(const struct profile *profile)
{
	bool is_told = profile->is_protected || profile->target ||
		       (profile->stop_signal && profile->stop_signal != SIGTERM);

	return (is_told ? APO_PROFILED_STOP : 0) |
	       (profile->is_protected ? APO_PROFILED_NEVER : 0) |
	       (profile->warn_signal || profile->never_warn ? APO_PROFILED_WARN : 0);
}

/* What all profiles say of commands of that name, or that begin so. */
static uint32_t uses_of_command(const struct profiles *profiles,
				const struct profile_command *command)
{
	uint32_t uses = 0;

	for (size_t i = 0; i < profiles->count; i++)
		if (profile_is_for(profiles->all[i], command->name))
			uses |= uses_of(profiles->all[i]);
	return uses;
}

int profiles_marks(const struct profiles *profiles, struct profile_mark **ret, size_t *ret_n)
{
	struct profile_mark *marks = NULL;
	size_t n = 0;

	for (size_t i = 0; i < profiles->count; i++) {
		const struct profile *profile = profiles->all[i];
		struct profile_mark *more =
			reallocarray(marks, n + profile->command_count, sizeof(*marks));

		if (!more) {
			free(marks);
			return -ENOMEM;
		}
		marks = more;
		for (size_t c = 0; c < profile->command_count; c++) {
			marks[n].command = profile->commands[c];
			marks[n].uses = uses_of(profile) |
					uses_of_command(profiles, &profile->commands[c]);
			n += marks[n].uses != 0;
		}
	}
	*ret = marks;
	*ret_n = n;
	return 0;
}
