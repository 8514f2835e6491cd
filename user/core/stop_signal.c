// SPDX-License-Identifier: BSD-2-Clause
#include "core/stop_signal.h"

#include <signal.h>
#include <stddef.h>

#include "base/util.h"

struct row {
	enum apo_disposition disposition;
	bool is_given; /* only where the operator asked for it */
	int interrupt; /* enum apo_disposition; -1: any */
	bool takes_interrupt;
	bool is_sent;
	const char *why;
};

#define ANY (-1)

/* The first that fits. */
static const struct row rows[] = {
	{APO_DISP_HANDLED, false, ANY, false, true, "it has a handler"},
	{APO_DISP_BLOCKED, false, ANY, false, true,
	 "it blocks the signal, and takes it by sigwait or signalfd"},
	{APO_DISP_UNKNOWN, false, ANY, false, true, "what it does with signals cannot be read"},
	{APO_DISP_DEFAULT, true, ANY, false, true,
	 "--signal says so; it has no handler, so it ends, and nothing is drained"},
	{APO_DISP_DEFAULT, false, APO_DISP_HANDLED, true, true,
	 "it has a handler for this one only, as CPython"},
	{APO_DISP_DEFAULT, false, ANY, false, true,
	 "it has no handler, so it ends, and nothing is drained"},
	{APO_DISP_IGNORED, false, APO_DISP_HANDLED, true, true,
	 "it ignores the other, and has a handler for this one"},
	{APO_DISP_INIT, false, APO_DISP_HANDLED, true, true,
	 "the other does nothing to the init of a PID namespace; it has a handler for this one"},
	{APO_DISP_IGNORED, false, ANY, false, false, "it ignores the signal"},
	{APO_DISP_INIT, false, ANY, false, false,
	 "it is the init of a PID namespace, to which the signal does nothing"},
};

static bool is_taken(enum apo_disposition disposition)
{
	return disposition == APO_DISP_HANDLED || disposition == APO_DISP_BLOCKED;
}

static struct stop_signal by_disposition(const struct stop_wish *wish,
					 stop_disposition_fn disposition, void *userdata)
{
	enum apo_disposition wished = disposition(wish->signal, userdata);
	enum apo_disposition interrupt = wished == APO_DISP_HANDLED ? APO_DISP_UNKNOWN
								    : disposition(SIGINT, userdata);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];

		if (row->disposition == wished && (wish->is_given || !row->is_given) &&
		    (row->interrupt == ANY || row->interrupt == (int)interrupt))
			return (struct stop_signal){
				.signal = !row->is_sent		 ? 0
					  : row->takes_interrupt ? SIGINT
								 : wish->signal,
				.disposition = wished,
				.why = row->why,
			};
	}
	return (struct stop_signal){
		.signal = wish->signal,
		.disposition = wished,
		.why = "nothing is known of it",
	};
}

static const char *const declarations[] = {
	[APO_DECLARED_KILL_SIGNAL] = "KillSignal= of its unit says so",
	[APO_DECLARED_RESTART_SIGNAL] = "RestartKillSignal= of its unit says so",
	[APO_DECLARED_CONTAINER] = "it is the stop signal of its container",
	[APO_DECLARED_EXEC_STOP] =
		"only if its manager does not stop its unit, which has an ExecStop= and is "
		"asked to first",
	[APO_DECLARED_EXEC_RESTART] =
		"only if its manager does not restart its unit, which has an ExecStop= and "
		"is asked to first",
};

bool stop_asks_manager(enum apo_declaration declared)
{
	return declared == APO_DECLARED_EXEC_STOP || declared == APO_DECLARED_EXEC_RESTART;
}

/* Returns whether that decides. */
static bool by_declaration(const struct stop_wish *wish, stop_disposition_fn disposition,
			   void *userdata, struct stop_signal *ret)
{
	const struct apo_declared *declared = &wish->declared;
	int signal = (int)declared->signal;

	if (wish->is_given || !declared->by || declared->by >= ARRAY_SIZE(declarations))
		return false;
	*ret = (struct stop_signal){
		.signal = signal,
		.disposition = disposition(signal, userdata),
		.declared = declared->by,
		.why = declarations[declared->by],
	};
	return stop_asks_manager(declared->by) ||
	       (ret->disposition != APO_DISP_IGNORED && ret->disposition != APO_DISP_INIT);
}

struct stop_signal stop_signal_choose(const struct stop_wish *wish, stop_disposition_fn disposition,
				      void *userdata)
{
	const struct profile *profile = wish->is_given ? NULL : wish->profile;
	struct stop_signal declared;
	enum apo_disposition own;

	if (by_declaration(wish, disposition, userdata, &declared))
		return declared;
	if (profile && profile->is_protected)
		return (struct stop_signal){
			.disposition = disposition(wish->signal, userdata),
			.profile = profile,
			.why = "its profile says that it is never told to stop",
		};
	if (profile && profile->stop_signal) {
		own = disposition(profile->stop_signal, userdata);
		if (is_taken(own))
			return (struct stop_signal){
				.signal = profile->stop_signal,
				.disposition = own,
				.profile = profile,
				.why = "its profile says so",
			};
	}
	return by_disposition(wish, disposition, userdata);
}

struct stop_signal stop_signal_warn(const struct stop_wish *wish, stop_disposition_fn disposition,
				    void *userdata)
{
	const struct profile *profile = wish->profile;
	struct stop_signal warn = {.signal = wish->signal, .why = "it takes the signal"};

	if (!wish->signal) {
		warn = (struct stop_signal){
			.signal = profile ? profile->warn_signal : 0,
			.profile = profile,
			.why = "its profile says so",
		};
	} else if (profile && !profile_may_warn(profile, wish->signal)) {
		warn = (struct stop_signal){
			.profile = profile,
			.why = "its profile says that this is no warning for it",
		};
	}
	if (!warn.signal)
		return warn;
	warn.disposition = disposition(warn.signal, userdata);
	if (!is_taken(warn.disposition)) {
		warn.signal = 0;
		warn.why = "it does not take the signal";
	}
	return warn;
}

enum profile_target stop_target(const struct stop_wish *wish)
{
	return !wish->is_given && wish->profile ? wish->profile->target : PROFILE_SELF;
}
