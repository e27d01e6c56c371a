"""What the programs of this folder have in common: options, figures, processes on processors of their own.

Each program measures one subject, and runs its contenders in turn, round after round, so that what disturbs the
machine disturbs all of them. It prints `name value unit`: the medians of the rounds. The last part of a name is the
contender. A sample during which other programs used the processors is taken again.
"""

from __future__ import annotations

import argparse
import mmap
import multiprocessing
import os
import statistics
import tempfile
import time
import timeit
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import Any

now = time.perf_counter_ns

#: Name, value, unit.
Line = tuple[str, float, str]
#: What names the figures of a sample begin with, and what takes one.
Contender = tuple[str, Callable[[], list[Line]]]

#: Children inherit nothing: a library that was loaded, and a thread that ran, are theirs alone.
SPAWN = multiprocessing.get_context("spawn")
#: How much of a processor others may use during a sample, and how often it is taken again if they use more.
QUIET, RETAKES = 0.1, 4
#: How long a pair of processes may take, and how much longer the first than the second.
LIMIT_S, SETTLING_S = 60, 1


def options(about: str | None, rounds: int) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds, help="samples of each contender")
    parser.add_argument("--only", default="", help="parts of the names of those that are wanted, with commas between")
    parser.add_argument("--quick", action="store_true", help="only show that everything runs")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.rounds = 1
    return chosen


def compare(chosen: argparse.Namespace, contenders: Iterable[Contender]) -> None:
    """Runs all contenders that are wanted in turn, and prints medians. One that fails does not end the comparison."""
    wanted = [one for one in contenders if any(part in one[0] for part in chosen.only.split(","))]
    figures: dict[tuple[str, str], list[float]] = {}
    disturbed: dict[str, int] = {}
    failures: dict[str, Exception] = {}
    for _ in range(chosen.rounds):
        for title, take in wanted:
            try:
                lines, is_quiet = quiet_sample(take, 0 if chosen.quick else RETAKES)
            except Exception as error:
                failures[title] = error
                continue
            disturbed[title] = disturbed.get(title, 0) + (not is_quiet)
            for name, value, unit in lines:
                figures.setdefault((name, unit), []).append(value)
    for (name, unit), values in figures.items():
        print(f"{name} {statistics.median(values):.4g} {unit}")
    for title, times in disturbed.items():
        if times and not chosen.quick:
            print(f"# {title}: others used the processors in {times} of {chosen.rounds} rounds")
    for title, error in failures.items():
        print(f"# {title} failed: {error}")
    if failures:
        raise SystemExit(f"{len(failures)} contenders failed")


def quiet_sample(take: Callable[[], list[Line]], retakes: int) -> tuple[list[Line], bool]:
    """The sample that others disturbed least, and whether that was little enough."""
    samples: list[tuple[float, list[Line]]] = []
    for retake in range(retakes + 1):
        if retake:
            time.sleep(0.05 * 2**retake)
        busy, own, start = busy_s(), own_s(), now()
        lines = take()
        others = (busy_s() - busy - (own_s() - own)) / ((now() - start) / 1e9)
        samples.append((others, lines))
        if others <= QUIET:
            break
    others, lines = min(samples, key=lambda sample: sample[0])
    return lines, others <= QUIET


def busy_s() -> float:
    """Seconds for which processors were busy, or taken away by a host, since the machine started."""
    with open("/proc/stat") as stat:
        user, nice, system, _idle, _waits, hard, soft, stolen = map(int, stat.readline().split()[1:9])
    return (user + nice + system + hard + soft + stolen) / os.sysconf("SC_CLK_TCK")


def own_s() -> float:
    """Seconds of processor time of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def run_on(which: int) -> None:
    """Keeps this process, and the threads it starts, on the first or the second of the processors that it may use."""
    processors = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {processors[which % len(processors)]})


@contextmanager
def folder() -> Iterator[str]:
    """A fresh folder in memory."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="compare-") as path:
        yield path


def shared_words(place: str) -> mmap.mmap:
    """Two pages that processes with this folder share: NumPy's arrays and counters are laid over them."""
    file = os.open(os.path.join(place, "words"), os.O_RDWR | os.O_CREAT, 0o600)
    os.ftruncate(file, 2 * mmap.PAGESIZE)
    shared = mmap.mmap(file, 0)
    os.close(file)
    return shared


def percentile(values: list[float], percent: int) -> float:
    """The value that so many percent are not greater than."""
    return sorted(values)[(len(values) - 1) * percent // 100]


def per_call_ns(statement: str, names: dict[str, Any], seconds: float) -> float:
    """Nanoseconds that a statement takes: the median of many short loops, the loop itself taken off."""

    def loop_ns(code: str, number: int, seconds: float) -> float:
        timer, times, end = timeit.Timer(code, globals=names), [], time.monotonic() + seconds
        while len(times) < 3 or time.monotonic() < end:
            times.append(timer.timeit(number) / number * 1e9)
        return statistics.median(times)

    number = max(1, round(500_000 / max(1, loop_ns(statement, 20, 0))))
    return loop_ns(statement, number, seconds) - loop_ns("pass", number, seconds / 20)


Role = Callable[..., Any]


def play(first: Role, second: Role, *arguments: Any) -> Any:
    """Plays two roles, each in a process and on a processor of its own; returns what the first one returns.

    Beside its arguments each gets `meet`, which waits until the other one is so far, too.
    """
    ours, theirs = SPAWN.Pipe(duplex=False)
    barrier = SPAWN.Barrier(2)
    children = [
        SPAWN.Process(target=perform, args=(which, role, end, barrier, arguments))
        for which, (role, end) in enumerate([(first, theirs), (second, None)])
    ]
    try:
        for child in children:
            child.start()
        theirs.close()
        # If the second has failed, the first may wait for ever.
        if ours not in wait([ours, children[1].sentinel], LIMIT_S) and not ours.poll(SETTLING_S):
            message = f"the second process has failed, or it was not done in {LIMIT_S} seconds"
            raise RuntimeError(f"{arguments[0]}: {message}")
        try:
            told = ours.recv()
        except EOFError:
            raise RuntimeError(f"{arguments[0]}: the first process has failed") from None
        for child in children:
            child.join(10)
        return told
    finally:
        for child in children:
            if child.is_alive():
                child.kill()
            child.join()


def perform(which: int, role: Role, end: Any, barrier: Any, arguments: tuple[Any, ...]) -> None:
    """A child: plays its role."""
    run_on(which)

    def meet() -> None:
        barrier.wait(10)
        # So that whoever was just found is known to all.
        time.sleep(0.05)

    told = role(meet, *arguments)
    if end is not None:
        end.send(told)
