/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the responder does for one record of the kernel side. The limit is raised before anybody is
 * signalled. Then, by the target of the process's policy, the grower, its leader, or every process of
 * the cgroup whose limit binds is signalled; the leader also in place of a grower for whom no signal
 * makes sense, and another one of its pool in place of a process whose profile says so. Then the end of its
 * grace is seen to. What takes its time waits until the signals are out. Where the owner of a process has
 * declared that it is stopped by its manager (ExecStop=), the slow path is told to ask for that.
 *
 * A process is held before anything is asked about it. The grower is the one of the record, by its start
 * time; everybody else is signalled only as a member of the cgroup whose limit binds, asked while held: a
 * pid that is another's by now, or a process that has moved away, is left alone.
 *
 * Only decisions: what is done goes through struct respond_ops, whose one real set is the
 * responder's. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "apoptosis/abi.h"
#include "core/policy_set.h"
#include "rescue/airbag.h"
#include "rescue/keeper.h"
#include "rescue/pool.h"
#include "sense/pidref.h"

/* What was done for a trip, for its incident: about its airbag, or about one process. */
struct responder_result {
	uint64_t trip_id;
	/* About the airbag, and about nothing else. */
	bool is_airbag;
	struct airbag_result airbag;
	uint64_t time_ns; /* CLOCK_MONOTONIC, when it was done */
	/* About a signal. */
	uint64_t start_boottime_ns;
	pid_t pid; /* 0: no process was chosen; with `last`, see there */
	uint32_t signal;
	const struct profile *profile; /* that decided; NULL: none did */
	enum apo_declaration declared; /* that decided */
	uint32_t action;	       /* enum apo_action */
	uint32_t disposition;
	int32_t error;
	/*
	 * The airbag, or the signals, of the request are dealt with. With target "all" a result for
	 * each process comes first, and this one has no pid.
	 */
	uint32_t last;
};

/* userdata is that of struct respond. Errors are -errno, as those of the functions that are named. */
struct respond_ops {
	uint64_t (*now_ns)(void *userdata); /* CLOCK_MONOTONIC */
	void (*tell)(const struct responder_result *result, void *userdata);

	/* airbag_raise(), airbag_lend(), airbag_brake(), airbag_prepare_id() */
	void (*raise)(const struct airbag_growth *growth, const struct policy *policy,
		      uint64_t grace_ns, struct airbag_result *ret, void *userdata);
	void (*lend)(const struct airbag_growth *growth, const struct policy *policy,
		     void *userdata);
	void (*brake)(uint64_t limit_cgroup, void *userdata);
	void (*prepare)(uint64_t limit_cgroup, void *userdata);
	/* keeper_grant(); takes the process, unless there is an error. */
	int (*grant)(const struct grace *grace, void *userdata);
	/* Has the kernel bring the statistics of the cgroup up to date. */
	void (*refresh)(uint64_t limit_cgroup, void *userdata);

	/* pool_look_at() */
	int (*look)(pid_t pid, struct pool_look *ret, void *userdata);
	/* proc_children() */
	size_t (*children)(pid_t pid, pid_t *ret, size_t max, void *userdata);
	/* leader_find() */
	int (*leader)(pid_t pid, const struct apo_task *task, pid_t *ret,
		      uint64_t *ret_start_boottime_ns, void *userdata);
	/* Calls visit for each process below the cgroup. */
	int (*each_process)(uint64_t cgroup_id, void (*visit)(pid_t pid, void *walk), void *walk,
			    void *userdata);
	/* pidref_open(), proc_disposition(), pidref_signal() */
	int (*hold)(pid_t pid, uint64_t start_boottime_ns, struct pidref *ret, void *userdata);
	enum apo_disposition (*disposition)(const struct pidref *process, int signal,
					    void *userdata);
	int (*send)(const struct pidref *process, int signal, void *userdata);
	/* Whether a process that is held is in the cgroup, or below. */
	bool (*is_member)(const struct pidref *process, uint64_t cgroup_id, void *userdata);

	/* source_follow(), source_followed() */
	int (*follow)(pid_t pid, const struct apo_signalled *entry, void *userdata);
	int (*followed)(pid_t pid, struct apo_signalled *ret, void *userdata);
	/* source_declared() */
	int (*declared)(pid_t pid, struct apo_declared *ret, void *userdata);
};

#define RESPOND_PUT_OFF_MAX 64

/* All but what is put off is the caller's to fill in. */
struct respond {
	const struct respond_ops *ops;
	void *userdata; /* of the ops */
	const struct policy_set *policies;
	const struct profiles *profiles; /* NULL: there are none */
	uint64_t page_bytes;
	/* Pids of the kernel side are ours; else the kernel side cannot be told whom to follow. */
	bool initial_pid_ns;

	struct {
		uint64_t limit_cgroup;
		uint32_t type; /* APO_REC_REFRESH, APO_REC_PREPARE */
	} put_off[RESPOND_PUT_OFF_MAX];
	size_t put_off_count;
};

/*
 * Does what a record of the kernel side asks for: signals, raises, brakes at once, puts the rest off. A
 * record whose policy is no longer in force raises and brakes nothing; its signal is sent, to the
 * grower.
 */
void respond_to(struct respond *respond, const struct apo_record *record);

/* Does what was put off, when all records that are there have been responded to. */
void respond_to_rest(struct respond *respond);
