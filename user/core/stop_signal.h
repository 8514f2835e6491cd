/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which signal asks a process for its shutdown, and why. In this order: what the operator asked for; what the
 * owner of its service has declared, where it does something; what the profile of the program says, where the
 * process takes that signal; what the process has a handler for. The last is the same rule as the kernel side's signal_choose(), in bpf/signal.bpf.h. Pure.
 */
#pragma once

#include <stdbool.h>

#include "apoptosis/abi.h"
#include "core/profiles.h"

struct stop_wish {
	int signal;    /* of the policy; of a warning 0: what the profile says */
	bool is_given; /* the operator asked for it */
	struct apo_declared
		declared; /* of its owner, for the main process; by nothing: he has not */
	const struct profile *profile; /* of the process; NULL: there is none */
};

struct stop_signal {
	int signal;			  /* 0: none makes sense */
	enum apo_disposition disposition; /* of the signal that was wished for */
	const struct profile *profile;	  /* that decided; NULL: none did */
	enum apo_declaration declared;	  /* that decided */
	const char *why;		  /* "it has a handler"; static text */
};

/* Whether the manager of its unit is asked to stop it, and the signal is only for where that fails. */
bool stop_asks_manager(enum apo_declaration declared);

/* What a signal would do to the process. */
typedef enum apo_disposition (*stop_disposition_fn)(int signal, void *userdata);

struct stop_signal stop_signal_choose(const struct stop_wish *wish, stop_disposition_fn disposition,
				      void *userdata);

/* A warning goes only to who handles or awaits it: most signals end everybody else. */
struct stop_signal stop_signal_warn(const struct stop_wish *wish, stop_disposition_fn disposition,
				    void *userdata);

/* Who of its pool is to be told in its place, if there is one. */
enum profile_target stop_target(const struct stop_wish *wish);
