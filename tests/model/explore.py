# SPDX-License-Identifier: BSD-2-Clause
"""
Explicit-state breadth-first search: every state that a model can reach, each once, and the shortest way
to one that breaks an invariant.

The threads of a model are Python generators that read like the code they stand for. They yield an
operation, ("name", argument, ...), wherever the code makes a system call that others can see, and get its
result; between two of them anything else may happen, SIGKILL included. A generator can neither be hashed
nor copied, so a thread is kept as its procedure and the results it has had so far: that is what decides
what it does next.
"""
from collections import namedtuple

Thread = namedtuple("Thread", "procedure arguments results")
Next = namedtuple("Next", "operation where")  # operation None: the procedure has ended


class Violation(Exception):
    """An invariant does not hold."""


def stack_of(generator):
    """The names of the functions that a generator is in, from the outermost."""
    names = []
    while generator is not None:
        names.append(generator.gi_code.co_name)
        generator = generator.gi_yieldfrom
    return " > ".join(names)


class Programs:
    """What threads do next. Each way through a procedure is run once and remembered."""

    def __init__(self, model):
        self.model = model
        self.known = {}

    def next(self, thread):
        found = self.known.get(thread)
        if found is None:
            found = self.known[thread] = self.replay(thread)
        return found

    def replay(self, thread):
        generator = getattr(self.model, thread.procedure)(*thread.arguments)
        try:
            operation = next(generator)
            for result in thread.results:
                operation = generator.send(result)
        except StopIteration:
            return Next(None, "")
        return Next(operation, stack_of(generator))


def explore(model, most_states=5_000_000):
    """
    The number of states, and None or (what is wrong, the steps that lead there, in words).

    A model has begin() -> state and steps(state) -> [(step, state or Violation)]; check(state), which
    raises Violation; representative(state) -> (state, is_swapped), where states that differ in the names
    of two instances alone are the same; and words(step, is_swapped). States can be hashed.
    """
    first = model.begin()
    came_from = {first: None}
    frontier = [first]

    def trace(state, last=None):
        steps = [(last, False)] if last else []
        while came_from[state]:
            step, state, is_swapped = came_from[state]
            steps.append((step, is_swapped))
        words, are_swapped = [], False
        for step, is_swapped in steps[::-1]:
            words.append(model.words(step, are_swapped))
            are_swapped ^= is_swapped
        return words

    while frontier:
        reached = []
        for state in frontier:
            for step, after in model.steps(state):
                if isinstance(after, Violation):
                    return len(came_from), (str(after), trace(state, step))
                after, is_swapped = model.representative(after)
                if after in came_from:
                    continue
                came_from[after] = (step, state, is_swapped)
                reached.append(after)
                try:
                    model.check(after)
                except Violation as violation:
                    return len(came_from), (str(violation), trace(after))
        if len(came_from) > most_states:
            raise RuntimeError(f"more than {most_states} states")
        frontier = reached
    return len(came_from), None
