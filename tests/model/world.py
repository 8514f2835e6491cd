# SPDX-License-Identifier: BSD-2-Clause
"""
What is around the code of the loan: limit files, attributes and locks of cgroups, runtime directories,
memory that comes and goes, operators who write limits, SIGKILL and the next start. And what must hold of
all that in every state.

A limit is two numbers, as the files have it: v1 memory and memory with swap, v2 memory.max and
memory.high. They are small, as only their order and equality matter.
"""
from collections import namedtuple

from explore import Programs, Thread, Violation

NONE = 99  # no memory.high
CUT_SHORT = "cut short"  # a record that is created and not written yet
NAMES = "AB"

# id: of one cgroup; of the next that has its path, 10 more. owner: what its owner has set last. mark: the
# extended attribute. lock: the instance that holds it. loan: the record that is in force, whether anybody
# can read it or not: what its values stand for cannot be told from what somebody else sets.
Cgroup = namedtuple("Cgroup", "id limits owner usage mark lock loan")
Entry = namedtuple("Entry", "id since before raised last is_marked")
Bag = namedtuple("Bag", "id state entry is_for_trip is_owed")
Instance = namedtuple("Instance", "lives started bags told threads mutex")
# How often each may happen.
Budget = namedtuple("Budget", "loans kills foreign usages remakes failures")
State = namedtuple("State", "cgroups directories instances budget")

DEAD = Instance(False, False, (), (), (None, None), None)
# usage: of memory, and with swap. v1 refuses a limit below that.
FALLEN, IN_USE, SWAPPED = (1, 1), (5, 5), (1, 5)
MOST = 4  # a limit is raised by so much at most
ADD = 2  # one loan


class Blocked(Exception):
    """The mutex is held by the other thread; or it is not looked at what comes of this step."""


class World:
    """A state that is being changed."""

    def __init__(self, state):
        self.cgroups = list(state.cgroups)
        self.directories = list(state.directories)
        self.instances = list(state.instances)
        self.budget = state.budget

    def state(self):
        return State(tuple(self.cgroups), tuple(self.directories), tuple(self.instances),
                     self.budget)

    def cgroup(self, id):
        """None: it was removed."""
        cgroup = self.cgroups[id % 10]
        return cgroup if cgroup.id == id else None

    def change_cgroup(self, id, **changes):
        self.cgroups[id % 10] = self.cgroups[id % 10]._replace(**changes)

    def change_instance(self, me, **changes):
        self.instances[me] = self.instances[me]._replace(**changes)

    def spend(self, what):
        self.budget = self.budget._replace(**{what: getattr(self.budget, what) - 1})

    def records(self, directory):
        return dict(self.directories[directory])

    def set_record(self, directory, id, record):
        records = self.records(directory)
        records[id] = record
        if record is None:
            del records[id]
        self.directories[directory] = tuple(sorted(records.items()))


class Scene:
    """Which instances there are, on which cgroup version, and what may happen to them."""

    def __init__(self, name, version=1, directories=(0,), marks=True, threads=1, nested=False,
                 **budget):
        self.name = name
        self.version = version
        self.directories = directories  # the runtime directory of each instance
        self.marks = (marks,) * len(directories) if marks in (True, False) else marks  # who has CAP_SYS_ADMIN
        self.threads = threads  # 2: engine and responder; 1: they take turns
        self.cgroups = 2 if nested else 1  # 1 is above 0
        self.budget = Budget(**{**dict.fromkeys(Budget._fields, 0), **budget})
        # memory.high of the owner's is below the limit: it is lifted
        self.limits = (4, 4) if version == 1 else (4, 3)
        self.foreign = ((3, 4, 5, 6), (4, 5, 6, 10)) if version == 1 else ((3, 4, 6), (2, NONE))
        if version == 2 and threads == 2:
            self.foreign = ((3, 4, 6), ())  # memory.high: see docs/lending.md, "Known gaps"


class Surroundings:
    """The model but for the code of the instances, which is a class derived from it: loan.py."""

    def __init__(self, scene):
        self.scene = scene
        self.version = scene.version
        self.programs = Programs(self)
        self.settled = set()

    def begin(self):
        scene = self.scene
        cgroups = tuple(self.new_cgroup(id) for id in range(scene.cgroups))
        return State(cgroups, ((),) * (max(scene.directories) + 1),
                     (DEAD,) * len(scene.directories), scene.budget)

    def new_cgroup(self, id):
        return Cgroup(id, self.scene.limits, self.scene.limits, FALLEN, None, None, None)

    # --- system calls and maps, each one step. me: the instance ---------------------------------

    def op_flock(self, w, me, id):
        """Of a directory that is opened, or open already."""
        cgroup = w.cgroup(id)
        if cgroup is None:
            return "ENOENT"
        if cgroup.lock not in (None, me):
            return "EEXIST"
        w.change_cgroup(id, lock=me)
        return 0

    def op_unlock(self, w, me, id):
        cgroup = w.cgroup(id)
        if cgroup and cgroup.lock == me:
            w.change_cgroup(id, lock=None)

    def op_cgroup_limits_read(self, w, me, id):
        cgroup = w.cgroup(id)
        return cgroup and cgroup.limits

    def op_cgroup_usage_read(self, w, me, id):
        cgroup = w.cgroup(id)
        return cgroup and cgroup.usage

    def op_write_limit(self, w, me, id, which, expected, to):
        """A file, read right before it is written. Nobody can write between both, see docs/lending.md."""
        cgroup = w.cgroup(id)
        if cgroup is None:
            return "ENOENT"
        if expected is not None and cgroup.limits[which] != expected:
            return "EAGAIN"
        limits = list(cgroup.limits)
        limits[which] = to
        if self.version == 1:
            if limits[0] > limits[1]:
                return "EINVAL"
            if to < cgroup.limits[which] and to < cgroup.usage[which]:
                return "EBUSY"
        for other, instance in enumerate(w.instances):
            if other != me and any(bag.id == id for bag in instance.bags):
                raise Violation("what another living instance has lent was changed")
        if to > cgroup.limits[which] and id not in w.instances[me].told:
            raise Violation("raised before the kernel side knows of it")
        w.change_cgroup(id, limits=tuple(limits))
        return 0

    def op_fsetxattr(self, w, me, id, entry):
        cgroup = w.cgroup(id)
        if cgroup is None:
            return False
        for now, raised, last, before in zip(cgroup.limits, entry.raised, entry.last, entry.before):
            if now == raised and now not in (last, before):
                raise Blocked  # set by somebody since it was read, as in is_foreign_write()
        values = {entry.raised, entry.last}
        if cgroup.loan and cgroup.loan[0] == entry.since:
            values.update(cgroup.loan[1])
        w.change_cgroup(id, loan=(entry.since, tuple(sorted(values)), entry.before))
        if not self.scene.marks[me]:
            return False
        w.change_cgroup(id, mark=entry._replace(is_marked=True))
        return True

    def op_fgetxattr(self, w, me, id):
        cgroup = w.cgroup(id)
        return cgroup and self.scene.marks[me] and cgroup.mark or None

    def op_sees_marks(self, w, me, id):
        return self.scene.marks[me]

    def op_fremovexattr(self, w, me, id):
        if w.cgroup(id) and self.scene.marks[me]:
            w.change_cgroup(id, mark=None, loan=None)

    def op_openat(self, w, me, id):
        directory = self.scene.directories[me]
        if id not in w.records(directory):
            w.set_record(directory, id, CUT_SHORT)
        return 0

    def op_write(self, w, me, id, entry):
        """Into a file that was opened: it may be unlinked meanwhile."""
        directory = self.scene.directories[me]
        if id in w.records(directory):
            w.set_record(directory, id, entry)
        return 0

    def op_read(self, w, me, id):
        return w.records(self.scene.directories[me]).get(id)

    def op_unlink(self, w, me, id):
        directory = self.scene.directories[me]
        if id in w.records(directory):
            w.set_record(directory, id, None)
            if w.cgroup(id) and not self.scene.marks[me]:
                w.change_cgroup(id, loan=None)

    def op_readdir(self, w, me):
        return tuple(sorted(w.records(self.scene.directories[me])))

    def op_cgroup_walk(self, w, me):
        return tuple(cgroup.id for cgroup in w.cgroups if cgroup.mark and self.scene.marks[me])

    # --- memory of the instance itself: no step of its own, nobody else sees it -------------------

    def op_source_set_loan(self, w, me, id, is_raised):
        told = set(w.instances[me].told) - {id}
        cgroup = w.cgroup(id)
        if is_raised:
            told.add(id)
        elif cgroup and cgroup.limits[0] > cgroup.owner[0]:
            raise Violation("the kernel side takes a raised limit for the limit")
        w.change_instance(me, told=tuple(sorted(told)))
        return 0

    def op_bag(self, w, me, id):
        for bag in w.instances[me].bags:
            if bag.id == id:
                return bag
        return Bag(id, "READY", None, False, False)

    def op_set_bag(self, w, me, bag):
        others = [other for other in w.instances[me].bags if other.id != bag.id]
        if bag.state != "READY":
            others.append(bag)
        w.change_instance(me, bags=tuple(sorted(others)))

    def op_mutex_lock(self, w, me):
        if w.instances[me].mutex:
            raise Blocked
        w.change_instance(me, mutex=True)

    def op_mutex_unlock(self, w, me):
        w.change_instance(me, mutex=None)

    def op_is_started(self, w, me):
        w.change_instance(me, started=True)

    def is_local(self, w, me, operation):
        """
        Nobody else sees it, or can do anything to it: so it is no step of its own. What is on record is read
        with the lock, and nobody writes it without.
        """
        name = operation[0]
        if name == "mutex_lock":
            return self.scene.threads == 1
        if name == "source_set_loan":
            return not w.budget.failures
        if name in ("fgetxattr", "read"):
            cgroup = w.cgroup(operation[1])
            return cgroup and cgroup.lock == me
        if name == "openat":
            return not w.budget.failures and operation[1] in w.records(self.scene.directories[me])
        return name in ("bag", "set_bag", "sees_marks", "mutex_unlock", "is_started", "unlock")

    # --- what may happen in a state --------------------------------------------------------------

    def steps(self, state):
        for me, instance in enumerate(state.instances):
            if not instance.lives:
                yield self.start(state, me)
                continue
            if state.budget.kills:
                yield self.kill(state, me)
            for t in range(self.scene.threads):
                if instance.threads[t]:
                    yield from self.run(state, me, t)
                elif instance.started:
                    for procedure, arguments in self.begins(state, me, t):
                        yield from self.run_new(state, me, t, procedure, arguments)
        yield from self.surroundings(state)

    def start(self, state, me):
        w = World(state)
        w.change_instance(me, lives=True)
        self.set_thread(w, me, 0, Thread("payback_recover", (), ()))
        return (me, "starts"), w.state()

    def kill(self, state, me):
        w = World(state)
        w.spend("kills")
        w.instances[me] = DEAD
        for slot, cgroup in enumerate(w.cgroups):
            if cgroup.lock == me:
                w.cgroups[slot] = cgroup._replace(lock=None)
        return (me, "is killed"), w.state()

    def begins(self, state, me, t):
        """Procedures that a thread that has nothing to do may begin: (name, arguments)."""
        budget, bags = state.budget, state.instances[me].bags
        engine, responder = t == 0, t == self.scene.threads - 1
        path = tuple(cgroup.id for cgroup in state.cgroups)
        if engine:
            for bag in bags:
                if bag.state == "RAISED":
                    yield "airbag_check", (bag.id, True)
                    if not bag.is_for_trip:
                        yield "airbag_check", (bag.id, False)
        if responder and budget.loans:
            since = self.scene.budget.loans - budget.loans + 1
            yield "airbag_lend", (path, since)
            yield "airbag_raise", (path, since)
        if responder and any(bag.id in path for bag in bags):
            yield "airbag_raise", (path, 0)
            if self.version == 2:
                yield "airbag_brake", (path[0],)

    def run_new(self, state, me, t, procedure, arguments):
        w = World(state)
        if procedure in ("airbag_lend", "airbag_raise") and arguments[1]:
            w.spend("loans")
        self.set_thread(w, me, t, Thread(procedure, arguments, ()))
        if w.instances[me].threads[t]:
            yield from self.run(w.state(), me, t)

    def run(self, state, me, t):
        """The next operation of a thread, and what it does by itself after that."""
        thread = state.instances[me].threads[t]
        operation, where = self.programs.next(thread)
        for fails in (False, True):
            if fails and not self.may_fail(state, operation):
                break
            w = World(state)
            try:
                if fails:
                    w.spend("failures")
                    result = "ENOSPC"
                else:
                    result = getattr(self, "op_" + operation[0])(w, me, *operation[1:])
                self.set_thread(w, me, t, thread._replace(results=thread.results + (result,)))
                yield (me, t, where, operation, result), w.state()
            except Blocked:
                return
            except Violation as violation:
                yield (me, t, where, operation, "..."), violation

    def may_fail(self, state, operation):
        return state.budget.failures and operation[0] in ("openat", "source_set_loan")

    def set_thread(self, w, me, t, thread):
        """And runs it to where others can see what it does."""
        while True:
            operation, _ = self.programs.next(thread)
            if operation is None:
                thread = None
            if operation is None or not self.is_local(w, me, operation):
                break
            result = getattr(self, "op_" + operation[0])(w, me, *operation[1:])
            thread = thread._replace(results=thread.results + (result,))
        threads = list(w.instances[me].threads)
        threads[t] = thread
        w.change_instance(me, threads=tuple(threads))

    def surroundings(self, state):
        for slot, cgroup in enumerate(state.cgroups):
            if state.budget.usages:
                for usage in (FALLEN, IN_USE, SWAPPED):
                    if usage == cgroup.usage or (self.version == 2 and usage == SWAPPED):
                        continue
                    w = World(state)
                    w.spend("usages")
                    w.cgroups[slot] = cgroup._replace(usage=usage)
                    yield (None, f"usage is {usage}"), w.state()
            if state.budget.foreign:
                for which in (0, 1):
                    for to in self.scene.foreign[which]:
                        if self.is_foreign_write(state, cgroup, which, to):
                            yield self.write_foreign(state, slot, which, to)
            if state.budget.remakes and slot == 0:
                w = World(state)
                w.spend("remakes")
                w.cgroups[slot] = self.new_cgroup(cgroup.id + 10)
                yield (None, "the cgroup is removed and made anew"), w.state()

    def is_foreign_write(self, state, cgroup, which, to):
        """
        Whether the kernel takes it, and a record in force does not name it: what is set to exactly the
        value that a limit is raised to at that moment cannot be told from the loan, and goes back with it.
        """
        limits = list(cgroup.limits)
        limits[which] = to
        if to == cgroup.limits[which] and to == cgroup.owner[which]:
            return False
        if self.version == 1 and (limits[0] > limits[1] or to < cgroup.usage[which]):
            return False
        if cgroup.loan is None:
            return True
        _, values, before = cgroup.loan
        return to == before[which] or all(to != limits[which] for limits in values)

    def write_foreign(self, state, slot, which, to):
        w = World(state)
        w.spend("foreign")
        limits, owner = list(w.cgroups[slot].limits), list(w.cgroups[slot].owner)
        limits[which] = owner[which] = to
        if self.version == 1:
            owner[1] = max(owner)  # who sets memory wants memory with swap to be as much
        w.cgroups[slot] = w.cgroups[slot]._replace(limits=tuple(limits), owner=tuple(owner))
        name = ("memory", "memsw" if self.version == 1 else "high")[which]
        return (None, f"somebody sets {name} to {to}"), w.state()

    # --- two instances that differ in nothing but their names -------------------------------------

    def representative(self, state):
        hashes = [hash(instance) for instance in state.instances]
        if len(hashes) == 1 or len(set(self.scene.marks)) == 2 or hashes[0] < hashes[1]:
            return state, False
        directories = state.directories
        if self.scene.directories == (0, 1):
            directories = directories[::-1]
        cgroups = tuple(cgroup if cgroup.lock is None else cgroup._replace(lock=1 - cgroup.lock)
                        for cgroup in state.cgroups)
        swapped = State(cgroups, directories, state.instances[::-1], state.budget)
        is_less = hashes[1] < hashes[0] or hash(swapped) < hash(state)
        return (swapped, True) if is_less else (state, False)

    def words(self, step, is_swapped):
        if step[0] is None:
            return step[1]
        who = NAMES[1 - step[0] if is_swapped else step[0]]
        if len(step) == 2:
            return f"{who} {step[1]}"
        _, t, where, operation, result = step
        thread = ("engine: ", "responder: ")[t] if self.scene.threads == 2 else ""
        arguments = ", ".join(map(show, operation[1:]))
        return f"{who}: {thread}{where} > {operation[0]}({arguments}) = {show(result)}"

    # --- what must hold --------------------------------------------------------------------------

    def check(self, state):
        for cgroup in state.cgroups:
            self.check_limits(state, cgroup)
        if all(not any(instance.threads) for instance in state.instances):
            self.check_quiet(state)

    def check_limits(self, state, cgroup):
        """Each limit is its owner's, or a record says how it comes to be that again."""
        limits, owner = cgroup.limits, cgroup.owner
        if limits == owner:
            return
        if limits[0] - owner[0] > MOST:
            raise Violation(f"{limits} is raised beyond the bound of {owner}")
        records = [record for directory in state.directories for id, record in directory
                   if id == cgroup.id and record != CUT_SHORT]
        if all(self.scene.marks):
            records = []  # a mark counts, and a file whose mark is gone does not
        if cgroup.mark:
            records.append(cgroup.mark)
        if not any(self.journal_take_back(record, limits)[0] == owner for record in records):
            raise Violation(f"the limits are {limits}, the owner has set {owner}, and no record leads "
                            "back there")

    def check_quiet(self, state):
        """
        Nobody is in the midst of anything. Would memory fall now, and whoever is dead start again, all
        limits would be back and nothing left.
        """
        w = World(state)
        w.budget = Budget(*(0,) * len(Budget._fields))
        w.cgroups = [cgroup._replace(usage=FALLEN) for cgroup in w.cgroups]
        if all(cgroup.limits == cgroup.owner for cgroup in state.cgroups):
            self.settle(state, True)  # nothing is raised: that ends though memory does not fall
        state = w.state()
        if state in self.settled:
            return
        self.settled.add(state)
        for state in self.settle(state):
            started = [me for me, instance in enumerate(state.instances) if not instance.lives]
            for me in started:
                _, state = self.start(state, me)
                state = self.finish(state, me, 0)
            for state in self.settle(state):
                self.check_settled(state, started)

    def settle(self, state, has_time=False):
        """All put back what they have lent."""
        for _ in range(8):
            bags = [(me, bag) for me, instance in enumerate(state.instances) for bag in instance.bags]
            if not bags:
                return [state]
            for me, bag in bags:
                w = World(state)
                self.set_thread(w, me, 0, Thread("airbag_check", (bag.id, has_time), ()))
                state = self.finish(w.state(), me, 0)
        raise Violation(f"a loan never ends: {bags[0][1]}")

    def finish(self, state, me, t):
        while state.instances[me].threads[t]:
            for _, state in self.run(state, me, t):
                if isinstance(state, Violation):
                    raise state
                break
        return state

    def check_settled(self, state, started):
        for cgroup in state.cgroups:
            if cgroup.limits != cgroup.owner:
                raise Violation(f"left at {cgroup.limits} for good, the owner has set {cgroup.owner}, "
                                "when memory has fallen and all have started again")
            if (cgroup.mark and all(self.scene.marks)) or cgroup.lock is not None:
                raise Violation(f"mark {cgroup.mark} or lock {cgroup.lock} is left")
        for me in started:
            if state.directories[self.scene.directories[me]]:
                raise Violation(f"a record is left where {NAMES[me]} has started: {state.directories}")


def show(value):
    if isinstance(value, Entry):
        return f"[before {value.before} raised {value.raised} last {value.last}]"
    return str(value)
