/* SPDX-License-Identifier: BSD-2-Clause */
/* The container that a cgroup belongs to, as far as its path shows one. */
#pragma once

/*
 * What the innermost container in a cgroup path is known by there: its id, 64 hexadecimal digits, or the name of one that
 * has none. Forms of ids, each with or without ".scope", anywhere in the path:
 *
 *   docker-ID  cri-containerd-ID  crio-ID  libpod-ID  crun-ID  nerdctl-ID   (systemd driver)
 *   ID                                        (cgroupfs driver: /docker/ID, /kubepods/.../ID)
 *   SLICE:cri-containerd:ID                   (containerd with mismatched drivers)
 *
 * and of names, where the path begins so, since users could make such cgroups below their own:
 *
 *   /lxc.payload.NAME  /lxc/NAME              (LXC and Incus, on cgroup v2 and v1)
 *   /machine.slice/systemd-nspawn@NAME.service  /machine.slice/machine-NAME.scope    (systemd-nspawn)
 *
 * The monitors' own cgroups (libpod-conmon-ID, crio-conmon-ID, lxc.monitor.NAME) are not the container. Allocated.
 * -ENOENT: the path shows none.
 */
int container_id_from_cgroup(const char *cgroup_path, char **ret);
