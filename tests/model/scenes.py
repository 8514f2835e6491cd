# SPDX-License-Identifier: BSD-2-Clause
"""
What is looked at: together more than any of them could hold. The numbers are how often each may happen;
between them, in any order, at any step.
"""
from world import Scene

ONE, TWO = (0, 0), (0, 1)  # the runtime directories of two instances

SCENES = (
    Scene("engine and responder, v1", version=1, threads=2, loans=2, kills=1, foreign=1),
    Scene("engine and responder, v2", version=2, threads=2, loans=2, kills=1),
    Scene("engine and responder, one loan, v2", version=2, threads=2, loans=1, kills=1, foreign=1),
    Scene("engine and responder, what fails, v1", version=1, threads=2, loans=2, kills=1, failures=1),
    Scene("memory in use, v1", version=1, loans=2, kills=1, foreign=1, usages=2),
    Scene("memory in use, v2", version=2, loans=2, kills=1, foreign=1, usages=2),
    Scene("what fails, v1", version=1, loans=2, kills=1, foreign=1, failures=1),
    Scene("one above the other, v1", version=1, nested=True, loans=2, kills=1, foreign=1),
    Scene("one above the other, v2", version=2, nested=True, loans=1, kills=2, foreign=1),
    Scene("one directory, no marks, v1", version=1, directories=ONE, marks=False, loans=2, kills=1,
          foreign=1),
    Scene("one directory, no marks, two killed, v1", version=1, directories=ONE, marks=False, loans=2,
          kills=2, usages=1),
    Scene("one directory, one that marks, v1", version=1, directories=ONE, marks=(True, False), loans=2,
          kills=2),
    Scene("one directory, v2", version=2, directories=ONE, loans=1, kills=2, foreign=1),
    Scene("two directories, v1", version=1, directories=TWO, loans=2, kills=1, foreign=1),
    Scene("two directories, two killed, v1", version=1, directories=TWO, loans=2, kills=2, usages=1),
    Scene("two directories, v2", version=2, directories=TWO, loans=1, kills=2, foreign=1),
    Scene("made anew, no marks, v1", version=1, directories=ONE, marks=False, loans=2, kills=1,
          remakes=1),
    Scene("made anew, v1", version=1, directories=TWO, loans=2, kills=1, remakes=1),
)
