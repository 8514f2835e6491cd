/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/adopt.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/util.h"
#include "source/maps.h"
#include "source/pins.h"

static int open_pin(const char *dir, const char *name)
{
	char path[PATH_MAX];
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
		return -ENAMETOOLONG;
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

/* The key is a pid in every version. As long as somebody is: keys that come and go meanwhile are no loss, who is new
 * is signalled by neither. */
int adopt_signalled(const struct maps *maps, const char *dir, bool is_known)
{
	_cleanup_close_ int fd = open_pin(dir, PIN_SIGNALLED);
	struct bpf_map_info info = {};
	struct apo_signalled entry = {.time_ns = clock_ns(CLOCK_MONOTONIC)};
	uint32_t size = sizeof(info), key, next, *before = NULL;

	if (fd < 0)
		return fd;
	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return -errno;
	if (info.key_size != sizeof(key) || (is_known && info.value_size != sizeof(entry)))
		return -EPROTO;
	for (uint32_t i = 0; i < info.max_entries && !bpf_map_get_next_key(fd, before, &next);
	     i++) {
		key = next;
		before = &key;
		if (!is_known || !bpf_map_lookup_elem(fd, &key, &entry))
			maps_add(maps, MAP_SIGNALLED, &key, &entry);
	}
	return 0;
}

int adopt_records(const char *dir, ring_buffer_sample_fn fn, void *userdata)
{
	_cleanup_close_ int fd = open_pin(dir, PIN_RECORDS);
	struct ring_buffer *ring = fd < 0 ? NULL : ring_buffer__new(fd, fn, userdata, NULL);
	int n;

	if (!ring)
		return fd < 0 ? fd : -errno;
	n = ring_buffer__consume(ring);
	ring_buffer__free(ring);
	return MIN(n, 0);
}
