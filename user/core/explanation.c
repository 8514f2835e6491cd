// SPDX-License-Identifier: BSD-2-Clause
#include "core/explanation.h"

#include <stdlib.h>

void explanation_clear(struct explanation *explanation)
{
	free(explanation->process.comm);
	free(explanation->leader.comm);
	free(explanation->other.comm);
	free(explanation->cgroup);
	free(explanation->unit);
	free(explanation->limit_cgroup);
	*explanation = (struct explanation){};
}

void explanation_choose_target(struct explanation *explanation, enum apo_target target)
{
	const struct explained_process *first = target == APO_TARGET_LEADER ? &explanation->leader
						: explanation->other.pid    ? &explanation->other
									    : &explanation->process;

	explanation->target = NULL;
	if (first->pid && first->stop.signal)
		explanation->target = first;
	else if (explanation->leader.pid && explanation->leader.stop.signal)
		explanation->target = &explanation->leader;
}
