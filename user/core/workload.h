/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is known of whatever runs in a cgroup, besides the cgroup's path: by which a guard of a configuration may be
 * for it. Members are NULL where nothing is known. Pure.
 */
#pragma once

#include <stddef.h>

/* What is to be known of it. */
#define WORKLOAD_DECLARED 1U /* what its container is called, and the guard that it asks for */
#define WORKLOAD_PROCESS 2U  /* of its main process: all of a cgroup's are looked at for that */

struct workload {
	char *container; /* name of the container */
	char *pod;	 /* of Kubernetes, and its namespace */
	char *pod_namespace;
	char **labels; /* of the container, "key=value" */
	size_t label_count;
	char *wish;	    /* the guard that it asks for */
	const char *wished; /* where it says so, for people; static */
	char *command; /* what the kernel calls its main process: the file's name, 15 bytes at most */
	char *uid;     /* of that: its real user, a number */
};

/* Frees what it owns; the rest stays usable, and empty. */
void workload_clear(struct workload *workload);
/* 0 or -ENOMEM, and then *ret is empty. */
int workload_copy(const struct workload *workload, struct workload *ret);
