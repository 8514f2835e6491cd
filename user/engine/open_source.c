// SPDX-License-Identifier: BSD-2-Clause
#include "engine/open_source.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "core/room.h"
#include "engine/guards.h"
#include "sense/cgroup_memory.h"

/* Below how much headroom who is guarded is told, of the first guard; 0: not known. */
static uint64_t line_bytes(const struct open_source_config *config)
{
	const struct policy_set *policies = guards_policies(config->guards);
	_cleanup_cgroup_limit_ struct cgroup_limit limit = {};
	const char *rel = guards_cgroup(config->guards, 0);

	if (!rel || cgroup_limit_binding(config->host->tree, rel, &limit) || !limit.cgroup)
		return 0;
	return policy_reserve_bytes(policy_set_policy(policies, 0), limit.limit_bytes,
				    config->host->page_bytes);
}

/* What is lost by it, said once. */
static int look_instead(struct source **ret, const struct source_config *source,
			const struct open_source_config *config)
{
	int r = source_new_looking(ret, source);

	if (r) {
		log_error("cannot look at limits either: %s", strerror(-r));
		return r;
	}
	guards_lend_nothing(config->guards);
	config->host->initial_pid_ns = true;
	log_warn("guarded by looking at the limit every 2 ms to 1 s, and when the kernel has news "
		 "of it: who grows is told below %" PRIu64
		 " MiB of headroom, and too late where it grows faster; nothing is lent, and who "
		 "allocates is not seen. apoptosis doctor says what is missing; "
		 "--require-protection refuses to start",
		 line_bytes(config) >> 20);
	return 0;
}

static int load(struct source **ret, const struct open_source_config *config)
{
	const struct host *host = config->host;
	const struct engine_config *engine = config->engine;
	const struct source_config source = {
		.root_cgroup = cgroup_tree_root_id(host->tree),
		.memcg_v1 = cgroup_tree_version(host->tree) == 1,
		.cpu_ids = host->machine.cpu_ids,
		.node_ids = host->machine.node_ids,
		.may_swap = host->may_swap,
		.profiling = engine->wants_reports,
		.ticks_stop = host->machine.ticks_stop,
		.limits = engine->accounts
				  ?: room_for_limits(cgroup_tree_count(host->tree),
						     host->machine.memory_bytes),
		.children = room_for_children(host->machine.memory_bytes),
		.pin_dir = engine->pin_dir,
		.tree = host->tree,
		.proc_fd = host->proc_fd,
	};
	int r = source_new(ret, &source);

	return r && engine->may_look ? look_instead(ret, &source, config) : r;
}

int open_source(struct source **ret, const struct open_source_config *config)
{
	int r = load(ret, config);

	if (r)
		return r;
	r = guards_apply(config->guards, *ret, config->host->page_bytes);
	if (!r && config->profiles)
		r = source_set_profiled(*ret, config->profiles);
	if (r)
		log_error("cannot configure the kernel side: %s", strerror(-r));
	return r;
}
