/* SPDX-License-Identifier: BSD-2-Clause */
/* What its runtime has on disk of a container. */
#pragma once

/*
 * The signal that stops a container, as its image or whoever made it wants it (STOPSIGNAL, --stop-signal): from
 * the state of Docker, or the bundle of Podman or CRI-O, in their usual places below root_fd (an open "/", or a
 * fixture of one). Files of the host's root: no container can hold them up. -ENOENT: none is known. What says
 * nothing is SIGTERM there, and none here.
 */
int container_stop_signal(int root_fd, const char *id, int *ret);
