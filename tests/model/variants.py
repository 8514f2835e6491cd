# SPDX-License-Identifier: BSD-2-Clause
"""
The same with a fault each, which the search has to find: else the model shows nothing. Some were in the code
once. FAULTS: the class, and the scene (by name, see scenes.py) in which it shows.
"""
from loan import Loan
from world import ADD, Bag, CUT_SHORT, Entry, NONE


class RaisedBeforeItIsOnRecord(Loan):
    def journal_write(self, id, entry):
        yield "source_set_loan", id, True
        yield from self.put_in_force(id, entry)
        return (yield from super().journal_write(id, entry))


class RecordRemovedBeforeTheLimitIsBack(Loan):
    def loan_put_back(self, id, entry):
        yield from self.journal_remove(id)
        return (yield from super().loan_put_back(id, entry))


class KernelSideToldAfterwards(Loan):
    def raise_limits(self, id, entry, now, again):
        entry = entry._replace(last=now, raised=(entry.raised[0] + ADD, entry.raised[1]))
        yield from self.journal_write(id, entry)
        r = yield from self.put_in_force(id, entry)
        yield "source_set_loan", id, True
        return r, entry


class KernelSideForgetsBeforeTheLimitIsBack(Loan):
    def loan_put_back(self, id, entry):
        yield "source_set_loan", id, False
        return (yield from super().loan_put_back(id, entry))


class LastValueNotOnRecord(Loan):
    """Killed between the record and the write, the limit is what it was before that."""

    def journal_write(self, id, entry):
        return (yield from super().journal_write(id, entry._replace(last=entry.raised)))


class LastValueTakenFromTheRecord(Loan):
    """The limit need not be what that wanted: who wrote it may have been killed before it was."""

    def write_high(self, id, entry, now, high):
        entry = entry._replace(last=entry.raised, raised=(entry.raised[0], high))
        if (yield from self.journal_write(id, entry)):
            return None
        r = yield from self.cgroup_limits_change(id, now, (now[0], high))
        return None if r else entry


class NoLock(Loan):
    def op_flock(self, w, me, id):
        return 0 if w.cgroup(id) else "ENOENT"


class LockGivenUpBeforeTheRecordIsRemoved(Loan):
    def loan_end(self, id):
        yield "source_set_loan", id, False
        yield "unlock", id
        yield from self.journal_remove(id)


class OwnerAskedForByPid(Loan):
    """No look at its start time: somebody else has its pid. Or with that: it is a zombie."""

    def recover(self, id):
        record = yield "read", id
        owner_seems_to_live = record and record != CUT_SHORT
        if not owner_seems_to_live:
            yield from super().recover(id)


class RecordReadBeforeTheLock(Loan):
    def recover(self, id):
        entry = yield from self.journal_read(id)
        if not entry:
            yield from super().recover(id)
        if not entry or (yield "flock", id):
            return
        yield "source_set_loan", id, True
        yield "set_bag", Bag(id, "RAISED", entry, False, False)
        yield from self.put_back(id, False)


class CutShortRemovedWithoutTheLock(Loan):
    """It may be in the midst of being written."""

    def recover(self, id):
        if (yield "read", id) == CUT_SHORT:
            yield "unlink", id
        else:
            yield from super().recover(id)


class FailedLoanTakesTheMarkWithIt(Loan):
    """Of an instance that was killed: it is left by one that finds it, and does not lend."""

    def loan_raise(self, id, since):
        r, entry = yield from super().loan_raise(id, since)
        if r == "EALREADY":
            yield "source_set_loan", id, False
            yield "fremovexattr", id
            yield "unlock", id
            r = "EEXIST"
        return r, entry


class FileCountsThoughItsMarkIsGone(Loan):
    def journal_read(self, id):
        entry = yield "fgetxattr", id
        if not entry:
            entry = yield "read", id
        return None if entry == CUT_SHORT else entry


class OlderMarkCountsBeforeTheFile(Loan):
    """Of one that can mark; the file is of one that can neither mark nor remove that."""

    def journal_read(self, id):
        marked = yield "fgetxattr", id
        return marked or (yield from super().journal_read(id))


class LentOnTopOfWhatIsLeft(Loan):
    def loan_raise(self, id, since):
        if (yield "flock", id):
            return "EEXIST", None
        now = yield "cgroup_limits_read", id
        r, entry = yield from self.raise_limits(id, Entry(id, since, now, now, now, False), now, False)
        if r:
            yield "unlock", id
        return r, entry


class LimitsWrittenUnlooked(Loan):
    """Those that were read some time before."""

    def cgroup_limits_change(self, id, now, to):
        for which in (1, 0) if self.version == 1 and to[1] > now[1] else (0, 1):
            r = 0
            if to[which] != now[which]:
                r = yield "write_limit", id, which, None, to[which]
            if r:
                return r
        return 0


class MemswBackBelowMemory(Loan):
    """v1 refuses that for ever."""

    def journal_take_back(self, entry, now):
        back, ours = super().journal_take_back(entry, now)
        named = (entry.before[1], entry.raised[1], entry.last[1])
        return (back[0], entry.before[1] if now[1] in named else now[1]), ours


class OwedThoughSomebodyElseHasSetIt(Loan):
    def pay_back(self, id, entry):
        used = yield "cgroup_usage_read", id
        r = "EBUSY"
        if used is None or used[0] <= self.loan_limit_bytes(entry.before):
            r = yield from self.loan_put_back(id, entry)
        if r == "EBUSY":
            entry = yield from self.loan_step_down(id, entry)
        return r, entry


class WaitsForRoomBelowALimitThatSomebodyElseHasSet(Loan):
    def put_back_gently(self, id, entry):
        used = yield "cgroup_usage_read", id
        if self.version == 2 and used and used[0] > entry.before[0]:
            return "EBUSY"
        return (yield from self.loan_put_back(id, entry))


class RaisedAgainAndLeftToItself(Loan):
    """A trip comes while the limit goes back, and gets no more than there was."""

    def raise_bag(self, id, since):
        bag = yield "bag", id
        if bag.state != "GOING_BACK":
            return (yield from super().raise_bag(id, since))
        yield from self.loan_raise_again(id, bag.entry)
        r, entry = yield from self.loan_raise_further(id, bag.entry)
        if not r:
            yield "set_bag", bag._replace(state="RAISED", entry=entry)
        return r


class RefusedToGoBackAndUnlocked(Loan):
    """v1: the first of two limits was raised, and cannot be lowered any more."""

    def loan_raise(self, id, since):
        r, entry = yield from super().loan_raise(id, since)
        if r == "EALREADY" and entry.since == since:
            yield "unlock", id
            r = "EBUSY"
        return r, entry


class UndoneThoughNotOnRecord(Loan):
    def journal_write(self, id, entry):
        r = yield from super().journal_write(id, entry)
        if r:
            yield from self.loan_put_back(id, entry._replace(before=entry.last))
        return r


class SteppedDownWithoutARecord(Loan):
    def loan_step_down(self, id, entry):
        now = yield "cgroup_limits_read", id
        used, _ = yield "cgroup_usage_read", id
        to = max(entry.before[0], used + 1)
        if now and to < now[0] and self.journal_take_back(entry, now)[1]:
            yield from self.cgroup_limits_change(id, now, (to, now[1]))
        return entry


class HighLiftedWithoutARecord(Loan):
    def write_high(self, id, entry, now, high):
        r = yield from self.cgroup_limits_change(id, now, (now[0], high))
        return None if r else entry._replace(last=now, raised=(entry.raised[0], high))


class OnlyMemoryIsPutBack(Loan):
    def journal_take_back(self, entry, now):
        back, ours = super().journal_take_back(entry, now)
        return (back[0], now[1] if now[1] == NONE else back[1]), ours


class RecordOfARemovedCgroupIsKept(Loan):
    def recover(self, id):
        if (yield "flock", id) != "ENOENT":
            yield from super().recover(id)


FAULTS = (
    (RaisedBeforeItIsOnRecord, "engine and responder, v1"),
    (RecordRemovedBeforeTheLimitIsBack, "engine and responder, v1"),
    (KernelSideToldAfterwards, "engine and responder, v2"),
    (KernelSideForgetsBeforeTheLimitIsBack, "engine and responder, v2"),
    (LastValueNotOnRecord, "engine and responder, v2"),
    (LastValueTakenFromTheRecord, "memory in use, v2"),
    (NoLock, "one directory, no marks, v1"),
    (LockGivenUpBeforeTheRecordIsRemoved, "one directory, no marks, v1"),
    (OwnerAskedForByPid, "one directory, no marks, v1"),
    (RecordReadBeforeTheLock, "one directory, no marks, v1"),
    (CutShortRemovedWithoutTheLock, "one directory, no marks, v1"),
    (FailedLoanTakesTheMarkWithIt, "two directories, two killed, v1"),
    (FileCountsThoughItsMarkIsGone, "two directories, v1"),
    (OlderMarkCountsBeforeTheFile, "one directory, one that marks, v1"),
    (LentOnTopOfWhatIsLeft, "two directories, two killed, v1"),
    (LimitsWrittenUnlooked, "memory in use, v1"),
    (MemswBackBelowMemory, "memory in use, v1"),
    (OwedThoughSomebodyElseHasSetIt, "memory in use, v1"),
    (WaitsForRoomBelowALimitThatSomebodyElseHasSet, "memory in use, v2"),
    (RaisedAgainAndLeftToItself, "engine and responder, v1"),
    (RefusedToGoBackAndUnlocked, "memory in use, v1"),
    (UndoneThoughNotOnRecord, "what fails, v1"),
    (SteppedDownWithoutARecord, "memory in use, v1"),
    (HighLiftedWithoutARecord, "memory in use, v2"),
    (OnlyMemoryIsPutBack, "memory in use, v2"),
    (RecordOfARemovedCgroupIsKept, "made anew, v1"),
)
