"""What one architecture gave in one engine and format, and whether it had to."""

import dataclasses
import json

RIGHT, WRONG, NONE, ABSENT = "right", "wrong", "no INT8", "cannot be tried"


@dataclasses.dataclass
class Outcome:
    engine: str
    name: str
    format: str
    result: str
    detail: str = ""
    share: float | None = None
    to_reference: float | None = None
    to_original: float | None = None
    expected: bool = True
    seconds: float = 0.0

    def print(self):
        mark = "" if self.expected else "NOT AS EXPECTED: "
        print(f"{self.name:28} {self.format:18} {mark}{self.result} {self.detail[:150]}",
              flush=True)

    def write(self, stream):
        stream.write(json.dumps(dataclasses.asdict(self)) + "\n")
        stream.flush()


def judge(outcome, no_int8, upstream):
    """Compares the result with what the table of architectures says."""
    if outcome.result == ABSENT:
        outcome.expected = True
    elif no_int8 is not None:
        outcome.expected = outcome.result == NONE
        if not outcome.expected:
            outcome.detail = f"no INT8 was expected ({no_int8}); {outcome.detail}"
    elif upstream is not None:
        outcome.expected = outcome.result == WRONG
        outcome.detail = (f"as expected: {upstream}" if outcome.expected else
                          f"better than expected ({upstream}): take that out of the table")
    else:
        outcome.expected = outcome.result == RIGHT
    return outcome


def read(path):
    with open(path, encoding="utf-8") as stream:
        return [Outcome(**json.loads(line)) for line in stream]
