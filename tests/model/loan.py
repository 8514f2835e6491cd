# SPDX-License-Identifier: BSD-2-Clause
"""
The code of the loan, in the order of its steps: functions have the names that they have in user/rescue/
(journal.c, loan.c, airbag.c, payback.c) and user/sense/cgroup_memory.c, and are to be read beside them. What
is left out: what decides whether and how much is lent (any thread may do so at any time, as long as the
budget lasts), deadlines (may come at any time), and all that changes no file, lock or map.
"""
from world import ADD, Bag, CUT_SHORT, Entry, MOST, NONE, Surroundings


class Loan(Surroundings):
    # --- sense/cgroup_memory.c -------------------------------------------------------------------

    def cgroup_limits_change(self, id, now, to):
        first = 1 if self.version == 1 and to[1] > now[1] else 0
        for which in (first, 1 - first):
            if to[which] != now[which]:
                r = yield "write_limit", id, which, now[which], to[which]
                if r:
                    return r
        return 0

    # --- journal.c -------------------------------------------------------------------------------

    def journal_write(self, id, entry):
        r = yield "openat", id
        if r:
            return r
        is_marked = yield "fsetxattr", id, entry
        return (yield "write", id, entry._replace(is_marked=is_marked))

    def journal_read(self, id):
        """None: nothing is on record of a cgroup that is claimed."""
        marked = yield "fgetxattr", id
        written = yield "read", id
        if written == CUT_SHORT:
            written = None  # the limit was not touched yet
        if marked and written and not written.is_marked and written.since >= marked.since:
            return written  # who could not mark it could not remove an older mark either
        if marked or not written:
            return marked
        # Another instance has put it back.
        return None if written.is_marked and (yield "sees_marks", id) else written

    def journal_remove(self, id):
        yield "fremovexattr", id
        yield "unlink", id

    def journal_take_back(self, entry, now):
        memory, second = now
        ours = True
        if memory in (entry.before[0], entry.raised[0], entry.last[0]):
            memory = entry.before[0]
        else:
            ours = False
        if second in (entry.before[1], entry.raised[1], entry.last[1]):
            second = entry.before[1]
        else:
            ours = False
        if self.version == 1:
            second = max(second, memory)
        return (memory, second), ours

    # --- loan.c ----------------------------------------------------------------------------------

    def read_loan(self, id, entry):
        """The entry and the limits as they are, or the error."""
        now = yield "cgroup_limits_read", id
        if now is None:
            return None, None
        high = now[1]
        if self.version == 2 and high not in (entry.before[1], entry.raised[1], entry.last[1]):
            entry = entry._replace(before=(entry.before[0], high), raised=(entry.raised[0], high))
        return (entry, now) if self.journal_take_back(entry, now)[1] else (None, None)

    def put_in_force(self, id, entry):
        r = "EAGAIN"
        while r == "EAGAIN":
            now = yield "cgroup_limits_read", id
            if now is None:
                return "ENOENT"
            if not self.journal_take_back(entry, now)[1]:
                return "ECANCELED"
            r = yield from self.cgroup_limits_change(id, now, entry.raised)
        return r

    def raise_limits(self, id, entry, now, again):
        raised = (entry.raised[0] + ADD, entry.raised[1] + ADD)
        if self.version == 2:
            braked = entry.raised[1] not in (NONE, entry.before[1])
            raised = (raised[0], NONE if braked else entry.raised[1])
        entry = entry._replace(last=now, raised=raised)
        written = None  # loan->entry, where it is another
        r = yield from self.journal_write(id, entry)
        if not r:
            written = entry
            r = yield "source_set_loan", id, True
            if not r:
                r = yield from self.put_in_force(id, entry)
            if r and (yield from self.loan_put_back(id, entry._replace(before=now))) not in (0, "ENOENT"):
                return (r if again else "EALREADY"), written
        if r and not again:
            yield from self.loan_end(id)
        return r, written

    def loan_raise(self, id, since):
        """
        Error and entry. EALREADY: a loan that stands, but not as it was wanted: a dead instance has left it, or
        it could not be undone.
        """
        r = yield "flock", id
        if r:
            return r, None
        left = yield from self.journal_read(id)
        if left:
            yield "source_set_loan", id, True
            return "EALREADY", left
        now = yield "cgroup_limits_read", id
        if now is None:
            return "ENOENT", None
        r, entry = yield from self.raise_limits(id, Entry(id, since, now, now, now, False), now, False)
        if r and r != "EALREADY":
            yield "unlock", id
        return r, entry

    def loan_end(self, id):
        yield "source_set_loan", id, False
        yield from self.journal_remove(id)
        yield "unlock", id

    def loan_raise_further(self, id, entry):
        entry, now = yield from self.read_loan(id, entry)
        if entry is None:
            return "ECANCELED", None
        return (yield from self.raise_limits(id, entry, now, True))

    def loan_is_in_force(self, id, entry):
        entry, now = yield from self.read_loan(id, entry)
        if entry is None:
            return False
        return self.loan_limit_bytes(now) > self.loan_limit_bytes(entry.before)

    def loan_limit_bytes(self, limits):
        return min(limits) if self.version == 1 else limits[0]

    def loan_raise_again(self, id, entry):
        entry, now = yield from self.read_loan(id, entry)
        if entry:
            yield from self.put_in_force(id, entry)

    def write_high(self, id, entry, now, high):
        """The entry that is in force then."""
        entry = entry._replace(last=now, raised=(entry.raised[0], high))
        if (yield from self.journal_write(id, entry)):
            return None
        r = yield from self.cgroup_limits_change(id, now, (now[0], high))
        return None if r else entry

    def loan_lift_high(self, id, entry):
        entry, now = yield from self.read_loan(id, entry)
        if entry and entry.raised[1] != NONE and entry.raised[1] == entry.before[1]:
            return (yield from self.write_high(id, entry, now, NONE))
        return None

    def loan_brake(self, id, entry):
        entry, now = yield from self.read_loan(id, entry)
        if entry and entry.raised[1] == NONE:
            return (yield from self.write_high(id, entry, now, entry.raised[0] - 1))
        return None

    def loan_put_back(self, id, entry):
        while True:
            now = yield "cgroup_limits_read", id
            if now is None:
                return "ENOENT"
            to, _ = self.journal_take_back(entry, now)
            r = yield from self.cgroup_limits_change(id, now, to)
            if r != "EAGAIN":
                return r

    def loan_step_down(self, id, entry):
        """The entry that is in force then."""
        now = yield "cgroup_limits_read", id
        if now is None or not self.journal_take_back(entry, now)[1]:
            return entry
        used, _ = yield "cgroup_usage_read", id
        to = max(entry.before[0], used + 1)
        by = now[0] - to if to + 1 <= now[0] else 0
        if not by:
            return entry
        raised = (now[0] - by, max(now[1] - by, entry.before[1]) if self.version == 1 else now[1])
        entry = entry._replace(last=now, raised=raised)
        if (yield from self.journal_write(id, entry)):
            return entry
        yield from self.cgroup_limits_change(id, now, raised)
        return entry

    # --- airbag.c --------------------------------------------------------------------------------

    def raise_bag(self, id, since):
        bag = yield "bag", id
        if bag.state == "GOING_BACK":
            yield from self.loan_raise_again(id, bag.entry)
            bag = bag._replace(state="RAISED")
            yield "set_bag", bag
        if bag.state == "RAISED":
            if bag.is_owed or self.loan_limit_bytes(bag.entry.raised) - \
                    self.loan_limit_bytes(bag.entry.before) + ADD > MOST:
                return "ENOMEM"
            r, entry = yield from self.loan_raise_further(id, bag.entry)
            if entry:
                bag = bag._replace(entry=entry)
                yield "set_bag", bag
        else:
            r, entry = yield from self.loan_raise(id, since)
            if r == "EALREADY":
                yield from self.payback_keep(id, entry)
        if not r:
            yield "set_bag", bag._replace(state="RAISED", entry=entry)
        return r

    def lend(self, path, since):
        for id in path:
            r = yield from self.raise_bag(id, since)
            if r:
                return r
        return 0

    def airbag_lend(self, path, since):
        yield ("mutex_lock",)
        r = "EALREADY"
        while r == "EALREADY":
            r = yield from self.lend(path, since)
        yield ("mutex_unlock",)

    def hold_bag(self, id):
        bag = yield "bag", id
        if bag.state == "READY":
            return
        if bag.state == "GOING_BACK":
            yield from self.loan_raise_again(id, bag.entry)
        bag = bag._replace(state="RAISED", is_for_trip=True)
        yield "set_bag", bag
        if self.version == 2:
            entry = yield from self.loan_lift_high(id, bag.entry)
            if entry:
                yield "set_bag", bag._replace(entry=entry)

    def airbag_raise(self, path, since):
        """since 0: what is lent already is enough."""
        yield ("mutex_lock",)
        r = "EALREADY" if since else 0
        while r == "EALREADY":
            r = yield from self.lend(path, since)
        if not r:
            for id in path:
                yield from self.hold_bag(id)
        yield ("mutex_unlock",)

    def airbag_brake(self, id):
        yield ("mutex_lock",)
        bag = yield "bag", id
        if bag.state == "RAISED":
            entry = yield from self.loan_brake(id, bag.entry)
            if entry:
                yield "set_bag", bag._replace(entry=entry)
        yield ("mutex_unlock",)

    # --- payback.c -------------------------------------------------------------------------------

    def pay_back(self, id, entry):
        used = yield "cgroup_usage_read", id
        r = "EBUSY"
        if used is None or used[0] <= self.loan_limit_bytes(entry.before) or \
                not (yield from self.loan_is_in_force(id, entry)):
            r = yield from self.loan_put_back(id, entry)
        if r == "EBUSY":
            entry = yield from self.loan_step_down(id, entry)
        return r, entry

    def put_back_gently(self, id, entry):
        if self.version == 2 and (yield from self.loan_is_in_force(id, entry)):  # would_kill()
            used = yield "cgroup_usage_read", id
            if used and used[0] > entry.before[0]:
                return "EBUSY"
        return (yield from self.loan_put_back(id, entry))

    def put_back(self, id, has_time):
        """With the mutex."""
        bag = yield "bag", id
        entry, is_owed = bag.entry, bag.is_owed
        has_time = has_time and not bag.is_for_trip
        yield "set_bag", bag._replace(state="GOING_BACK")
        yield ("mutex_unlock",)
        if is_owed:
            r, entry = yield from self.pay_back(id, entry)
        elif has_time:
            r = yield from self.put_back_gently(id, entry)
        else:
            r = yield from self.loan_put_back(id, entry)
        yield ("mutex_lock",)
        bag = yield "bag", id
        if is_owed:
            bag = bag._replace(entry=bag.entry._replace(raised=entry.raised, last=entry.last))
        if bag.state == "RAISED":  # LENDING_RENEWED
            yield from self.loan_raise_again(id, bag.entry)
            yield "set_bag", bag
        elif r in (0, "ENOENT"):  # LENDING_ENDED
            yield from self.loan_end(id)
            yield "set_bag", Bag(id, "READY", None, False, False)
        else:  # LENDING_REFUSED
            yield "set_bag", bag._replace(state="RAISED", is_owed=is_owed or not has_time)

    def airbag_check(self, id, has_time):
        """Of one raised limit, whose time is over, or that is clear of need, or that is not in force."""
        yield ("mutex_lock",)
        bag = yield "bag", id
        if bag.state == "RAISED":
            yield from self.put_back(id, has_time)
        yield ("mutex_unlock",)

    def payback_keep(self, id, entry):
        yield "set_bag", Bag(id, "RAISED", entry, True, False)

    def recover(self, id):
        bag = yield "bag", id
        if bag.state != "READY":
            return
        r = yield "flock", id
        if r == "ENOENT":
            yield "unlink", id
        if r:
            return  # somebody has the cgroup: what is on record stays for the next start
        entry = yield from self.journal_read(id)
        if not entry:
            yield from self.journal_remove(id)
            yield "unlock", id
            return
        yield "source_set_loan", id, True
        used = yield "cgroup_usage_read", id
        if used and used[0] > self.loan_limit_bytes(entry.before):  # look_at().is_passed
            yield from self.payback_keep(id, entry)
            return
        yield "set_bag", Bag(id, "RAISED", entry, False, False)
        yield from self.put_back(id, False)

    def payback_recover(self):
        yield ("mutex_lock",)
        for id in (yield ("readdir",)):
            yield from self.recover(id)
        for id in (yield ("cgroup_walk",)):
            yield from self.recover(id)
        yield ("mutex_unlock",)
        yield ("is_started",)
