// SPDX-License-Identifier: BSD-2-Clause
#include "rescue/respond.h"

#include <string.h>

#include "base/text.h"
#include "base/util.h"
#include "core/stop_signal.h"

/* NULL: of policies that are no longer in force. */
static const struct policy *policy_of(const struct respond *respond,
				      const struct apo_record *record, uint32_t id)
{
	return policy_set_of_record(respond->policies, id, record->generation);
}

static bool is_warning(const struct apo_request *request)
{
	return request->rule == APO_RULE_WARN;
}

/* Only who grew is to be told, and nobody in its place. */
static bool is_only_grower(const struct respond *respond, const struct apo_request *request)
{
	const struct policy *policy = policy_of(respond, &request->rec, request->process_policy);

	return policy && policy->only_grower;
}

/* --- one process --------------------------------------------------------------------------- */

static struct pool_view view_of(const struct respond *respond)
{
	return (struct pool_view){
		.profiles = respond->profiles,
		.look = respond->ops->look,
		.children = respond->ops->children,
		.userdata = respond->userdata,
	};
}

static pid_t grower_pid(const struct respond *respond, const struct apo_request *request)
{
	return pidref_local_pid(respond->initial_pid_ns, &request->grower);
}

static bool is_grower(const struct respond *respond, const struct apo_request *request,
		      const struct pidref *process)
{
	return process->pid == grower_pid(respond, request) &&
	       pidref_started(process, request->grower.start_boottime_ns);
}

/* By nothing: its owner has not. */
static struct apo_declared declared_of(const struct respond *respond, const struct pidref *process)
{
	struct apo_declared declared;

	if (!respond->initial_pid_ns ||
	    respond->ops->declared(process->pid, &declared, respond->userdata) ||
	    !pidref_started(process, declared.start_boottime_ns))
		return (struct apo_declared){.by = APO_DECLARED_NOTHING};
	return declared;
}

/* What is wished of a process that is held. The command line is known of the grower only. */
static struct stop_wish wish_for(const struct respond *respond, const struct apo_request *request,
				 const struct pidref *process)
{
	const struct policy *policy = policy_of(respond, &request->rec, request->process_policy);
	const struct pool_view view = view_of(respond);
	char arguments[APO_ARGS_LEN + 1];
	size_t length = MIN(request->args_len, (uint32_t)APO_ARGS_LEN);
	bool is_known = length && is_grower(respond, request, process);

	memcpy(arguments, request->args, length);
	text_join_words(arguments, length);
	return (struct stop_wish){
		.signal = request->signal,
		/* Policies that are no longer in force have asked for it, for all that is known. */
		.is_given = !policy || policy->signal_given,
		.declared = declared_of(respond, process),
		.profile = pool_profile(&view, process->pid, is_known ? arguments : NULL, NULL),
	};
}

struct held {
	const struct respond *respond;
	const struct apo_request *request;
	const struct pidref *process;
};

/*
 * Kernels before 5.16 do not tell which threads are in sigwait(), for which the signal looks unblocked. The
 * kernel side has seen it, where it is the one the grower was looked at for.
 */
static enum apo_disposition disposition_of(int signal, void *userdata)
{
	const struct held *held = userdata;
	const struct apo_request *request = held->request;
	enum apo_disposition disposition =
		held->respond->ops->disposition(held->process, signal, held->respond->userdata);

	if (disposition == APO_DISP_DEFAULT && request->grower.disposition == APO_DISP_BLOCKED &&
	    signal == (int)request->signal && is_grower(held->respond, request, held->process))
		return APO_DISP_BLOCKED;
	return disposition;
}

static struct stop_signal choose_signal(const struct respond *respond,
					const struct apo_request *request,
					const struct pidref *process, const struct stop_wish *wish)
{
	struct held held = {.respond = respond, .request = request, .process = process};

	return is_warning(request) ? stop_signal_warn(wish, disposition_of, &held)
				   : stop_signal_choose(wish, disposition_of, &held);
}

/* Whether the process was signalled for another trip a short while ago. */
static bool in_cooldown(const struct respond *respond, const struct apo_request *request,
			const struct pidref *process)
{
	const struct policy *policy = policy_of(respond, &request->rec, request->process_policy);
	struct apo_signalled entry;

	return policy && respond->initial_pid_ns &&
	       !respond->ops->followed(process->pid, &entry, respond->userdata) &&
	       (!entry.start_boottime_ns || /* the kernel side did not know it */
		pidref_started(process, entry.start_boottime_ns)) &&
	       entry.trip_id != request->trip_id &&
	       sat_sub(respond->ops->now_ns(respond->userdata), entry.time_ns) <
		       policy->cooldown_ns;
}

/*
 * Lets the kernel side know whom to follow. If it cannot, the process is signalled all the same. A
 * warning has no end that anybody waits for.
 */
static void follow(const struct respond *respond, const struct apo_request *request,
		   const struct pidref *process, int signal)
{
	const struct apo_signalled entry = {
		.trip_id = request->trip_id,
		.start_boottime_ns = process->start_boottime_ns,
		.limit_cgroup = request->limit_cgroup,
		.time_ns = respond->ops->now_ns(respond->userdata),
		.policy = request->rec.policy,
		.process_policy = request->process_policy,
		.generation = request->rec.generation,
		.signal = signal,
		.generate_result = -1,
	};

	if (respond->initial_pid_ns && !is_warning(request))
		respond->ops->follow(process->pid, &entry, respond->userdata);
}

/*
 * What came of it: 0 or -errno, for a process that was to be signalled; where its manager is to be asked, that
 * is up to the slow path.
 */
static void note_result(const struct respond *respond, int error, struct responder_result *result)
{
	result->error = error;
	result->time_ns = respond->ops->now_ns(respond->userdata);
	result->action = !error && stop_asks_manager(result->declared) ? APO_ACT_ASKED
			 : !error				       ? APO_ACT_SENT_RESPONDER
			 : error == -ESRCH			       ? APO_ACT_DISAPPEARED
								       : APO_ACT_FAILED;
}

/* Whom, and as what. */
enum candidate_kind {
	CANDIDATE_GROWER, /* wherever it is by now; else only as a member of the cgroup whose limit binds */
	CANDIDATE_LEADER, /* or another one of a pool: told itself */
	CANDIDATE_ONE_OF_ALL,
};

struct candidate {
	pid_t pid;
	uint64_t start_boottime_ns; /* 0: not known */
	enum candidate_kind kind;
};

/*
 * Signals a process that is held, unless no signal makes sense for it or it was signalled a short while
 * ago: then the result has no pid. The kernel side follows before the signal is sent: its delivery may be
 * seen at once. Returns whether a signal makes sense.
 */
static bool signal_held(const struct respond *respond, const struct apo_request *request,
			const struct pidref *process, const struct stop_wish *wish,
			struct responder_result *result)
{
	struct stop_signal stop = choose_signal(respond, request, process, wish);

	result->disposition = stop.disposition;
	if (!stop.signal || in_cooldown(respond, request, process))
		return stop.signal;
	result->pid = process->pid;
	result->signal = stop.signal;
	result->profile = stop.profile;
	result->declared = stop.declared;
	result->start_boottime_ns = process->start_boottime_ns;
	follow(respond, request, process, stop.signal);
	note_result(respond,
		    stop_asks_manager(stop.declared)
			    ? 0
			    : respond->ops->send(process, stop.signal, respond->userdata),
		    result);
	return true;
}

static bool signal_process(const struct respond *respond, const struct apo_request *request,
			   const struct candidate *candidate, struct responder_result *result);

/* As signal_held(), of a process whose profile says that another one of its pool is to be told. */
static bool signal_other(const struct respond *respond, const struct apo_request *request,
			 const struct pidref *process, const struct stop_wish *wish,
			 enum candidate_kind kind, struct responder_result *result)
{
	const struct pool_view view = view_of(respond);
	const struct candidate other = {
		.pid = pool_other(&view, process->pid, wish->profile),
		.kind = CANDIDATE_LEADER,
	};

	if (!other.pid)
		return signal_held(respond, request, process, wish, result);
	if (kind == CANDIDATE_ONE_OF_ALL) /* so is the other */
		return false;
	return signal_process(respond, request, &other, result) && !result->error;
}

/* Whose processes "all" are: where the machine's own memory binds, those of the grower's cgroup, and not everybody. */
static uint64_t cgroup_of_all(const struct apo_request *request)
{
	return request->flags & APO_REQUEST_HOST ? request->grower.cgroup_id
						 : request->limit_cgroup;
}

/* As signal_held(). Who cannot be held, or is no member, is no reason to signal another one. */
static bool signal_process(const struct respond *respond, const struct apo_request *request,
			   const struct candidate *candidate, struct responder_result *result)
{
	const struct respond_ops *ops = respond->ops;
	struct pidref process = PIDREF_NONE;
	struct stop_wish wish;
	bool makes_sense = true;
	int r = ops->hold(candidate->pid, candidate->start_boottime_ns, &process,
			  respond->userdata);

	*result = (struct responder_result){
		.trip_id = request->trip_id,
		.action = APO_ACT_NONE,
		.last = result->last,
	};
	if (!r && candidate->kind != CANDIDATE_GROWER &&
	    !ops->is_member(&process,
			    candidate->kind == CANDIDATE_ONE_OF_ALL ? cgroup_of_all(request)
								    : request->limit_cgroup,
			    respond->userdata))
		r = -ESRCH;
	if (!r) {
		wish = wish_for(respond, request, &process);
		makes_sense = candidate->kind != CANDIDATE_LEADER && !is_warning(request) &&
					      !is_only_grower(respond, request) &&
					      stop_target(&wish) != PROFILE_SELF
				      ? signal_other(respond, request, &process, &wish,
						     candidate->kind, result)
				      : signal_held(respond, request, &process, &wish, result);
	} else {
		result->pid = candidate->pid;
		result->signal = request->signal;
		note_result(respond, r, result);
	}
	pidref_close(&process);
	return makes_sense;
}

/* --- the targets --------------------------------------------------------------------------- */

static void signal_leader(const struct respond *respond, const struct apo_request *request,
			  struct responder_result *result)
{
	struct candidate leader = {.kind = CANDIDATE_LEADER};

	if (respond->ops->leader(grower_pid(respond, request), &request->grower, &leader.pid,
				 &leader.start_boottime_ns, respond->userdata)) {
		result->action = APO_ACT_NONE;
		result->error = -ESRCH;
		return;
	}
	signal_process(respond, request, &leader, result);
}

static void signal_grower(const struct respond *respond, const struct apo_request *request,
			  struct responder_result *result)
{
	const struct candidate grower = {
		.pid = grower_pid(respond, request),
		.start_boottime_ns = request->grower.start_boottime_ns,
		.kind = CANDIDATE_GROWER,
	};

	if (!signal_process(respond, request, &grower, result) && !is_warning(request) &&
	    !is_only_grower(respond, request))
		signal_leader(respond, request, result);
}

struct all_walk {
	const struct respond *respond;
	const struct apo_request *request;
	size_t signalled; /* or tried */
};

static void signal_one_of_all(pid_t pid, void *userdata)
{
	struct all_walk *walk = userdata;
	struct responder_result result = {.trip_id = walk->request->trip_id};

	signal_process(walk->respond, walk->request,
		       &(const struct candidate){.pid = pid, .kind = CANDIDATE_ONE_OF_ALL},
		       &result);
	if (!result.pid)
		return;
	walk->signalled++;
	walk->respond->ops->tell(&result, walk->respond->userdata);
}

static void signal_all(const struct respond *respond, const struct apo_request *request,
		       struct responder_result *result)
{
	struct all_walk walk = {.respond = respond, .request = request};
	int r = respond->ops->each_process(cgroup_of_all(request), signal_one_of_all, &walk,
					   respond->userdata);

	result->action = APO_ACT_NONE;
	result->error = walk.signalled ? 0 : r;
}

/* What came of it last is returned. */
static struct responder_result signal_target(const struct respond *respond,
					     const struct apo_request *request)
{
	const struct policy *policy = policy_of(respond, &request->rec, request->process_policy);
	struct responder_result result = {.trip_id = request->trip_id, .last = 1};

	switch (request->flags & APO_REQUEST_ALL ? APO_TARGET_ALL
		: policy			 ? policy->target
						 : APO_TARGET_GROWER) {
	case APO_TARGET_GROWER:
		signal_grower(respond, request, &result);
		break;
	case APO_TARGET_LEADER:
		signal_leader(respond, request, &result);
		break;
	case APO_TARGET_ALL:
		signal_all(respond, request, &result);
		break;
	}
	respond->ops->tell(&result, respond->userdata);
	return result;
}

/* --- the limit ----------------------------------------------------------------------------- */

/* Returns whether it is raised for a trip. */
static bool raise_limit(const struct respond *respond, const struct apo_request *request)
{
	const struct policy *policy = policy_of(respond, &request->rec, request->rec.policy);
	const struct policy *own = policy_of(respond, &request->rec, request->process_policy);
	const struct airbag_growth growth = {
		.limit_cgroup = request->limit_cgroup,
		.process_cgroup = request->grower.cgroup_id,
		.rate_bytes_s = sat_mul(request->rate_pages_s, respond->page_bytes),
		.is_stalled = request->flags & APO_REQUEST_STALLED,
	};
	struct responder_result result = {
		.trip_id = request->trip_id,
		.is_airbag = true,
		.last = 1,
	};

	if (!request->trip_id) {
		if (policy && policy_lends(policy))
			respond->ops->lend(&growth, policy, respond->userdata);
		return false;
	}
	if (policy)
		respond->ops->raise(&growth, policy, own ? own->grace_ns : 0, &result.airbag,
				    respond->userdata);
	result.time_ns = respond->ops->now_ns(respond->userdata);
	respond->ops->tell(&result, respond->userdata);
	return result.airbag.outcome == INCIDENT_AIRBAG_RAISED;
}

static void brake(const struct respond *respond, const struct apo_request *request)
{
	const struct policy *policy = policy_of(respond, &request->rec, request->rec.policy);

	if (policy && policy_brakes(policy))
		respond->ops->brake(request->limit_cgroup, respond->userdata);
}

/* --- the grace ----------------------------------------------------------------------------- */

/*
 * For the process that was signalled; where none was, for the grower, which the kernel side may have
 * signalled. A limit that is raised must not stay so for ever: then there is one without being asked for,
 * which ends only what still needs the loan.
 */
static void grant_grace(const struct respond *respond, const struct apo_request *request,
			const struct responder_result *signalled, bool is_raised)
{
	const struct policy *own = policy_of(respond, &request->rec, request->process_policy);
	uint64_t asked_ns = own ? own->grace_ns : 0;
	uint64_t grace_ns = asked_ns ?: is_raised ? AIRBAG_GRACE_NS : 0;
	bool is_grower = !signalled->pid;
	struct grace grace = {
		.trip_id = request->trip_id,
		.deadline_ns =
			sat_add(request->trip_id, grace_ns), /* the id is when it was decided */
		.limit_cgroup = request->limit_cgroup,
		.is_host = request->flags & APO_REQUEST_HOST,
		.swap_bytes = sat_mul(request->swap_pages, respond->page_bytes),
		.ample_bytes = asked_ns ? sat_mul(request->reserve_pages, respond->page_bytes) : 0,
	};

	if (!grace_ns ||
	    respond->ops->hold(is_grower ? grower_pid(respond, request) : signalled->pid,
			       is_grower ? request->grower.start_boottime_ns
					 : signalled->start_boottime_ns,
			       &grace.process, respond->userdata))
		return; /* it has ended */
	if (respond->ops->grant(&grace, respond->userdata))
		pidref_close(&grace.process);
}

/* --- records ------------------------------------------------------------------------------- */

static void respond_to_request(const struct respond *respond, const struct apo_request *request)
{
	struct responder_result signalled = {};
	bool is_raised = false;

	if (request->flags & APO_REQUEST_AIRBAG)
		is_raised = raise_limit(respond, request);
	if (request->flags & APO_REQUEST_SIGNAL)
		signalled = signal_target(respond, request);
	if (request->flags & APO_REQUEST_GRACE)
		grant_grace(respond, request, &signalled, is_raised);
}

/*
 * Beyond the maximum nothing is kept: a refresh is asked for again, and what was not prepared is opened
 * at the trip.
 */
static void put_off(struct respond *respond, const struct apo_request *request)
{
	if (respond->put_off_count == RESPOND_PUT_OFF_MAX)
		return;
	respond->put_off[respond->put_off_count].limit_cgroup = request->limit_cgroup;
	respond->put_off[respond->put_off_count++].type = request->rec.type;
}

void respond_to(struct respond *respond, const struct apo_record *record)
{
	const struct apo_request *request = (const struct apo_request *)record;

	if (record->size < sizeof(*request))
		return;
	switch (record->type) {
	case APO_REC_REQUEST:
		respond_to_request(respond, request);
		break;
	case APO_REC_BRAKE:
		brake(respond, request);
		break;
	case APO_REC_REFRESH:
	case APO_REC_PREPARE:
		put_off(respond, request);
		break;
	}
}

void respond_to_rest(struct respond *respond)
{
	for (size_t i = 0; i < respond->put_off_count; i++) {
		uint64_t limit_cgroup = respond->put_off[i].limit_cgroup;

		if (respond->put_off[i].type == APO_REC_REFRESH)
			respond->ops->refresh(limit_cgroup, respond->userdata);
		else
			respond->ops->prepare(limit_cgroup, respond->userdata);
	}
	respond->put_off_count = 0;
}
