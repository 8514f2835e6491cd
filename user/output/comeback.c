// SPDX-License-Identifier: BSD-2-Clause
#include "output/comeback.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"
#include "base/util.h"
#include "output/format.h"
#include "output/json.h"

/* By whom it was brought back; NULL: it was not. */
static const char *who(const struct comeback *comeback)
{
	if (comeback->outcome != COMEBACK_RESTARTED)
		return NULL;
	return comeback->is_asked ? "apoptosis" : "manager";
}

static void print_outcome(FILE *file, enum comeback_outcome outcome, bool colour)
{
	const char *word = outcome == COMEBACK_RESTARTED ? "up" : comeback_name(outcome);
	const char *code = outcome == COMEBACK_DOWN ? COLOUR_RED
			   : outcome == COMEBACK_RESTARTED || outcome == COMEBACK_RUNS_ON
				   ? COLOUR_GREEN
				   : COLOUR_YELLOW;

	print_word(file, colour, code, word);
}

/* Its manager would have, after a shutdown that worked. */
static bool was_to_come_back(const struct comeback *comeback)
{
	return !strcmp(comeback->restart, "always") || !strcmp(comeback->restart, "on-success");
}

static void print_down(FILE *file, const struct comeback *comeback)
{
	if (comeback->is_asked)
		fprintf(file, ": was to be started, and is down all the same (%s)",
			comeback->result[0] ? comeback->result : "no result");
	else if (!comeback->restart[0])
		fputs(": is down", file);
	else if (was_to_come_back(comeback))
		fprintf(file,
			": is down in spite of its Restart=%s: it was stopped meanwhile, or "
			"started too often (%s)",
			comeback->restart, comeback->result[0] ? comeback->result : "no result");
	else
		fprintf(file,
			": is down, as its Restart=%s does not bring it back; --then restart has "
			"it "
			"started, so does Restart=always",
			comeback->restart);
}

int comeback_line(FILE *file, const struct comeback_event *event, bool colour)
{
	const struct comeback *comeback = event->comeback;
	_cleanup_free_ char *unit = text_escape_line(comeback->unit);
	char clock[FORMAT_TIME_SIZE], took[16];

	if (!unit)
		return -ENOMEM;
	format_clock(clock, sizeof(clock), event->realtime_ns);
	fprintf(file, "%s ", clock);
	print_outcome(file, comeback->outcome, colour);
	fprintf(file, " %s", unit);
	switch (comeback->outcome) {
	case COMEBACK_UNKNOWN:
		fputs(": its manager did not say whether it runs", file);
		break;
	case COMEBACK_RUNS_ON:
		fputs(": was up all the time", file);
		break;
	case COMEBACK_RESTARTED:
		format_duration(took, sizeof(took), comeback->took_ns);
		fprintf(file, ": up again after %s, by %s", took,
			comeback->is_asked ? "--then restart" : "its manager");
		break;
	case COMEBACK_PENDING:
		fputs(": is not up yet, but its manager is at it", file);
		break;
	case COMEBACK_STOPPED:
		fputs(": was stopped through its manager, and stays so", file);
		break;
	case COMEBACK_DOWN:
		print_down(file, comeback);
		break;
	}
	fputc('\n', file);
	return file_result(file);
}

static json_t *word_json(const char *word)
{
	return *word ? json_text(word) : json_null();
}

json_t *comeback_json(const struct comeback *comeback)
{
	json_t *object;
	int r = 0;

	if (!comeback->unit[0])
		return json_null();
	object = json_object();
	r |= json_object_set_new(object, "unit", json_text(comeback->unit));
	r |= json_object_set_new(object, "outcome", json_string(comeback_name(comeback->outcome)));
	r |= json_object_set_new(object, "by",
				 who(comeback) ? json_string(who(comeback)) : json_null());
	r |= json_object_set_new(
		object, "up_after_ms",
		who(comeback) ? json_real((double)comeback->took_ns / (double)NSEC_PER_MSEC)
			      : json_null());
	r |= json_object_set_new(object, "restart", word_json(comeback->restart));
	r |= json_object_set_new(object, "result", word_json(comeback->result));
	return json_finish(object, r);
}

json_t *comeback_event_json(const struct comeback_event *event)
{
	json_t *object = json_event("after", event->realtime_ns);
	char id[17];
	int r = 0;

	snprintf(id, sizeof(id), "%016" PRIx64, event->id);
	r |= json_object_set_new(object, "id", json_string(id));
	r |= json_object_set_new(object, "after", comeback_json(event->comeback));
	return json_finish(object, r);
}
