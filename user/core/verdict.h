/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a trip ended, judged from the facts of the incident alone.
 *
 * The facts are first put into four words:
 *
 * sent     yes         the signal went out: by the kernel side, by the responder, or the kernel
 *                      was seen queueing or delivering it; or the responder was asked for it, and what
 *                      came of that is not known because the instance is gone
 *          none        no process could make use of it, so nothing was sent
 *          failed      the system call failed, the responder never answered, or the record of the
 *                      trip was lost and no signal was seen
 *          gone        the process was gone before the responder could signal it
 *
 * end      oom         ended by SIGKILL (or not seen ending) as OOM victim, or while the kernel's
 *                      oom_kill counter of the binding cgroup rose
 *          grace       SIGKILL was ours, after the grace
 *          killed      SIGKILL, and the kernel's counter says that it was not the OOM killer
 *          killed?     SIGKILL or an end not seen, and no counter to tell whether by the kernel
 *          crash       SEGV, BUS, ILL, FPE, ABRT, SYS or TRAP
 *          signal      the default action of the chosen signal
 *          other       the default action of some other signal
 *          zero, code  exited with status 0, with another status
 *          hung        still running at the close, and threads wait at the limit, whose OOM killer
 *                      is disabled (v1)
 *          recovered   still running at the close, headroom at least the reserve
 *          low         still running at the close, headroom below the reserve
 *          running     still running at the close, headroom not known
 *          lost        gone (sent is gone, or exit_ns is set while the exit is not known), the
 *                      kernel's counter says that it was not the OOM killer
 *
 * handler  ran         its entry was seen
 *          waited      not seen, and would not be: the signal is blocked (sigwait and signalfd
 *                      take it without an entry)
 *          no          the signal was seen being queued, a handler is installed, no entry was seen
 *          none        there is none: the signal has its default action
 *          unseen      anything else
 *
 * danger   yes         least headroom since the trip was below the reserve, or is not known
 *          no          it never was (a forecast that did not come true)
 *
 * A process that the kernel marked as OOM victim while it was already ending by its own shutdown
 * or by the chosen signal (6.18 and newer mark every dying task that meets the limit) was not
 * killed by the kernel: its exit status, not the mark, decides.
 *
 * Then the first row that fits decides; * is any. An incident without a crossing is "missed"
 * before this table is asked, a dry run is "dry run", a warning stays "open".
 *
 * sent    end              handler       danger  verdict
 * *       grace            *             *       ignored    outlived the grace
 * none    oom              *             *       ignored    nobody could take it; kernel killed
 * failed  oom              *             *       too late   never sent
 * gone    oom              *             *       too late   killed before it could be sent
 * yes     oom              ran           *       too late   killed during its shutdown
 * yes     oom              waited none unseen *  too late   killed after the signal
 * yes     oom              no            *       too late   killed before the handler ran
 * *       hung             *             *       ignored    waits for room that nobody makes
 * gone    *                *             *       needless   ended before it could be sent
 * !yes    zero code signal other lost recovered * needless lived without a signal
 * none    *                *             *       ignored    nobody could take it
 * failed  *                *             *       ignored    never sent
 * yes     killed           *             *       ignored    somebody else's SIGKILL
 * yes     killed?          *             *       too late   ended in a way not known
 * yes     crash            *             *       ignored    crashed instead of shutting down
 * yes     zero..lost recovered *         no      needless   the reserve was never entered
 * yes     zero code other lost no        yes     needless   ended before the handler ran
 * yes     signal           none          yes     ended      by the default action
 * yes     signal           *             yes     saved      by the handler
 * yes     zero, code       *             yes     saved      shut down (the status is told)
 * yes     other            *             yes     saved      shut down, ended by another signal
 * yes     lost             *             yes     saved      ended after the signal
 * yes     recovered        ran waited    yes     saved      gave memory back and runs on
 * yes     recovered        no none unseen yes    needless   memory came back without the handler
 * yes     low              *             *       ignored    runs on below the reserve
 * yes     running          *             *       ignored    runs on
 */
#pragma once

#include "core/incident.h"

/* Sets incident->verdict and incident->reason (static text). Idempotent. */
void verdict_close(struct incident *incident);

/*
 * Whether the target took in the signal of this trip, as far as is known: sent is yes, by us and not by
 * somebody else before, and the handler neither no nor none.
 */
bool verdict_was_heard(const struct incident *incident);
/* Whether the end is recovered. */
bool verdict_runs_on(const struct incident *incident);
