/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/metrics_guards.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "base/text.h"
#include "core/container_id.h"
#include "core/unit.h"

/* --- labels -------------------------------------------------------------------------------- */

void metrics_print_label(FILE *file, const char *raw)
{
	while (*raw) {
		size_t length = text_utf8_sequence(raw, NULL);

		if (!length)
			fputs("\uFFFD", file);
		else if (*raw == '\n')
			fputs("\\n", file);
		else if (*raw == '\\' || *raw == '"')
			fprintf(file, "\\%c", *raw);
		else
			fwrite(raw, 1, length, file);
		raw += MAX(length, (size_t)1);
	}
}

static void print_label(FILE *file, const char *name, const char *value)
{
	if (!value)
		return;
	fprintf(file, ",%s=\"", name);
	metrics_print_label(file, value);
	fputc('"', file);
}

/* That of a user's manager, where there is one. NULL: the path shows none. */
static char *unit_of(const char *cgroup)
{
	char *unit;

	return unit_of_user_from_cgroup(cgroup, &unit) && unit_from_cgroup(cgroup, &unit) ? NULL
											  : unit;
}

/* NULL: no memory. */
static char *labels_of(const struct status_limit *limit)
{
	_cleanup_free_ char *unit = unit_of(limit->path), *id = NULL;
	const struct workload *workload = &limit->workload;
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		return NULL;
	if (container_id_from_cgroup(limit->path, &id))
		id = NULL;
	fputs("{cgroup=\"", file);
	metrics_print_label(file, limit->path);
	fputc('"', file);
	print_label(file, "container", workload->container ?: id);
	print_label(file, "guard", limit->guard);
	print_label(file, "namespace", workload->pod_namespace);
	print_label(file, "pod", workload->pod);
	print_label(file, "unit", unit);
	fputc('}', file);
	if (!fclose(file))
		return text;
	free(text);
	return NULL;
}

/* --- which of them ------------------------------------------------------------------------- */

static double fill_of(const struct apo_limit *account)
{
	return account->limit_pages == APO_UNLIMITED || !account->limit_pages
		       ? 0
		       : (double)account->need_pages / (double)account->limit_pages;
}

static int by_labels(const void *a, const void *b)
{
	const struct metrics_guard *one = a, *other = b;

	return strcmp(one->labels, other->labels);
}

/* The fullest first. */
static int by_fill(const void *a, const void *b)
{
	const struct metrics_guard *one = a, *other = b;
	double m = fill_of(&one->limit->account), n = fill_of(&other->limit->account);

	return m < n ? 1 : m > n ? -1 : by_labels(a, b);
}

/* Of those that read alike the fullest. */
static int by_labels_and_fill(const void *a, const void *b)
{
	return by_labels(a, b) ?: by_fill(a, b);
}

static void sort(struct metrics_guards *guards, int (*compare)(const void *a, const void *b))
{
	if (guards->count)
		qsort(guards->items, guards->count, sizeof(*guards->items), compare);
}

/* A limit that several policies judge is one guard. */
static void drop_doubles(struct metrics_guards *guards)
{
	size_t kept = 0;

	for (size_t i = 0; i < guards->count; i++) {
		struct metrics_guard *item = &guards->items[i],
				     *last = kept ? &guards->items[kept - 1] : NULL;

		if (!last || strcmp(last->labels, item->labels) != 0) {
			guards->items[kept++] = *item;
			continue;
		}
		guards->omitted += last->limit->key.cgroup_id != item->limit->key.cgroup_id;
		free(item->labels);
	}
	guards->count = kept;
}

static void keep_fullest(struct metrics_guards *guards)
{
	if (guards->count <= METRICS_GUARDS_MAX)
		return;
	sort(guards, by_fill);
	while (guards->count > METRICS_GUARDS_MAX) {
		free(guards->items[--guards->count].labels);
		guards->omitted++;
	}
	sort(guards, by_labels);
}

int metrics_guards_collect(const struct status *status, struct metrics_guards *ret)
{
	*ret = (struct metrics_guards){
		.items = calloc(status->limit_count + 1, sizeof(*ret->items)),
	};
	if (!ret->items)
		return -ENOMEM;
	for (size_t i = 0; i < status->limit_count; i++) {
		struct metrics_guard guard = {.limit = &status->limits[i]};

		if (!guard.limit->path) /* it is gone */
			continue;
		guard.labels = labels_of(guard.limit);
		if (!guard.labels)
			return -ENOMEM;
		ret->items[ret->count++] = guard;
	}
	sort(ret, by_labels_and_fill);
	drop_doubles(ret);
	keep_fullest(ret);
	return 0;
}

void metrics_guards_clear(struct metrics_guards *guards)
{
	for (size_t i = 0; i < guards->count; i++)
		free(guards->items[i].labels);
	free(guards->items);
	*guards = (struct metrics_guards){0};
}
