/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/format.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/parse.h"
#include "base/text.h"
#include "base/util.h"
#include "core/hooks.h"

static struct tm utc_time(uint64_t realtime_ns)
{
	time_t seconds = (time_t)(realtime_ns / NSEC_PER_SEC);
	struct tm tm = {0};

	gmtime_r(&seconds, &tm);
	return tm;
}

void format_rfc3339(char *buf, size_t size, uint64_t realtime_ns)
{
	struct tm tm = utc_time(realtime_ns);
	unsigned int usec = (unsigned int)(realtime_ns % NSEC_PER_SEC / NSEC_PER_USEC);
	size_t len = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm);

	snprintf(buf + len, size - len, ".%06uZ", usec);
}

void format_clock(char *buf, size_t size, uint64_t realtime_ns)
{
	struct tm tm = utc_time(realtime_ns);
	unsigned int msec = (unsigned int)(realtime_ns % NSEC_PER_SEC / NSEC_PER_MSEC);
	size_t len = strftime(buf, size, "%H:%M:%S", &tm);

	snprintf(buf + len, size - len, ".%03uZ", msec);
}

void format_signed_size(char *buf, size_t size, int64_t bytes)
{
	if (bytes >= 0 || size == 0) {
		format_size(buf, size, (uint64_t)bytes);
		return;
	}
	buf[0] = '-';
	format_size(buf + 1, size - 1, -(uint64_t)bytes);
}

const char *trigger_name(enum apo_trigger trigger)
{
	const struct hook *hook = hook_of_trigger(trigger);

	return trigger == APO_TRIGGER_LOOK ? HOOKS_LOOK : hook ? hook->trigger : NULL;
}

const char *rule_name(enum apo_rule rule)
{
	switch (rule) {
	case APO_RULE_RESERVE:
		return "reserve";
	case APO_RULE_FORECAST:
		return "forecast";
	case APO_RULE_WARN:
		return "warn";
	case APO_RULE_OOMD:
		return "oomd";
	case APO_RULES:
		break;
	}
	return NULL;
}

const char *disposition_name(enum apo_disposition disposition)
{
	switch (disposition) {
	case APO_DISP_HANDLED:
		return "handled";
	case APO_DISP_DEFAULT:
		return "default";
	case APO_DISP_BLOCKED:
		return "blocked";
	case APO_DISP_IGNORED:
		return "ignored";
	case APO_DISP_INIT:
		return "init";
	case APO_DISP_UNKNOWN:
		break;
	}
	return "unknown";
}

const char *action_name(enum apo_action action)
{
	switch (action) {
	case APO_ACT_SENT:
		return "sent";
	case APO_ACT_DELEGATED:
		return "delegated";
	case APO_ACT_SENT_RESPONDER:
		return "sent by responder";
	case APO_ACT_DRY_RUN:
		return "dry run";
	case APO_ACT_DISAPPEARED:
		return "disappeared";
	case APO_ACT_FAILED:
		return "failed";
	case APO_ACT_TOLD:
		return "told already";
	case APO_ACT_ASKED:
		return "asked its manager";
	case APO_ACT_NONE:
		break;
	}
	return "none";
}

const char *declaration_name(enum apo_declaration declaration)
{
	switch (declaration) {
	case APO_DECLARED_KILL_SIGNAL:
		return "KillSignal=";
	case APO_DECLARED_RESTART_SIGNAL:
		return "RestartKillSignal=";
	case APO_DECLARED_EXEC_STOP:
	case APO_DECLARED_EXEC_RESTART:
		return "ExecStop=";
	case APO_DECLARED_CONTAINER:
		return "container";
	case APO_DECLARED_NOTHING:
		break;
	}
	return NULL;
}

const char *kind_name(enum apo_kind kind)
{
	switch (kind) {
	case APO_FILE:
		return "file";
	case APO_ANON:
		return "anon";
	case APO_SWAP:
		return "swap";
	case APO_SHMEM:
		return "shmem";
	case APO_KINDS:
		break;
	}
	return "?";
}

void print_coloured(FILE *file, bool colour, const char *code, const char *word)
{
	fprintf(file, "%s%s%s", colour ? code : "", word, colour ? "\033[0m" : "");
}

void print_word(FILE *file, bool colour, const char *code, const char *word)
{
	char padded[] = "too late";

	snprintf(padded, sizeof(padded), "%-*s", (int)sizeof(padded) - 1, word);
	print_coloured(file, colour, code, padded);
}

int file_result(FILE *file)
{
	int r = 0;

	errno = 0;
	if (fflush(file) != 0)
		r = -(errno ?: EIO);
	else if (ferror(file))
		r = -EIO; /* of an earlier write, whose errno is gone */
	clearerr(file);
	return r;
}

#define COLUMNS_DEFAULT 80U
#define COLUMNS_LEAST 40U

unsigned int terminal_columns(const struct terminal *terminal)
{
	return MAX(terminal->columns ?: COLUMNS_DEFAULT, COLUMNS_LEAST);
}

/* Of the valid UTF-8 in s, its first length bytes. */
static unsigned int count_characters(const char *s, size_t length)
{
	unsigned int count = 0;

	for (size_t at = 0; at < length; count++)
		at += MAX(text_utf8_sequence(s + at, NULL), 1U);
	return count;
}

void print_wrapped(FILE *file, const struct terminal *terminal, unsigned int column,
		   const char *text)
{
	unsigned int width = terminal_columns(terminal), at = column;

	while (*(text += strspn(text, " "))) {
		size_t length = strcspn(text, " ");
		unsigned int wide = count_characters(text, length);

		if (at > column && at + 1 + wide > width) {
			fprintf(file, "\n%*s", (int)column, "");
			at = column;
		} else if (at > column) {
			fputc(' ', file);
			at++;
		}
		fwrite(text, 1, length, file);
		at += wide;
		text += length;
	}
	fputc('\n', file);
}
