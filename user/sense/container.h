/* SPDX-License-Identifier: BSD-2-Clause */
/* The container a cgroup belongs to, as far as its path shows one, and what its runtime has on disk of it. */
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

/*
 * The signal that stops a container, as its image or whoever made it wants it (STOPSIGNAL, --stop-signal): from
 * the state of Docker, or the bundle of Podman or CRI-O, in their usual places below root_fd (an open "/", or a
 * fixture of one). Files of the host's root: no container can hold them up. -ENOENT: none is known. What says
 * nothing is SIGTERM there, and none here.
 */
int container_stop_signal(int root_fd, const char *id, int *ret);
