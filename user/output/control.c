/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/control.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "base/util.h"
#include "output/json.h"

static const char *const names[CONTROL_REQUESTS] = {
	[CONTROL_STATUS] = "status",
};

#define EXAMPLE "{\"request\": \"status\"}"

char *control_request_line(enum control_request request)
{
	char *line;

	return asprintf(&line, "{\"request\":\"%s\",\"schema\":%d}\n", names[request],
			JSON_SCHEMA) < 0
		       ? NULL
		       : line;
}

static int find(const char *name, enum control_request *ret, char **ret_error)
{
	_cleanup_free_ char *shown = NULL;

	for (enum control_request request = 0; request < CONTROL_REQUESTS; request++) {
		if (strcmp(names[request], name) == 0) {
			*ret = request;
			return 0;
		}
	}
	shown = text_escape_line(name);
	if (!shown)
		return -ENOMEM;
	return text_refuse(ret_error, "request '%s': there is none of that name, ask for status",
			   shown);
}

/* A request that names no schema is one of ours; of a newer one we do not know what it means. */
static int check_schema(const json_t *document, char **ret_error)
{
	const json_t *schema = json_object_get(document, "schema");

	if (!schema || json_integer_value(schema) == JSON_SCHEMA)
		return 0;
	return text_refuse(ret_error,
			   "schema: this daemon speaks %d: use the apoptosis that is installed "
			   "with it",
			   JSON_SCHEMA);
}

int control_parse(const char *line, size_t size, enum control_request *ret, char **ret_error)
{
	json_t *document = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
	const char *name = json_string_value(json_object_get(document, "request"));
	int r;

	if (name)
		r = check_schema(document, ret_error) ?: find(name, ret, ret_error);
	else
		r = text_refuse(ret_error,
				"no request: give one JSON object in a line, as in " EXAMPLE);
	json_decref(document);
	return r;
}

json_t *control_error_json(uint64_t realtime_ns, const char *error)
{
	json_t *object = json_event("error", realtime_ns);
	int r = json_object_set_new(object, "error", json_text(error));

	return json_finish(object, r);
}
