/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit/respond_world.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct world world;
struct respond respond;
static struct policy_set *policies;
static struct profiles *profiles;

static void __attribute__((format(printf, 1, 2))) note(const char *format, ...)
{
	size_t length = strlen(world.log);
	va_list args;

	va_start(args, format);
	vsnprintf(world.log + length, sizeof(world.log) - length, format, args);
	va_end(args);
}

struct process *world_process(pid_t pid)
{
	for (size_t i = 0; i < ARRAY_SIZE(world.processes); i++)
		if (world.processes[i].pid == pid)
			return &world.processes[i];
	cr_assert_fail("nobody has pid %d", pid);
	return NULL;
}

static uint64_t now_ns(void *userdata)
{
	(void)userdata;
	return NOW;
}

static void tell(const struct responder_result *result, void *userdata)
{
	static const char *const actions[] = {
		[APO_ACT_NONE] = "none",     [APO_ACT_DISAPPEARED] = "gone",
		[APO_ACT_FAILED] = "failed", [APO_ACT_SENT_RESPONDER] = "sent",
		[APO_ACT_ASKED] = "asked",
	};

	(void)userdata;
	cr_assert_lt(world.result_count, ARRAY_SIZE(world.results));
	world.results[world.result_count++] = *result;
	note("tell %s %d%s\n", result->is_airbag ? "airbag" : actions[result->action], result->pid,
	     result->last ? " last" : "");
}

static void raise_limit(const struct airbag_growth *growth, const struct policy *policy,
			uint64_t grace_ns, struct airbag_result *ret, void *userdata)
{
	(void)userdata;
	*ret = world.airbag;
	note("raise %u by policy of %u%% grace %us rate %" PRIu64 "\n",
	     (unsigned int)growth->limit_cgroup, policy->airbag_permyriad / 100,
	     (unsigned int)(grace_ns / NSEC_PER_SEC), growth->rate_bytes_s);
}

static void lend(const struct airbag_growth *growth, const struct policy *policy, void *userdata)
{
	(void)userdata;
	note("lend %u by policy of %u%% rate %" PRIu64 "\n", (unsigned int)growth->limit_cgroup,
	     policy->airbag_permyriad / 100, growth->rate_bytes_s);
}

static int grant(const struct grace *grace, void *userdata)
{
	(void)userdata;
	note("grant %d %us\n", grace->process.pid,
	     (unsigned int)((grace->deadline_ns - TRIP) / NSEC_PER_SEC));
	world.grace = *grace;
	return world.grant_error;
}

static void brake(uint64_t limit_cgroup, void *userdata)
{
	(void)userdata;
	note("brake %u\n", (unsigned int)limit_cgroup);
}

static void prepare(uint64_t limit_cgroup, void *userdata)
{
	(void)userdata;
	note("prepare %u\n", (unsigned int)limit_cgroup);
}

static void refresh(uint64_t limit_cgroup, void *userdata)
{
	(void)userdata;
	note("refresh %u\n", (unsigned int)limit_cgroup);
}

static int look(pid_t pid, struct pool_look *ret, void *userdata)
{
	(void)userdata;
	for (size_t i = 0; i < ARRAY_SIZE(world.processes); i++) {
		const struct process *process = &world.processes[i];

		if (process->pid != pid)
			continue;
		*ret = (struct pool_look){.parent = process->parent};
		snprintf(ret->comm, sizeof(ret->comm), "%s", process->comm);
		return 0;
	}
	return -ESRCH;
}

static size_t children(pid_t pid, pid_t *ret, size_t max, void *userdata)
{
	size_t n = 0;

	(void)userdata;
	for (size_t i = 0; i < ARRAY_SIZE(world.processes) && n < max; i++)
		if (world.processes[i].parent == pid)
			ret[n++] = world.processes[i].pid;
	return n;
}

static int leader(pid_t pid, const struct apo_task *task, pid_t *ret,
		  uint64_t *ret_start_boottime_ns, void *userdata)
{
	(void)userdata;
	note("leader of %d started %u\n", pid, (unsigned int)task->start_boottime_ns);
	if (!world.leader)
		return -ESTALE;
	*ret = world.leader;
	*ret_start_boottime_ns = world.leader + 1;
	return 0;
}

static int each_process(uint64_t cgroup_id, void (*visit)(pid_t pid, void *walk), void *walk,
			void *userdata)
{
	(void)userdata;
	note("each of %u\n", (unsigned int)cgroup_id);
	for (size_t i = 0; !world.cgroup_empty && i < ARRAY_SIZE(world.processes); i++)
		visit(world.processes[i].pid, walk);
	return world.each_error;
}

static enum apo_disposition disposition(const struct pidref *held, int signal, void *userdata)
{
	const struct process *process = world_process(held->pid);

	(void)userdata;
	return signal == SIGINT ? process->interrupt : process->disposition;
}

static bool is_member(const struct pidref *held, uint64_t cgroup_id, void *userdata)
{
	(void)userdata;
	return cgroup_id == LIMIT && !world_process(held->pid)->is_away;
}

static int hold(pid_t pid, uint64_t start_boottime_ns, struct pidref *ret, void *userdata)
{
	const struct process *process = world_process(pid);

	(void)userdata;
	note("hold %d started %u\n", pid, (unsigned int)start_boottime_ns);
	if (process->hold_error)
		return process->hold_error;
	*ret = (struct pidref){
		.pid = pid, .pidfd = -1, .start_boottime_ns = process->start_boottime_ns};
	return 0;
}

static int send_signal(const struct pidref *held, int signal, void *userdata)
{
	(void)userdata;
	note("send %d to %d\n", signal, held->pid);
	return world_process(held->pid)->send_error;
}

static int follow(pid_t pid, const struct apo_signalled *entry, void *userdata)
{
	(void)userdata;
	note("follow %d\n", pid);
	world.entry = *entry;
	return world.follow_error;
}

static int followed(pid_t pid, struct apo_signalled *ret, void *userdata)
{
	const struct process *process = world_process(pid);

	(void)userdata;
	if (!process->followed.trip_id)
		return -ENOENT;
	*ret = process->followed;
	return 0;
}

static int declared(pid_t pid, struct apo_declared *ret, void *userdata)
{
	const struct process *process = world_process(pid);

	(void)userdata;
	if (!process->declared.by)
		return -ENOENT;
	*ret = process->declared;
	return 0;
}

static const struct respond_ops fakes = {
	.now_ns = now_ns,
	.tell = tell,
	.grant = grant,
	.raise = raise_limit,
	.lend = lend,
	.brake = brake,
	.prepare = prepare,
	.refresh = refresh,
	.look = look,
	.children = children,
	.leader = leader,
	.each_process = each_process,
	.disposition = disposition,
	.hold = hold,
	.send = send_signal,
	.is_member = is_member,
	.follow = follow,
	.followed = followed,
	.declared = declared,
};

static struct policy_set *policies_make(void)
{
	const struct policy table[] = {
		[PLAIN] = {.cooldown_ns = COOLDOWN, .grace_ns = 3 * NSEC_PER_SEC, .brake = true},
		[LENDS] = {.airbag = AIRBAG_FIXED,
			   .airbag_permyriad = 5000,
			   .grace_ns = 7 * NSEC_PER_SEC,
			   .brake = true},
		[TO_LEADER] = {.target = APO_TARGET_LEADER, .cooldown_ns = 2 * COOLDOWN},
		[TO_ALL] = {.target = APO_TARGET_ALL},
		[ONLY] = {.only_grower = true},
		[DRY] = {.airbag = AIRBAG_AUTO, .brake = true, .dry_run = true},
		[GIVEN] = {.signal_given = true},
	};
	struct policy_set *set = policy_set_new(GENERATION);

	cr_assert_not_null(set);
	for (uint32_t id = 0; id < ARRAY_SIZE(table); id++) {
		const struct guard guard = {.kind = GUARD_ALL, .policy = id};

		cr_assert_eq(policy_set_add(set, &table[id], &guard), (int)id);
	}
	return set;
}

static void no_complaint(const char *line, void *userdata)
{
	(void)userdata;
	cr_assert_fail("%s", line);
}

static struct profiles *profiles_make(void)
{
	static const char text[] =
		"[pool-worker]\ncommand = pool\nrole = worker\ntarget = master\nstop = none\n"
		"[pool-master]\ncommand = pool\nstop = HUP\n"
		"[told]\ncommand = quits\narguments = quits told*\nstop = USR1\n"
		"[quits]\ncommand = quits\nstop = HUP\nwarn = USR2\nnever = TERM\n"
		"[saver]\ncommand = saves\nrole = worker\nstop = USR1\n"
		"[saves]\ncommand = saves\ntarget = child\n"
		"[never]\ncommand = never\nstop = none\n";
	struct profiles *made = profiles_new();

	cr_assert_not_null(made);
	cr_assert_eq(profiles_add(made, "world.conf", text, no_complaint, NULL), 0);
	return made;
}

void world_make(void)
{
	static const pid_t pids[] = {GROWER, LEADER, OTHER};

	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		world.processes[i] = (struct process){
			.pid = pids[i],
			.start_boottime_ns = pids[i] + 1,
			.disposition = APO_DISP_HANDLED,
			.interrupt = APO_DISP_DEFAULT,
			.comm = "plain",
		};
	world.leader = LEADER;
	world.airbag = (struct airbag_result){
		.outcome = INCIDENT_AIRBAG_RAISED, .before_bytes = 100, .raised_bytes = 150};
	policies = policies_make();
	profiles = profiles_make();
	respond = (struct respond){
		.ops = &fakes,
		.policies = policies,
		.profiles = profiles,
		.page_bytes = PAGE,
		.initial_pid_ns = true,
	};
}

void world_end(void)
{
	policy_set_free(policies);
	profiles_free(profiles);
}

struct apo_request world_request(uint32_t process_policy)
{
	return (struct apo_request){
		.rec = {.type = APO_REC_REQUEST,
			.size = sizeof(struct apo_request),
			.policy = PLAIN,
			.generation = GENERATION},
		.trip_id = TRIP,
		.limit_cgroup = LIMIT,
		.rate_pages_s = 10,
		.grower = {.tgid = GROWER, .ns_tgid = OTHER, .start_boottime_ns = GROWER + 1},
		.process_policy = process_policy,
		.signal = SIGTERM,
		.rule = APO_RULE_RESERVE,
		.flags = APO_REQUEST_SIGNAL,
	};
}

struct apo_request world_warning(uint32_t process_policy)
{
	struct apo_request warn = world_request(process_policy);

	warn.rule = APO_RULE_WARN;
	return warn;
}

void world_expect(const char *what, const struct apo_request *asked, const char *log)
{
	world.log[0] = '\0';
	world.result_count = 0;
	respond_to(&respond, &asked->rec);
	cr_expect_str_eq(world.log, log, "%s: %s", what, world.log);
}
