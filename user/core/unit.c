/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/unit.h"

#include <string.h>

#include "base/util.h"

#define NAME_MAX_LENGTH 255
#define DIGITS "0123456789"
#define ALPHANUMERIC DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define NAME_CHARACTERS ALPHANUMERIC ":-_.\\"

/* Bytes within a path. */
struct part {
	const char *text;
	size_t length;
};

static bool equals(struct part part, const char *text)
{
	return strlen(text) == part.length && memcmp(part.text, text, part.length) == 0;
}

static bool consists_of(struct part part, const char *characters)
{
	for (size_t i = 0; i < part.length; i++)
		if (!part.text[i] || !strchr(characters, part.text[i]))
			return false;
	return true;
}

/* What is between the two; none: length 0. */
static struct part between(struct part part, const char *prefix, const char *suffix)
{
	size_t before = strlen(prefix), after = strlen(suffix);

	if (part.length <= before + after || memcmp(part.text, prefix, before) != 0 ||
	    memcmp(part.text + part.length - after, suffix, after) != 0)
		return (struct part){};
	return (struct part){part.text + before, part.length - before - after};
}

/* The component at the beginning of the path, without what escapes it. */
static struct part component_at(const char *path)
{
	struct part part = {path, strcspn(path, "/")};

	if (part.length && part.text[0] == '_')
		part = (struct part){part.text + 1, part.length - 1};
	return part;
}

static const char *skip_slashes(const char *path)
{
	return path + strspn(path, "/");
}

static const char *skip_component(const char *path)
{
	return skip_slashes(path + strcspn(path, "/"));
}

static bool is_type(struct part part)
{
	static const char *const types[] = {
		"service", "scope",  "slice",	  "socket", "mount", "swap",
		"target",  "device", "automount", "timer",  "path",
	};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (equals(part, types[i]))
			return true;
	return false;
}

/* NAME.TYPE, or NAME@INSTANCE.TYPE: a template has no cgroup. */
static bool is_unit(struct part part, bool may_have_instance)
{
	const char *dot = part.length ? memrchr(part.text, '.', part.length) : NULL, *at;
	struct part name;

	if (!dot || part.length > NAME_MAX_LENGTH)
		return false;
	name = (struct part){part.text, (size_t)(dot - part.text)};
	if (!name.length || !consists_of(name, NAME_CHARACTERS "@") ||
	    !is_type((struct part){dot + 1, part.length - name.length - 1}))
		return false;
	at = memchr(name.text, '@', name.length);
	return !at || (may_have_instance && at > name.text && at + 1 < dot);
}

/* What follows the slices that the path begins with, and the last of these. */
static const char *skip_slices(const char *path, struct part *ret_last)
{
	*ret_last = (struct part){};
	for (;;) {
		struct part part;

		path = skip_slashes(path);
		part = component_at(path);
		if (!between(part, "", ".slice").length || !is_unit(part, false))
			return path;
		*ret_last = part;
		path = skip_component(path);
	}
}

/* What follows the manager or the session of a user; NULL: there is none. */
static const char *skip_user(const char *path)
{
	static const struct {
		const char *prefix, *suffix, *characters;
	} rows[] = {
		{"user@", ".service", DIGITS},
		{"capsule@", ".service", ALPHANUMERIC "-_."},
		{"session-", ".scope", ALPHANUMERIC},
	};
	struct part slice;

	path = skip_slices(path, &slice);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct part instance = between((struct part){path, strcspn(path, "/")},
					       rows[i].prefix, rows[i].suffix);

		if (instance.length && consists_of(instance, rows[i].characters))
			return skip_component(path);
	}
	return NULL;
}

static int copy_part(struct part part, char **ret)
{
	char *copy = part.length ? strndup(part.text, part.length) : NULL;

	if (!copy)
		return part.length ? -ENOMEM : -ENOENT;
	*ret = copy;
	return 0;
}

int unit_from_cgroup(const char *cgroup_path, char **ret)
{
	struct part slice, part = component_at(skip_slices(cgroup_path, &slice));

	if (!is_unit(part, true) || between(part, "", ".slice").length)
		return -ENOENT;
	return copy_part(part, ret);
}

int unit_of_user_from_cgroup(const char *cgroup_path, char **ret)
{
	const char *rest = skip_user(cgroup_path);

	return rest ? unit_from_cgroup(rest, ret) : -ENOENT;
}

int slice_from_cgroup(const char *cgroup_path, char **ret)
{
	const char *of_user = skip_user(cgroup_path);
	struct part slice, inner = {};

	skip_slices(cgroup_path, &slice);
	if (of_user)
		skip_slices(of_user, &inner);
	return copy_part(inner.length ? inner : slice, ret);
}

bool unit_is_service(const char *unit)
{
	return between((struct part){unit, strlen(unit)}, "", ".service").length > 0;
}
