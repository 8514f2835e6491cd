/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/container_id.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/util.h"

#define ID_LENGTH 64
#define LXC "lxc" /* on cgroup v1: /lxc/NAME */

static const char *const prefixes[] = {
	"docker-", "cri-containerd-", "crio-", "libpod-", "crun-", "nerdctl-",
};

/* The id in one component of a path, NULL if it names no container. */
static const char *component_id(const char *component, size_t length)
{
	static const char scope[] = ".scope", mismatched[] = ":cri-containerd:";
	const char *id, *colon;

	if (length > strlen(scope) &&
	    memcmp(component + length - strlen(scope), scope, strlen(scope)) == 0)
		length -= strlen(scope);
	if (length < ID_LENGTH)
		return NULL;

	id = component + length - ID_LENGTH;
	if (strspn(id, "0123456789abcdef") < ID_LENGTH)
		return NULL;
	if (id == component)
		return id;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (strlen(prefixes[i]) == (size_t)(id - component) &&
		    text_starts_with(component, prefixes[i]))
			return id;
	colon = memchr(component, ':', length);
	if (colon && colon + strlen(mismatched) == id && text_starts_with(colon, mismatched))
		return id;
	return NULL;
}

/* What is between the two in a component. NULL: they are not there. */
static const char *between(const char *component, size_t length, const char *before,
			   const char *after, size_t *ret_length)
{
	size_t begin = strlen(before), end = strlen(after);

	if (length <= begin + end || !text_starts_with(component, before) ||
	    memcmp(component + length - end, after, end) != 0)
		return NULL;
	*ret_length = length - begin - end;
	return component + begin;
}

/* The name of a machine in one component, as it is escaped there. NULL: it names none. */
static const char *component_name(const char *component, size_t length, size_t *ret_length)
{
	static const struct {
		const char *before, *after;
	} forms[] = {
		{"lxc.payload.", ""},
		{"systemd-nspawn@", ".service"},
		{"machine-", ".scope"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		const char *name =
			between(component, length, forms[i].before, forms[i].after, ret_length);

		/* libvirt registers virtual machines, too. */
		if (name && !text_starts_with(name, "qemu\\x2d"))
			return name;
	}
	return NULL;
}

/* The byte that four stand for; 0: none, or a slash, of which a name, which is one of a file to others, has none. */
static char escaped(const char *text)
{
	const char digits[] = {text[2], text[3], '\0'};
	unsigned long byte = strtoul(digits, NULL, 16);

	if (text[0] != '\\' || text[1] != 'x' || strspn(digits, "0123456789abcdef") != 2)
		return '\0';
	return byte == '/' ? '\0' : (char)byte;
}

/* As systemd.unit(5) has it: \xHH for bytes that names of units do not have. Allocated. */
static char *unescape(const char *text, size_t length)
{
	char *plain = malloc(length + 1), *end = plain;

	for (size_t i = 0; plain && i < length; i++) {
		char byte = length - i >= 4 ? escaped(text + i) : '\0';

		*end++ = byte ?: text[i];
		i += byte ? 3 : 0;
	}
	if (plain)
		*end = '\0';
	return plain;
}

int container_id_from_cgroup(const char *cgroup_path, char **ret)
{
	_cleanup_free_ char *id = NULL;
	const char *found = NULL;
	size_t found_length = 0;
	bool below_lxc = false;

	/* The last one found is the innermost. */
	for (const char *component = cgroup_path; *component;) {
		size_t length = strcspn(component, "/"), name_length = ID_LENGTH;
		const char *name = component_id(component, length);

		if (!name)
			name = component_name(component, length, &name_length);
		if (!name && below_lxc) {
			name = component;
			name_length = length;
		}
		if (name) {
			found = name;
			found_length = name_length;
		}
		below_lxc = length == strlen(LXC) && text_starts_with(component, LXC);
		component += length;
		component += strspn(component, "/");
	}
	if (!found)
		return -ENOENT;
	id = unescape(found, found_length);
	if (!id)
		return -ENOMEM;
	if (*id == '.') /* no machine's */
		return -ENOENT;
	*ret = TAKE_PTR(id);
	return 0;
}
