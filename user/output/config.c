/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/config.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

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

		if ((!value.file && !all) || !value.applies)
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

static void print_words(FILE *file, const char *key, const char *words)
{
	_cleanup_free_ char *shown = words ? text_escape_line(words) : NULL;

	if (shown)
		fprintf(file, "  %-12s %s\n", key, shown);
}

int config_text(FILE *file, const struct config *config)
{
	int r = 0;

	for (size_t i = 0; !r && i < config_guards(config); i++) {
		const struct config_guard *guard = config_guard(config, i);

		fprintf(file, "%s%s", i ? "\n" : "", name_of(guard));
		if (guard->priority)
			fprintf(file, ", priority %d", guard->priority);
		fprintf(file, "%s%s\n", guard->is_selectable ? ", selectable" : "",
			guard->is_enabled ? "" : ", not guarded");
		r = print_values(file, config, i, false);
	}
	if (!r && config_host(config)) {
		fprintf(file, "\nthe machine's own memory\n");
		r = print_values(file, config, config_host(config), true);
		print_words(file, "prefer", config_host_prefers(config));
		print_words(file, "avoid", config_host_avoids(config));
	}
	return r ?: file_result(file);
}

static void print_known(FILE *file, const char *name, const char *value)
{
	_cleanup_free_ char *shown = value ? text_escape_line(value) : NULL;

	if (shown)
		fprintf(file, "%-9s %s\n", name, shown);
}

/* What is known of who runs there, by which guards may be for it. */
static void print_workload(FILE *file, const struct config_covered *covered, const char *guard)
{
	const struct workload *workload = &covered->workload;
	_cleanup_free_ char *wish = workload->wish ? text_escape_line(workload->wish) : NULL;

	print_known(file, "container", workload->container);
	print_known(file, "namespace", workload->pod_namespace);
	print_known(file, "pod", workload->pod);
	for (size_t i = 0; i < workload->label_count; i++)
		print_known(file, i ? "" : "labels", workload->labels[i]);
	print_known(file, "command", workload->command);
	print_known(file, "uid", workload->uid);
	if (wish)
		fprintf(file, "asks for  %s, by its %s%s\n", wish, workload->wished,
			guard && !strcmp(guard, workload->wish)
				? ""
				: ": there is no such guard that is selectable");
}

int config_covered_text(FILE *file, const struct config *config,
			const struct config_covered *covered)
{
	const struct config_guard *guard = config_guard(config, covered->guard);
	_cleanup_free_ char *cgroup = text_escape_line(covered->cgroup);
	_cleanup_free_ char *at = text_escape_line(covered->at ?: "");

	if (!cgroup || !at)
		return -ENOMEM;
	fprintf(file, "cgroup    %s\n", cgroup);
	print_workload(file, covered, guard->name);
	fprintf(file, "guard     %s%s%s%s\n", name_of(guard), covered->at ? ", which is for " : "",
		at, guard->is_enabled ? "" : "; it is not guarded");
	return (guard->is_enabled ? print_values(file, config, covered->guard, true) : 0)
		       ?: file_result(file);
}

/* --- JSON ---------------------------------------------------------------------------------- */

static json_t *value_json(const struct config_value *value)
{
	json_t *object = json_object();
	int r = 0;

	r |= json_object_set_new(object, "key", json_string(value->key));
	r |= json_object_set_new(object, "value", json_text(value->value));
	r |= json_object_set_new(object, "file", json_text(value->file));
	r |= json_object_set_new(object, "line", json_known(value->file, value->line));
	r |= json_object_set_new(object, "section", json_text(value->section));
	return json_finish(object, r);
}

static json_t *guard_json(const struct config *config, size_t index)
{
	const struct config_guard *guard = config_guard(config, index);
	json_t *object = json_object(), *values = json_array();
	int r = 0;

	for (size_t i = 0; i < config_values(); i++) {
		struct config_value value = config_value(config, index, i);

		if (!value.applies)
			continue;
		r |= json_array_append_new(values, value_json(&value));
	}
	r |= json_object_set_new(object, "guard", json_text(guard->name));
	r |= json_object_set_new(object, "priority", json_integer(guard->priority));
	r |= json_object_set_new(object, "enabled", json_boolean(guard->is_enabled));
	r |= json_object_set_new(object, "selectable", json_boolean(guard->is_selectable));
	r |= json_object_set_new(object, "values", values);
	return json_finish(object, r);
}

/* null: the machine's own memory is not guarded. */
static json_t *host_json(const struct config *config)
{
	json_t *object;
	int r = 0;

	if (!config_host(config))
		return json_null();
	object = guard_json(config, config_host(config));
	r |= json_object_set_new(object, "prefer", json_text(config_host_prefers(config)));
	r |= json_object_set_new(object, "avoid", json_text(config_host_avoids(config)));
	return json_finish(object, r);
}

json_t *config_json(const struct config *config)
{
	json_t *object = json_object(), *guards = json_array();
	int r = 0;

	for (size_t i = 0; i < config_guards(config); i++)
		r |= json_array_append_new(guards, guard_json(config, i));
	r |= json_object_set_new(object, "guards", guards);
	r |= json_object_set_new(object, "host", host_json(config));
	return json_finish(object, r);
}

static json_t *labels_json(const struct workload *workload)
{
	json_t *labels = json_array();
	int r = 0;

	for (size_t i = 0; i < workload->label_count; i++)
		r |= json_array_append_new(labels, json_text(workload->labels[i]));
	return json_finish(labels, r);
}

json_t *config_covered_json(const struct config *config, const struct config_covered *covered)
{
	const struct workload *workload = &covered->workload;
	json_t *object = guard_json(config, covered->guard);
	int r = 0;

	r |= json_object_set_new(object, "cgroup", json_text(covered->cgroup));
	r |= json_object_set_new(object, "for", json_text(covered->at));
	r |= json_object_set_new(object, "container", json_text(workload->container));
	r |= json_object_set_new(object, "namespace", json_text(workload->pod_namespace));
	r |= json_object_set_new(object, "pod", json_text(workload->pod));
	r |= json_object_set_new(object, "labels", labels_json(workload));
	r |= json_object_set_new(object, "command", json_text(workload->command));
	r |= json_object_set_new(object, "uid", json_text(workload->uid));
	r |= json_object_set_new(object, "asks_for", json_text(workload->wish));
	r |= json_object_set_new(object, "asks_by", json_text(workload->wished));
	return json_finish(object, r);
}
