/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The systemd unit that a cgroup belongs to, by its path, as sd_pid_get_unit(3) and
 * sd_pid_get_user_unit(3) have it.
 *
 * A manager puts a unit below its slices, and what is below a unit is the unit's own affair: the first
 * component that is no slice names it, and nobody who was delegated a cgroup can name another unit.
 * A name that the kernel could take for a file of its own is escaped by an underscore before it.
 *
 *   /system.slice/system-getty.slice/getty@tty1.service/sub   getty@tty1.service
 *   /system.slice/_memory.service                             memory.service
 *   /system.slice/docker-ID.scope/system.slice/x.service      docker-ID.scope
 *   /docker/ID/system.slice/x.service                         none
 *
 * The hierarchy is one that systemd keeps: v2, or of v1 that of the memory controller, where a unit
 * without memory accounting has no cgroup of its own.
 */
#pragma once

#include <stdbool.h>

/* The unit of the system's manager. Allocated. -ENOENT: the path shows none. */
int unit_from_cgroup(const char *cgroup_path, char **ret);

/*
 * The unit of a user's manager, which is itself a unit of the system (user@UID.service, or
 * capsule@NAME.service), or of a session (session-ID.scope). Returns as unit_from_cgroup().
 */
int unit_of_user_from_cgroup(const char *cgroup_path, char **ret);

/* The innermost slice that it is below, whoever's; none is below another cgroup. Returns as unit_from_cgroup(). */
int slice_from_cgroup(const char *cgroup_path, char **ret);

/* Whether that is a service. A scope, as of a container, is its creator's to bring back. */
bool unit_is_service(const char *unit);
