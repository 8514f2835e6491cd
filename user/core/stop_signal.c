// SPDX-License-Identifier: BSD-2-Clause
#include "core/stop_signal.h"

#include <signal.h>
#include <stddef.h>

struct row {
	enum apo_disposition disposition;
	bool is_given;
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

struct stop_signal stop_signal_choose(int wanted, bool is_given, enum apo_disposition disposition,
				      enum apo_disposition interrupt)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];

		if (row->disposition == disposition && (is_given || !row->is_given) &&
		    (row->interrupt == ANY || row->interrupt == (int)interrupt))
			return (struct stop_signal){
				.signal = !row->is_sent		 ? 0
					  : row->takes_interrupt ? SIGINT
								 : wanted,
				.why = row->why,
			};
	}
	return (struct stop_signal){.signal = wanted, .why = "nothing is known of it"};
}

struct stop_signal stop_signal_warn(int wanted, enum apo_disposition disposition)
{
	bool is_taken = disposition == APO_DISP_HANDLED || disposition == APO_DISP_BLOCKED;

	return (struct stop_signal){
		.signal = is_taken ? wanted : 0,
		.why = is_taken ? "it takes the signal" : "it does not take the signal",
	};
}
