/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/config.h"

#include <errno.h>
#include <stdbool.h>

#include "base/text.h"
#include "base/util.h"
#include "output/format.h"
#include "output/json.h"

static const char *name_of(const struct config_guard *guard)
{
	return guard->name ?: "(everything else)";
}

/* What comes from files, and, if all are wanted, what does not. */
static int print_values(FILE *file, const struct config *config, size_t guard, bool all)
{
	for (size_t i = 0; i < config_values(); i++) {
		struct config_value value = config_value(config, guard, i);
		_cleanup_free_ char *from = NULL, *shown = text_escape_line(value.value);

		if (!value.file && !all)
			continue;
		if (!shown)
			return -ENOMEM;
		if (!value.file) {
			fprintf(file, "  %-12s %-20s default of the program\n", value.key, shown);
			continue;
		}
		from = text_escape_line(value.file);
		if (!from)
			return -ENOMEM;
		fprintf(file, "  %-12s %-20s [%s] of %s:%u\n", value.key, shown, value.section,
			from, value.line);
	}
	return 0;
}

int config_text(FILE *file, const struct config *config)
{
	int r = 0;

	for (size_t i = 0; !r && i < config_guards(config); i++) {
		const struct config_guard *guard = config_guard(config, i);

		fprintf(file, "%s%s", i ? "\n" : "", name_of(guard));
		if (guard->priority)
			fprintf(file, ", priority %d", guard->priority);
		fprintf(file, "%s\n", guard->is_enabled ? "" : ", not guarded");
		r = print_values(file, config, i, false);
	}
	return r ?: file_result(file);
}

int config_covered_text(FILE *file, const struct config *config,
			const struct config_covered *covered)
{
	const struct config_guard *guard = config_guard(config, covered->guard);
	_cleanup_free_ char *cgroup = text_escape_line(covered->cgroup);
	_cleanup_free_ char *at = text_escape_line(covered->at ?: "");

	if (!cgroup || !at)
		return -ENOMEM;
	fprintf(file, "cgroup  %s\nguard   %s%s%s%s\n", cgroup, name_of(guard),
		covered->at ? ", which is for " : "", at,
		guard->is_enabled ? "" : "; it is not guarded");
	return (guard->is_enabled ? print_values(file, config, covered->guard, true) : 0)
		       ?: file_result(file);
}

/* --- JSON ---------------------------------------------------------------------------------- */

static json_t *values_json(const struct config *config, size_t guard)
{
	json_t *values = json_array();

	for (size_t i = 0; values && i < config_values(); i++) {
		struct config_value value = config_value(config, guard, i);
		json_t *object = json_pack("{s:s, s:s, s:s?, s:s?}", "key", value.key, "value",
					   value.value, "file", value.file, "section",
					   value.section);

		if (object && value.file)
			json_object_set_new(object, "line", json_integer(value.line));
		if (json_array_append_new(values, object)) {
			json_decref(values);
			values = NULL;
		}
	}
	return values;
}

static json_t *guard_json(const struct config *config, size_t index)
{
	const struct config_guard *guard = config_guard(config, index);

	return json_pack("{s:s?, s:i, s:b, s:o}", "guard", guard->name, "priority", guard->priority,
			 "enabled", guard->is_enabled, "values", values_json(config, index));
}

json_t *config_json(const struct config *config)
{
	json_t *guards = json_array();

	for (size_t i = 0; guards && i < config_guards(config); i++) {
		if (json_array_append_new(guards, guard_json(config, i))) {
			json_decref(guards);
			guards = NULL;
		}
	}
	return guards ? json_pack("{s:o}", "guards", guards) : NULL;
}

json_t *config_covered_json(const struct config *config, const struct config_covered *covered)
{
	json_t *object = guard_json(config, covered->guard);
	_cleanup_free_ char *cgroup = text_utf8(covered->cgroup);
	_cleanup_free_ char *at = covered->at ? text_utf8(covered->at) : NULL;

	if (object && (!cgroup || (covered->at && !at) ||
		       json_object_set_new(object, "cgroup", json_string(cgroup)) ||
		       json_object_set_new(object, "for", at ? json_string(at) : json_null()))) {
		json_decref(object);
		object = NULL;
	}
	return object;
}
