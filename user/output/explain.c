// SPDX-License-Identifier: BSD-2-Clause
#include "output/explain.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"
#include "base/util.h"
#include "output/format.h"
#include "output/json.h"

#define SIZE_TEXT 16 /* room for format_size() */

static void print_heading(FILE *file, const char *name)
{
	fprintf(file, "  %-10s", name);
}

static void print_process(FILE *file, const struct explained_process *process)
{
	_cleanup_free_ char *comm = text_escape_line(process->comm ? process->comm : "?");

	fprintf(file, "%s[%d]", comm ? comm : "?", process->pid);
}

static const char *size_of(char *text, size_t size, uint64_t bytes)
{
	format_size(text, size, bytes);
	return text;
}

static void print_limit(FILE *file, const struct explanation *explanation)
{
	_cleanup_free_ char *cgroup =
		explanation->limit_cgroup ? text_escape_line(explanation->limit_cgroup) : NULL;
	char limit[SIZE_TEXT], need[SIZE_TEXT], cache[SIZE_TEXT];

	print_heading(file, "limit");
	if (!explanation->limit_cgroup) {
		fputs("none: it is not guarded, and nothing would be done (set memory.max, or "
		      "memory.limit_in_bytes)\n",
		      file);
		return;
	}
	fprintf(file, "%s, of %s; need %s, page cache beside it %s\n",
		size_of(limit, sizeof(limit), explanation->limit_bytes), cgroup ? cgroup : "?",
		size_of(need, sizeof(need), explanation->need_bytes),
		size_of(cache, sizeof(cache), explanation->file_bytes));
}

static void print_line(FILE *file, const struct explanation *explanation)
{
	char size[SIZE_TEXT];

	print_heading(file, "line");
	if (explanation->lends) {
		fprintf(file,
			"the limit itself: it is raised a little just before, and by up to %s for "
			"the shutdown\n",
			size_of(size, sizeof(size), explanation->lends_bytes));
		return;
	}
	fprintf(file, "%s below the limit (the reserve)",
		size_of(size, sizeof(size), explanation->reserve_bytes));
	if (explanation->lends_error)
		fprintf(file, ", as the limit cannot be raised: %s",
			strerror(-explanation->lends_error));
	fputc('\n', file);
}

static const char *place_of(const struct explanation *explanation)
{
	return explanation->process.target == PROFILE_TO_CHILD ? "its child"
							       : "the master of its pool";
}

static void print_target(FILE *file, const struct explanation *explanation,
			 const struct policy *policy)
{
	const struct explained_process *target = explanation->target;

	print_heading(file, "target");
	if (!target) {
		fputs("nobody: neither it nor the leader of its cgroup can make use of a signal\n",
		      file);
		return;
	}
	print_process(file, target);
	if (policy->target == APO_TARGET_ALL)
		fputs(", and every other process of the limit's cgroup (--target all)\n", file);
	else if (target == &explanation->leader && policy->target == APO_TARGET_LEADER)
		fputs(", the leader of its cgroup (--target leader)\n", file);
	else if (target == &explanation->leader)
		fputs(", the leader of its cgroup, in its place\n", file);
	else if (target == &explanation->other)
		fprintf(file, ", %s, in its place\n", place_of(explanation));
	else
		fputs(", as the one that grows\n", file);
}

static void print_signal(FILE *file, const struct explanation *explanation,
			 const struct policy *policy)
{
	const struct explained_process *target = explanation->target;

	if (target != &explanation->process && policy->target != APO_TARGET_LEADER) {
		print_heading(file, "not");
		print_process(file, &explanation->process);
		fprintf(file, ": %s\n",
			target && target == &explanation->other
				? "its profile says that another one is told"
				: explanation->process.stop.why);
	}
	if (!target)
		return;
	print_heading(file, "signal");
	fprintf(file, "SIG%s: %s\n", signal_name(target->stop.signal), target->stop.why);
}

static void print_profile(FILE *file, const struct explained_process *process)
{
	const struct profile *profile = process->profile, *other = process->other_profile;
	_cleanup_free_ char *where = profile ? text_escape_line(profile->file) : NULL;
	_cleanup_free_ char *other_where = other ? text_escape_line(other->file) : NULL;

	print_heading(file, "profile");
	fprintf(file, "%s of %s", profile->name, where ?: "?");
	if (profile != process->stop.profile)
		fputs(", which decides nothing here", file);
	if (other)
		fprintf(file, "; it comes before %s of %s, which fits too", other->name,
			other_where ?: "?");
	fputc('\n', file);
}

static void print_end(FILE *file, const struct explanation *explanation,
		      const struct policy *policy)
{
	const struct profile *profile = explanation->target ? explanation->target->profile : NULL;
	uint64_t lent_ns = explanation->lends ? AIRBAG_GRACE_NS : 0;
	uint64_t grace_ns = policy->grace_ns ?: lent_ns;

	print_heading(file, "then");
	if (!grace_ns) {
		fputs("nothing: it has the time it takes\n", file);
		return;
	}
	fprintf(file, "SIGKILL after %.3g s, %s\n", (double)grace_ns / (double)NSEC_PER_SEC,
		policy->grace_ns ? "unless headroom is back"
				 : "if it still needs what it was lent");
	if (profile && profile->time_ns > grace_ns) {
		print_heading(file, "");
		fprintf(file, "its stop may take %.6g s: --grace %.6gs gives it so long\n",
			(double)profile->time_ns / (double)NSEC_PER_SEC,
			(double)profile->time_ns / (double)NSEC_PER_SEC);
	}
}

static void print_unit(FILE *file, const struct explanation *explanation)
{
	const struct unit_state *state = &explanation->unit_state;
	_cleanup_free_ char *unit = text_escape_line(explanation->unit);

	print_heading(file, "unit");
	fprintf(file, "%s, Restart=%s: after a shutdown that worked it %s\n", unit ?: "?",
		state->restart[0] ? state->restart : "?",
		unit_restarts_after_success(state) ? "is started again by its manager"
						   : "stays down; watch --then restart has "
						     "it started");
}

int explain_text(FILE *file, const struct explanation *explanation, const struct policy *policy)
{
	_cleanup_free_ char *cgroup =
		text_escape_line(explanation->cgroup ? explanation->cgroup : "?");

	if (!cgroup)
		return -ENOMEM;
	print_process(file, &explanation->process);
	fprintf(file, " in %s\n", cgroup);
	print_limit(file, explanation);
	if (explanation->limit_cgroup)
		print_line(file, explanation);
	print_target(file, explanation, policy);
	print_signal(file, explanation, policy);
	if (explanation->process.profile)
		print_profile(file, &explanation->process);
	if (explanation->limit_cgroup)
		print_end(file, explanation, policy);
	if (explanation->unit)
		print_unit(file, explanation);
	return file_result(file);
}

static json_t *signal_json(int signal)
{
	return signal ? json_string(signal_name(signal)) : json_null();
}

static json_t *process_json(const struct explained_process *process)
{
	json_t *object;
	int r = 0;

	if (!process || !process->pid)
		return json_null();
	object = json_object();
	r |= json_object_set_new(object, "pid", json_integer(process->pid));
	r |= json_object_set_new(object, "comm", json_text(process->comm));
	r |= json_object_set_new(object, "disposition",
				 json_string(disposition_name(process->stop.disposition)));
	r |= json_object_set_new(object, "profile",
				 json_text(process->profile ? process->profile->name : NULL));
	r |= json_object_set_new(object, "declared",
				 json_text(declaration_name(process->stop.declared)));
	r |= json_object_set_new(object, "signal", signal_json(process->stop.signal));
	r |= json_object_set_new(object, "why", json_string(process->stop.why));
	return json_finish(object, r);
}

static json_t *limit_json(const struct explanation *explanation)
{
	json_t *object;
	int r = 0;

	if (!explanation->limit_cgroup)
		return json_null();
	object = json_object();
	r |= json_object_set_new(object, "cgroup", json_text(explanation->limit_cgroup));
	r |= json_object_set_new(object, "limit_bytes", json_u64(explanation->limit_bytes));
	r |= json_object_set_new(object, "need_bytes", json_u64(explanation->need_bytes));
	r |= json_object_set_new(object, "reclaimable_bytes", json_u64(explanation->file_bytes));
	r |= json_object_set_new(object, "reserve_bytes", json_u64(explanation->reserve_bytes));
	r |= json_object_set_new(object, "lends", json_boolean(explanation->lends));
	r |= json_object_set_new(object, "lends_bytes", json_u64(explanation->lends_bytes));
	r |= json_object_set_new(object, "lends_error",
				 explanation->lends_error
					 ? json_string(strerror(-explanation->lends_error))
					 : json_null());
	return json_finish(object, r);
}

static json_t *unit_json(const struct explanation *explanation)
{
	const struct unit_state *state = &explanation->unit_state;
	json_t *object;
	int r = 0;

	if (!explanation->unit)
		return json_null();
	object = json_object();
	r |= json_object_set_new(object, "name", json_text(explanation->unit));
	r |= json_object_set_new(object, "restart", json_text(state->restart));
	r |= json_object_set_new(object, "comes_back",
				 json_boolean(unit_restarts_after_success(state)));
	return json_finish(object, r);
}

json_t *explain_json(const struct explanation *explanation, const struct policy *policy)
{
	json_t *object = json_event("explain", explanation->realtime_ns);
	uint64_t grace_ns = policy->grace_ns ?: explanation->lends ? AIRBAG_GRACE_NS : 0;
	int r = 0;

	r |= json_object_set_new(object, "process", process_json(&explanation->process));
	r |= json_object_set_new(object, "cgroup", json_text(explanation->cgroup));
	r |= json_object_set_new(object, "limit", limit_json(explanation));
	r |= json_object_set_new(object, "leader", process_json(&explanation->leader));
	r |= json_object_set_new(object, "other", process_json(&explanation->other));
	r |= json_object_set_new(object, "target_policy", json_string(target_name(policy->target)));
	r |= json_object_set_new(object, "target", process_json(explanation->target));
	r |= json_object_set_new(object, "grace_ms",
				 json_known(grace_ns, grace_ns / NSEC_PER_MSEC));
	r |= json_object_set_new(object, "unit", unit_json(explanation));
	return json_finish(object, r);
}
