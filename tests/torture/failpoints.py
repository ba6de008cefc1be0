"""Each failpoint with each action, then at later hits chosen by the seed."""

import concurrent.futures
import random
import sys
import time

import failpoint_cases
import failpoint_lab

THREADS = 3
MAX_HIT = 40


def cases_of(seed):
    """Endless: all points with all actions in random order, then random hits."""
    generator = random.Random(seed)
    points = failpoint_cases.names_in_table()
    first = [(point, action) for point in points for action in failpoint_lab.ACTIONS]
    generator.shuffle(first)
    yield from first
    while True:
        action = generator.choice(("crash", "1*error(INTERNAL)", "1*error(UNAVAILABLE)",
                                   "1*error(RESOURCE_EXHAUSTED)", "1*delay(100)"))
        yield generator.choice(points), f"{action}@{generator.randrange(2, MAX_HIT)}"


def run(context):
    lab = failpoint_lab.Lab(context.bin_dir, context.directory / "lab")
    end = time.monotonic() + context.seconds
    tried = {action: 0 for action in ("crash", "error", "delay")}
    found = dict.fromkeys(tried, 0)
    waiting = set()

    def note(done):
        for case in done:
            point, action, reached, problems = case.result()
            kind = next(kind for kind in tried if kind in action)
            tried[kind] += reached
            found[kind] += bool(problems)
            for problem in problems:
                print(problem, file=sys.stderr, flush=True)

    def run_case(point, action):
        reached, problems = lab.run(point, action)
        return point, action, reached, problems

    with concurrent.futures.ThreadPoolExecutor(THREADS) as threads:
        for point, action in cases_of(context.seed):
            if time.monotonic() > end:
                break
            if len(waiting) >= 2 * THREADS:
                done, waiting = concurrent.futures.wait(
                    waiting, return_when=concurrent.futures.FIRST_COMPLETED)
                note(done)
            waiting.add(threads.submit(run_case, point, action))
        note(concurrent.futures.wait(waiting).done)
    return [(f"failpoints reached: {kind}", tried[kind], found[kind]) for kind in tried]
