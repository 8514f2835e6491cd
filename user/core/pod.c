/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/pod.h"

#include <string.h>

#include "base/text.h"
#include "base/util.h"

#define UID_MAX_LENGTH 128

bool pod_uid_is_valid(const char *uid)
{
	size_t length = strspn(uid, "0123456789abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ-");

	return length && length <= UID_MAX_LENGTH && !uid[length];
}

/* A dash in the name of a slice is a step down, so that those of a uid are underscores there. */
static bool is_slice_of(const char *name, const char *before, const char *uid)
{
	static const char after[] = ".slice";
	size_t have = strlen(name), length = strlen(before) + strlen(uid) + strlen(after);

	if (have < length)
		return false;
	name += have - length;
	if (!text_starts_with(name, before))
		return false;
	for (name += strlen(before); *uid; name++, uid++)
		if (*name != (*uid == '-' ? '_' : *uid))
			return false;
	return strcmp(name, after) == 0;
}

bool pod_is_at(const char *cgroup_path, const char *uid)
{
	static const char *const before[] = {"-pod", "-libpod_pod_"};
	const char *slash = strrchr(cgroup_path, '/');
	const char *name = slash ? slash + 1 : cgroup_path;

	if (text_starts_with(name, "pod") && strcmp(name + strlen("pod"), uid) == 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(before); i++)
		if (is_slice_of(name, before[i], uid))
			return true;
	return false;
}
