/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/container_id.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/util.h"

#define ID_LENGTH 64
#define VIRTUAL_MACHINE "qemu\\x2d" /* that libvirt registers */

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

/*
 * The name of the machine that a path is of, as it is escaped there. NULL: it is of none. Only where the manager of the
 * host alone makes cgroups: users call theirs as they like.
 */
static const char *machine_name(const char *cgroup_path, size_t *ret_length)
{
	static const struct {
		const char *before, *after;
	} forms[] = {
		{"/lxc.payload.", ""},
		{"/lxc/", ""}, /* on cgroup v1 */
		{"/machine.slice/systemd-nspawn@", ".service"},
		{"/machine.slice/machine-", ".scope"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		const char *name = cgroup_path + strlen(forms[i].before);
		size_t after = strlen(forms[i].after), length;

		if (!text_starts_with(cgroup_path, forms[i].before))
			continue;
		length = strcspn(name, "/");
		if (length <= after || memcmp(name + length - after, forms[i].after, after) != 0 ||
		    text_starts_with(name, VIRTUAL_MACHINE))
			continue;
		*ret_length = length - after;
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
	size_t length = ID_LENGTH;

	/* The last one found is the innermost. */
	for (const char *component = cgroup_path; *component;) {
		size_t component_length = strcspn(component, "/");

		found = component_id(component, component_length) ?: found;
		component += component_length;
		component += strspn(component, "/");
	}
	if (!found)
		found = machine_name(cgroup_path, &length);
	if (!found)
		return -ENOENT;
	id = unescape(found, length);
	if (!id)
		return -ENOMEM;
	if (*id == '.') /* no machine's */
		return -ENOENT;
	*ret = TAKE_PTR(id);
	return 0;
}
