/* SPDX-License-Identifier: BSD-2-Clause */
/* The container that a cgroup belongs to, as far as its path shows one. */
#pragma once

/*
 * The id, 64 hexadecimal digits, of the innermost container in a cgroup path. Known forms, each
 * with or without ".scope", anywhere in the path:
 *
 *   docker-ID  cri-containerd-ID  crio-ID  libpod-ID  crun-ID  nerdctl-ID   (systemd driver)
 *   ID                                        (cgroupfs driver: /docker/ID, /kubepods/.../ID)
 *   SLICE:cri-containerd:ID                   (containerd with mismatched drivers)
 *
 * The monitors' own cgroups (libpod-conmon-ID, crio-conmon-ID) are not the container. Allocated.
 * -ENOENT: the path shows none.
 */
int container_id_from_cgroup(const char *cgroup_path, char **ret);
