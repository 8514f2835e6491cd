/* SPDX-License-Identifier: BSD-2-Clause */
/* The cgroup of a pod, as far as its path shows one. */
#pragma once

#include <stdbool.h>

/* Whether it can be a pod's uid: letters, digits and dashes, 128 at most. The kubelet does not ask for more. */
bool pod_uid_is_valid(const char *uid);

/*
 * Whether the path is that of the cgroup of the pod itself, not of a container in it:
 *
 *   .../podUID                                     (Kubernetes, cgroupfs driver)
 *   .../SLICE-podUID.slice, with _ for each -      (Kubernetes, systemd driver)
 *   .../SLICE-libpod_pod_UID.slice                 (Podman, systemd driver)
 */
bool pod_is_at(const char *cgroup_path, const char *uid);
