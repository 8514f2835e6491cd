// SPDX-License-Identifier: BSD-2-Clause
#include "rescue/rescue.h"

static bool any_lends(const struct policy_set *policies)
{
	for (uint32_t id = 0; id < policy_set_count(policies); id++)
		if (policy_lends(policy_set_policy(policies, id)))
			return true;
	return false;
}

int rescue_start(struct rescue *rescue, const struct rescue_config *config)
{
	const struct airbag_config airbag = {
		.tree = config->tree,
		.source = config->source,
		.proc_fd = config->proc_fd,
		.page_bytes = config->page_bytes,
		.most_bytes = config->lend_most_bytes,
		.lends = any_lends(config->policies),
	};
	struct keeper_config keeper = {.tree = config->tree, .proc_fd = config->proc_fd};
	struct responder_config responder = {
		.source = config->source,
		.policies = config->policies,
		.profiles = config->profiles,
		.page_bytes = config->page_bytes,
		.tree = config->tree,
		.proc_fd = config->proc_fd,
		.initial_pid_ns = config->initial_pid_ns,
		.may_lock_memory = config->may_lock_memory,
	};
	/* Also where no policy lends: an earlier instance may have left a limit raised. */
	int r = airbag_new(&rescue->airbag, &airbag);

	if (r)
		return r;
	config->prepare(rescue->airbag, config->userdata);
	keeper.airbag = responder.airbag = rescue->airbag;
	r = keeper_new(&rescue->keeper, &keeper);
	responder.keeper = rescue->keeper;
	return r ?: responder_new(&rescue->responder, &responder);
}

void rescue_stop(struct rescue *rescue)
{
	rescue->responder = responder_free(rescue->responder);
}

void rescue_free(struct rescue *rescue)
{
	rescue_stop(rescue);
	rescue->keeper = keeper_free(rescue->keeper);
	rescue->airbag = airbag_free(rescue->airbag);
}
