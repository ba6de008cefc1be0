"""Every way in which calls on a disk are made to fail.

A case: which calls, what they answer, from which one on, for how long, and how the
daemon is stopped afterwards. Which numbers there are follows from counting the
calls of a session in which nothing fails.
"""

import dataclasses
import errno
import random

from failing_disk import CHANGES, CLASSES, FOR_EVER

# What calls of a class answer: an error's name, or an effect of plan.h. After "done"
# comes the error with which a call that did what it was asked to says that it failed.
_ANSWERS = {
    "write": ("EIO", "ENOSPC", "EDQUOT", "EFBIG", "short", "done EIO"),
    "sync": ("EIO", "ENOSPC", "EDQUOT", "done EIO", "lost EIO"),
    "sync_range": ("EIO",),
    "rename": ("EIO", "ENOSPC", "EDQUOT", "done EIO"),
    "link": ("EIO", "ENOSPC", "EDQUOT", "EMLINK", "done EIO"),
    "unlink": ("EIO", "done EIO"),
    "truncate": ("EIO", "ENOSPC", "EFBIG", "done EIO"),
    "allocate": ("EIO", "ENOSPC", "EDQUOT", "EFBIG"),
    "create": ("EIO", "ENOSPC", "EDQUOT", "EMFILE", "ENFILE", "done EIO"),
    "open": ("EIO", "EMFILE", "ENFILE"),
    "mkdir": ("EIO", "ENOSPC", "EDQUOT", "done EIO"),
    "read": ("EIO", "short"),
    "close": ("EIO", "ENOSPC", "EDQUOT"),
    "stat": ("EIO",),
    "list": ("EIO",),
    "lock": ("EIO", "ENOLCK"),
}
# Several classes at once: a disk that has become read-only, or full, or is gone.
_DISKS = {
    "read-only": (CHANGES, ("EROFS",)),
    "full": (("write", "rename", "link", "truncate", "allocate", "create", "mkdir"),
             ("ENOSPC",)),
    "failing": (CHANGES, ("EIO",)),
    "out of descriptors": (("create", "open", "list"), ("EMFILE",)),
    "gone": (CLASSES, ("EIO",)),
}
_DISK_STEP = 5
# Calls that fail: one, a few in a row, all until the work is done, all until the end.
DURATIONS = {"once": 1, "a few": 6, "until healed": FOR_EVER, "for ever": FOR_EVER}
STOPS = ("term", "kill")


@dataclasses.dataclass(frozen=True)
class Case:
    name: str  # of a class, or of _DISKS
    answer: str
    skip: int
    duration: str
    stop: str

    @property
    def classes(self):
        return _DISKS[self.name][0] if self.name in _DISKS else (self.name,)

    @property
    def effect(self):
        word = self.answer.split()[0]
        return word if word in ("short", "done", "lost") else "nothing"

    @property
    def error(self):
        word = self.answer.split()[-1]
        return 0 if word == "short" else getattr(errno, word)

    @property
    def count(self):
        return DURATIONS[self.duration]

    @property
    def reads_fail(self):
        """Whether calls may be among those that fail that reading needs."""
        return not set(self.classes) <= {*CHANGES, "sync_range", "lock"}

    def __str__(self):
        return (f"{self.name} {self.answer} from call {self.skip} on, {self.duration}, "
                f"then {self.stop}")


def all_cases(calls, seed):
    """Every case, in an order that the seed chooses; `calls`: how many there are of each
    class. Each case is stopped in one of both ways, which the seed chooses too."""
    generator = random.Random(seed)
    # Threads make the numbers differ a little from one session to the next.
    numbers = {name: count + count // 16 + 1 for name, count in calls.items() if count > 0}
    cases = []

    def add(name, answers, numbers, durations):
        for answer in answers:
            for skip in numbers:
                for duration in durations:
                    # All calls short is a slow disk, which need not be healed.
                    if answer == "short" and duration != "once" and duration != "for ever":
                        continue
                    cases.append(Case(name, answer, skip, duration, generator.choice(STOPS)))

    for name, number in numbers.items():
        add(name, _ANSWERS[name], range(number), DURATIONS)
    for name, (classes, answers) in _DISKS.items():
        total = sum(numbers.get(one, 0) for one in classes)
        # A disk fails at a moment rather than at a call.
        add(name, answers, range(0, total, _DISK_STEP), [d for d in DURATIONS if d != "once"])
    generator.shuffle(cases)
    return cases
