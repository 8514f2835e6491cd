/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"
#include "base/util.h"
#include "core/option_table.h"

#define COMMAND_INFO(upper, function, name, synopsis, summary, details) \
	{name, synopsis, summary, details},

static const struct command_info commands[COMMANDS] = {COMMANDS_EACH(COMMAND_INFO)};

const struct command_info *command_info(enum command command)
{
	return &commands[command];
}

int command_find(const char *name, enum command *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(name, commands[i].name) == 0) {
			*ret = (enum command)i;
			return 0;
		}
	}
	return -ENOENT;
}

const char *command_guess(const char *name)
{
	struct text_guess guess = {.word = name};

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		text_guess_offer(&guess, commands[i].name);
	return guess.nearest;
}

const char *guard_mode_name(enum guard_mode mode)
{
	switch (mode) {
	case MODE_PID:
		return "pid";
	case MODE_CGROUP:
		return "cgroup";
	case MODE_POD:
		return "pod";
	case MODE_ALL:
		return "all";
	case MODE_NONE:
		break;
	}
	return "none";
}

static int refuse_word(char **ret_error, enum command command, const char *what, const char *word)
{
	_cleanup_free_ char *shown = text_escape_line(word);

	if (!shown)
		return -ENOMEM;
	return text_refuse(ret_error, "%s '%s', see apoptosis %s --help", what, shown,
			   commands[command].name);
}

/* The first command that takes this flag (len bytes); NULL: none does. */
static const char *command_with(const char *flag, size_t len)
{
	for (enum command c = COMMAND_WATCH; c < COMMANDS; c++) {
		if (options_find_flag(c, flag, len))
			return commands[c].name;
	}
	return NULL;
}

/* A long option that the command does not take: another one does, or another one was meant. */
static int refuse_flag(char **ret_error, enum command command, const char *word, size_t len)
{
	_cleanup_free_ char *shown = text_escape_line(word), *flag = strndup(word + 2, len - 2);
	const char *taker = command_with(word, len);
	struct text_guess guess = {.word = flag};
	const struct option_row *rows;
	size_t count;

	if (!shown || !flag)
		return -ENOMEM;
	if (taker)
		return text_refuse(ret_error,
				   "unknown option '%s': it is one of apoptosis %s, see apoptosis "
				   "%s --help",
				   shown, taker, commands[command].name);
	rows = options_rows(&count);
	for (size_t i = 0; i < count; i++) {
		if (options_find_flag(command, rows[i].flag, strlen(rows[i].flag)))
			text_guess_offer(&guess, rows[i].flag + 2);
	}
	if (!guess.nearest)
		return refuse_word(ret_error, command, "unknown option", word);
	return text_refuse(ret_error,
			   "unknown option '%s', did you mean --%s? see apoptosis %s --help", shown,
			   guess.nearest, commands[command].name);
}

static int refuse_value(char **ret_error, const struct option_row *row, const char *value,
			const char *why)
{
	_cleanup_free_ char *shown =
		text_escape_line(row->commands & OPTION_SECRET ? "..." : value);
	const char *meant = why ? NULL : option_signal_meant(row->set, value);

	if (!shown)
		return -ENOMEM;
	if (meant)
		return text_refuse(ret_error, "%s '%s': did you mean %s? give %s", row->flag, shown,
				   meant, row->range);
	return text_refuse(ret_error, "%s '%s': %s%sgive %s", row->flag, shown, why ? why : "",
			   why ? "; " : "", row->range);
}

static int apply(const struct option_row *row, const char *value, struct options *o,
		 char **ret_error)
{
	const char *why = NULL;
	int r = row->set(o, value, &why);

	if (r >= 0)
		return 0;
	if (r == -EEXIST)
		return text_refuse(ret_error, "%s: give --pid, --cgroup, --pod or --all only once",
				   row->flag);
	return refuse_value(ret_error, row, value, why);
}

int options_set_key(struct options *options, const struct option_row *row, const char *value,
		    char **ret_error)
{
	const char *why = NULL, *meant;

	if (row->set(options, value, &why) >= 0)
		return 0;
	meant = why ? NULL : option_signal_meant(row->set, value);
	if (meant)
		return text_refuse(ret_error, "did you mean %s? give %s", meant, row->range);
	return text_refuse(ret_error, "%s%sgive %s", why ?: "", why ? "; " : "",
			   row->range ?: "yes or no");
}

/* The long option at argv[*index]; *index moves on to its last word. */
static int parse_long(int argc, char **argv, int *index, struct options *o, char **ret_error)
{
	const char *word = argv[*index];
	const char *equals = strchr(word, '=');
	const char *value = equals ? equals + 1 : NULL;
	size_t len = equals ? (size_t)(equals - word) : strlen(word);
	const struct option_row *row = options_find_flag(o->command, word, len);

	if (!row)
		return refuse_flag(ret_error, o->command, word, len);
	if (!row->argument && value)
		return refuse_word(ret_error, o->command, "no value is taken by", word);
	if (row->argument && !value) {
		if (*index + 1 >= argc)
			return text_refuse(ret_error, "%s needs a value: give %s", row->flag,
					   row->range);
		value = argv[++*index];
	}
	return apply(row, value, o, ret_error);
}

/* "-qv", "-c FILE", "-cFILE": the last one may take an argument. *index moves on to the last word. */
static int parse_shorts(int argc, char **argv, int *index, struct options *o, char **ret_error)
{
	const char *word = argv[*index];

	for (const char *flag = word + 1; *flag; flag++) {
		const struct option_row *row = options_find_short(o->command, *flag);
		const char *value = row && row->argument && flag[1] ? flag + 1 : NULL;
		int r;

		if (!row)
			return refuse_word(ret_error, o->command, "unknown option", word);
		if (row->argument && !value) {
			if (*index + 1 >= argc)
				return text_refuse(ret_error, "-%c needs a value: give %s", *flag,
						   row->range);
			value = argv[++*index];
		}
		r = apply(row, value, o, ret_error);
		if (r < 0 || row->argument)
			return r;
	}
	return 0;
}

static int parse_operand(const char *word, struct options *o, char **ret_error)
{
	_cleanup_free_ char *shown = NULL;

	if (o->command == COMMAND_REPORT && !o->report) {
		o->report = word;
		return 0;
	}
	if (o->command == COMMAND_COMPLETION && !o->shell) {
		o->shell = word;
		return 0;
	}
	if (o->command == COMMAND_CONFIG && !o->shows && !strcmp(word, "show")) {
		o->shows = true;
		return 0;
	}
	if (o->command == COMMAND_TRIP && !o->subject) {
		o->subject = word;
		return 0;
	}
	if ((o->command != COMMAND_RSS && o->command != COMMAND_EXPLAIN) || o->pid)
		return refuse_word(ret_error, o->command, "unexpected argument", word);
	if (parse_pid(word, &o->pid) >= 0)
		return 0;
	shown = text_escape_line(word);
	if (!shown)
		return -ENOMEM;
	return text_refuse(ret_error, "PID '%s': give the number of a running process", shown);
}

static int parse_words(int argc, char **argv, struct options *o, char **ret_error)
{
	bool options_ended = false;

	for (int i = 1; i < argc && !o->help; i++) {
		int r = 0;

		if (!options_ended && strcmp(argv[i], "--") == 0) {
			options_ended = true;
		} else if (!options_ended && argv[i][0] == '-' && argv[i][1] == '-') {
			r = parse_long(argc, argv, &i, o, ret_error);
		} else if (!options_ended && argv[i][0] == '-' && argv[i][1]) {
			r = parse_shorts(argc, argv, &i, o, ret_error);
		} else if (o->command != COMMAND_RUN) {
			r = parse_operand(argv[i], o, ret_error);
		} else {
			o->argc = argc - i;
			o->argv = argv + i;
			return 0;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

int options_defaults(enum command command, struct options *ret, char **ret_error)
{
	size_t count;
	const struct option_row *rows = options_rows(&count);

	*ret = (struct options){.command = command};
	for (size_t i = 0; i < count; i++) {
		int r = rows[i].initial ? apply(&rows[i], rows[i].initial, ret, ret_error) : 0;

		if (r < 0)
			return r;
	}
	ret->policy.reserve_max_bytes =
		RESERVE_MAX_DEFAULT_BYTES; /* a reserve that is asked for has no cap */
	ret->policy.signal_given = ret->warn_given = false;
	return 0;
}

static bool is_list(const struct options *o)
{
	return o->report && strcmp(o->report, "list") == 0;
}

static int check_format(const struct options *o, char **ret_error)
{
	int formats = o->json + o->folded + o->pprof + (o->html != NULL);

	if (formats > 1)
		return text_refuse(ret_error,
				   "give only one of --json, --folded, --pprof and --html, see "
				   "apoptosis %s --help",
				   commands[o->command].name);
	if (formats == 1 && !o->json && is_list(o))
		return text_refuse(
			ret_error,
			"a list is text or --json: give latest, an ID or a FILE instead");
	return 0;
}

enum output_format options_format(const struct options *options)
{
	return options->json	 ? FORMAT_JSON
	       : options->folded ? FORMAT_FOLDED
	       : options->pprof	 ? FORMAT_PPROF
	       : options->html	 ? FORMAT_HTML
				 : FORMAT_TEXT;
}

/* Checks that concern several options. */
static int check_together(const struct options *o, char **ret_error)
{
	const char *name = commands[o->command].name;
	int r = check_format(o, ret_error);

	if (r < 0)
		return r;
	if (o->command == COMMAND_REPORT && o->no_reports)
		return text_refuse(ret_error,
				   "--report-dir off: report reads a directory, give its "
				   "path (./off, if it is called so)");
	if (o->command == COMMAND_REPORT && o->since_ns && !is_list(o))
		return text_refuse(ret_error, "--since is for a list: give report list");
	if (o->command == COMMAND_REPORT && o->guard && !is_list(o))
		return text_refuse(ret_error, "--guard is for a list: give report list");
	if (o->command == COMMAND_WATCH && o->mode == MODE_NONE)
		return text_refuse(ret_error,
				   "nothing to guard: give --pid, --cgroup, --pod or --all, see "
				   "apoptosis %s --help",
				   name);
	if (o->command == COMMAND_RUN && o->argc == 0)
		return text_refuse(ret_error,
				   "no command: give -- CMD [ARG...], see apoptosis %s "
				   "--help",
				   name);
	if (o->command == COMMAND_COMPLETION && !o->shell)
		return text_refuse(ret_error, "no shell: give bash, zsh or fish");
	if (o->command == COMMAND_CONFIG && !o->shows)
		return text_refuse(ret_error, "nothing to do: give show, see apoptosis %s --help",
				   name);
	if (o->command == COMMAND_TRIP && !o->policy.dry_run)
		return text_refuse(ret_error, "a trip is only rehearsed: give --dry-run");
	if (o->command == COMMAND_TRIP && !o->subject)
		return text_refuse(ret_error,
				   "nothing to rehearse for: give a CGROUP or a PID, see apoptosis "
				   "%s --help",
				   name);
	if ((o->command == COMMAND_RSS || o->command == COMMAND_EXPLAIN) && o->pid == 0)
		return text_refuse(ret_error, "no process: give a PID, see apoptosis %s --help",
				   name);
	r = policy_check(&o->policy, o->mode == MODE_ALL, ret_error);
	if (r < 0)
		return r;
	if (o->command == COMMAND_HISTORY && o->csv && o->json)
		return text_refuse(ret_error,
				   "give only one of --json and --csv, see apoptosis %s "
				   "--help",
				   name);
	if (o->command == COMMAND_HISTORY && o->no_history)
		return text_refuse(ret_error, "--history off: history reads a file, give its path");
	return o->limit_bytes ? policy_check_limit(&o->policy, o->limit_bytes, ret_error) : 0;
}

int options_parse(enum command command, int argc, char **argv, struct options *ret,
		  char **ret_error)
{
	struct options o;
	int r;

	r = options_defaults(command, &o, ret_error);
	if (r >= 0)
		r = parse_words(argc, argv, &o, ret_error);
	if (r >= 0 && !o.help)
		r = check_together(&o, ret_error);
	if (r < 0)
		return r;
	*ret = o;
	return 0;
}
