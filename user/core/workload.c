/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/workload.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void workload_clear(struct workload *workload)
{
	for (size_t i = 0; workload->labels && i < workload->label_count; i++)
		free(workload->labels[i]);
	free(workload->labels);
	free(workload->container);
	free(workload->pod);
	free(workload->pod_namespace);
	free(workload->wish);
	free(workload->command);
	free(workload->uid);
	*workload = (struct workload){};
}

static bool copy_text(const char *text, char **ret)
{
	*ret = text ? strdup(text) : NULL;
	return !text || *ret;
}

int workload_copy(const struct workload *workload, struct workload *ret)
{
	bool is_whole;

	*ret = (struct workload){.wished = workload->wished};
	is_whole = copy_text(workload->container, &ret->container) &&
		   copy_text(workload->pod, &ret->pod) &&
		   copy_text(workload->pod_namespace, &ret->pod_namespace) &&
		   copy_text(workload->wish, &ret->wish) &&
		   copy_text(workload->command, &ret->command) &&
		   copy_text(workload->uid, &ret->uid);
	ret->labels = calloc(workload->label_count + 1, sizeof(*ret->labels));
	while (is_whole && ret->labels && ret->label_count < workload->label_count) {
		is_whole = copy_text(workload->labels[ret->label_count],
				     &ret->labels[ret->label_count]);
		ret->label_count += is_whole;
	}
	if (is_whole && ret->labels)
		return 0;
	workload_clear(ret);
	return -ENOMEM;
}
