/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What its runtime has on disk of a container: Docker, Podman, CRI-O and containerd (also that of Kubernetes), in their
 * usual places below root_fd (an open "/", or a fixture of one). Files of the host's root: no container can hold them
 * up.
 */
#pragma once

#include <stddef.h>

/*
 * The signal that stops a container, as its image or whoever made it wants it (STOPSIGNAL, --stop-signal). -ENOENT: none
 * is known. What says nothing is SIGTERM there, and none here.
 */
int container_stop_signal(int root_fd, const char *id, int *ret);

#define CONTAINER_LABELS_MAX 64 /* more, or longer ones, are left out */
#define CONTAINER_LABEL_SIZE 512
#define CONTAINER_GUARD_VARIABLE "APOPTOSIS_GUARD"
#define CONTAINER_GUARD_LABEL "apoptosis.guard"

/* What it is called. Members are NULL where the runtime says nothing. */
struct container {
	char *name;
	char *pod, *pod_namespace; /* of Kubernetes */
	char **labels; /* "key=value": labels, and annotations where the runtime keeps them beside */
	size_t label_count;
	char *guard_variable; /* of its environment, CONTAINER_GUARD_VARIABLE */
	char *guard_label;    /* CONTAINER_GUARD_LABEL */
};

/* 0; -ENOENT: no runtime that is known has it; -ENOMEM. */
int container_read(int root_fd, const char *id, struct container *ret);
/* What is cleared is empty. */
void container_clear(struct container *container);
