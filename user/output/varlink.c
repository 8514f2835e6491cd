/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/varlink.h"

#include "output/json.h"

json_t *varlink_call(const char *text, size_t size, const char **ret_method,
		     const json_t **ret_parameters)
{
	json_t *document = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	const char *method = json_string_value(json_object_get(document, "method"));

	if (!method) {
		json_decref(document);
		return NULL;
	}
	*ret_method = method;
	*ret_parameters = json_object_get(document, "parameters");
	return document;
}

/* Takes the document. */
static char *message_of(json_t *document)
{
	char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;

	json_decref(document);
	return text;
}

char *varlink_done(void)
{
	return message_of(json_pack("{s:{}}", "parameters"));
}

char *varlink_error(const char *name, const char *parameter, const char *value)
{
	json_t *parameters = json_object();
	int r = 0;

	if (parameter)
		r |= json_object_set_new(parameters, parameter, json_text(value));
	parameters = json_finish(parameters, r);
	return parameters ? message_of(json_pack("{s:s, s:o}", "error", name, "parameters",
						 parameters))
			  : NULL;
}
