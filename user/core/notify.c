/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/notify.h"

#include <errno.h>
#include <string.h>

#include "base/util.h"

static const char *const names[] = {"warn", "trip", "verdict", "oom_kill"};

/* As a set of one; 0: there is none of that name. */
static unsigned int find(const char *name, size_t length)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0)
			return 1U << i;
	return 0;
}

int notify_events_parse(const char *list, unsigned int *ret)
{
	unsigned int events = 0;

	for (;; list++) {
		size_t length = strcspn(list, ",");
		unsigned int event = find(list, length);

		if (!event)
			return -EINVAL;
		events |= event;
		list += length;
		if (!*list)
			break;
	}
	*ret = events;
	return 0;
}

bool notify_events_have(unsigned int events, const char *name)
{
	return events & find(name, strlen(name));
}
