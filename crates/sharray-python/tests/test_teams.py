"""Teams: what the ranks tell each other, arrays that they step, and runs that a launcher starts and ends."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sharray

TIMEOUT = 20.0


def with_ranks(folder: Path, size: int, rank: Callable[[sharray.Team], Any]) -> list[Any]:
    """Every rank on a thread of its own; what each came to, or what it raised."""
    ends: list[Any] = [None] * size

    def run(index: int) -> None:
        try:
            with sharray.Team.join("sim", index, size, dir=folder) as team:
                ends[index] = rank(team)
                team.barrier(TIMEOUT)
        except BaseException as error:
            ends[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for end in ends:
        if isinstance(end, BaseException):
            raise end
    return ends


def test_collectives(folder: Path) -> None:
    """Every rank gets the same, and what NumPy makes of the ranks' arrays one after the other."""
    locals_ = [np.array([0.1 * rank, -rank]) for rank in range(3)]

    def rank(team: sharray.Team) -> Any:
        mine = locals_[team.rank]
        made = [team.sum(mine, TIMEOUT), team.min(mine, TIMEOUT), team.max(mine, TIMEOUT)]
        return [*made, team.gather(mine, TIMEOUT), team.broadcast(2, mine, TIMEOUT), team.sum(team.rank, TIMEOUT)]

    expected = [
        locals_[0] + locals_[1] + locals_[2],
        np.minimum.reduce(locals_),
        np.maximum.reduce(locals_),
        np.stack(locals_),
        locals_[2],
        np.int64(3),
    ]
    for end in with_ranks(folder, 3, rank):
        for found, wanted in zip(end, expected, strict=True):
            np.testing.assert_array_equal(found, wanted)
            assert type(found) is type(wanted)
        end[0][0] = 7.0  # the caller's own


def step(old: Any) -> Any:
    return old * 3 + np.roll(old, 1, axis=0)


def alone(steps: int) -> Any:
    state = np.arange(10)
    for _ in range(steps):
        state = step(state)
    return state


@pytest.mark.parametrize("size", range(1, 9))
def test_steps(folder: Path, size: int) -> None:
    """A team comes to what one program comes to, in each step, however many ranks it has."""

    def rank(team: sharray.Team) -> None:
        numbers = team.array("numbers", 10, "i8", data=lambda: np.arange(10), timeout=TIMEOUT)
        while team.step < 20:
            with team.block(numbers) as block:
                assert not block.old.flags.writeable
                block.new[:] = step(block.old)[block.rows]
            team.swap(TIMEOUT)
            with numbers.current.read() as state:
                np.testing.assert_array_equal(state, alone(team.step))

    with_ranks(folder, size, rank)


def test_a_block_that_is_not_finished(folder: Path) -> None:
    """An exception leaves the block poisoned, and the array cannot be swapped until it is written."""
    with sharray.Team.join("sim", 0, 1, dir=folder) as team:
        numbers = team.array("numbers", 4, data=1.0, timeout=TIMEOUT)
        with pytest.raises(ZeroDivisionError), team.block(numbers) as block:
            block.new[0] = 1 / 0
        with pytest.raises(sharray.InvalidArgument, match="not finished"):
            team.swap(TIMEOUT)
        with pytest.raises(sharray.Poisoned):
            sharray.attach("numbers/odd", dir=folder).snapshot()
        with team.block(numbers) as block:
            block.new[:] = 2.0
        team.swap(TIMEOUT)
        assert team.step == 1 and numbers.current.snapshot().tolist() == [2.0] * 4
        with pytest.raises(TypeError):
            block.old  # noqa: B018  # it is over


def test_a_block_that_is_taken_again(folder: Path) -> None:
    """It has to be finished again: swapped meanwhile, what is written would be the old array."""
    with sharray.Team.join("sim", 0, 1, dir=folder) as team:
        numbers = team.array("numbers", 4, timeout=TIMEOUT)
        with team.block(numbers) as block:
            block.new[:] = 1.0
        again = team.block(numbers)
        with pytest.raises(sharray.InvalidArgument, match="not finished"):
            team.swap(TIMEOUT)
        with again:
            again.new[:] = 2.0
        team.swap(TIMEOUT)
        assert numbers.current.snapshot().tolist() == [2.0] * 4


def test_a_block_is_asked_for_while_another_thread_swaps(folder: Path) -> None:
    """It waits for the swap, and does not keep the interpreter from it. In a process of its own, since two threads that
    wait for each other would never end."""
    text = """
        def swap(team, numbers):
            with team.block(numbers) as block:
                block.new[:] = 1.0
            team.swap(20)

        def other():
            with sharray.Team.join("sim", 1, 2, dir=folder) as team:
                numbers = team.array("numbers", 4, timeout=20)
                asked.wait()
                time.sleep(0.1)
                swap(team, numbers)

        asked = threading.Event()
        threading.Thread(target=other, daemon=True).start()
        team = sharray.Team.join("sim", 0, 2, dir=folder)
        numbers = team.array("numbers", 4, timeout=20)
        thread = threading.Thread(target=swap, args=(team, numbers), daemon=True)
        thread.start()
        time.sleep(0.1)
        asked.set()
        team.block(numbers)
        thread.join()
        assert team.step == 1
        """
    head = "import sys, threading, time\nimport sharray\nfolder = sys.argv[1]\n"
    words = [sys.executable, "-c", head + textwrap.dedent(text), str(folder)]
    subprocess.run(words, check=True, timeout=TIMEOUT)


def test_an_array_whose_contents_do_not_fit(folder: Path) -> None:
    """Nothing is left of it that would be in the way of the next attempt."""
    with sharray.Team.join("sim", 0, 1, dir=folder) as team:
        with pytest.raises(ValueError, match="broadcast"):
            team.array("numbers", 4, data=[1.0, 2.0, 3.0], timeout=TIMEOUT)
        numbers = team.array("numbers", 3, data=[1.0, 2.0, 3.0], timeout=TIMEOUT)
        assert numbers.current.snapshot().tolist() == [1.0, 2.0, 3.0]


def test_errors(folder: Path) -> None:
    """A rank that has left is named; a time that is over breaks the team for all; who was closed says so."""
    one, other = (sharray.Team.join("sim", rank, 2, dir=folder) for rank in range(2))
    with pytest.raises(sharray.RankTaken):
        sharray.Team.join("sim", 0, 2, dir=folder)
    with pytest.raises(sharray.Mismatch):
        sharray.Team.join("sim", 0, 3, dir=folder)
    with pytest.raises(sharray.TimedOut):
        one.barrier(0.01)
    assert other.is_broken
    other.close()
    with pytest.raises(sharray.TimedOut):
        one.reset(0.01)
    with pytest.raises(sharray.Closed):
        other.barrier(0)
    with pytest.raises(ValueError, match="timeout"):
        one.barrier(-1)


def program(folder: Path, text: str) -> list[str]:
    path = folder / "sim.py"
    path.write_text(textwrap.dedent(text))
    return [sys.executable, str(path)]


ENDLESS = """
    import os
    import sys
    import sharray
    team = sharray.Team.spawned()
    if team is None:
        sharray.Team.spawn(3)
        sys.exit()
    numbers = team.array("numbers", 12)
    while True:
        with team.block(numbers) as block:
            block.new[:] = block.old[block.rows] + 1
        try:
            team.swap()
        except sharray.PeerDied as error:
            # In one piece: the ranks share the pipe, and a traceback is written in many.
            os.write(2, f"rank {team.rank} is told: {error}\\n".encode())
            sys.exit(1)
"""


def start_endless(tmp_path: Path, folder: Path) -> subprocess.Popen[str]:
    """Starts a run that goes on until somebody ends it, and waits until it has begun."""
    environment = {**os.environ, "SHARRAY_DIR": str(folder)}
    words = program(tmp_path, ENDLESS)
    run = subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        try:
            if sharray.attach("sim/numbers/odd", mode="r", dir=folder).sequence > 0:
                return run
        except sharray.NotFound:
            pass
        time.sleep(0.01)
    run.kill()
    raise AssertionError(f"it does not begin: {run.communicate()}")


def test_spawn(tmp_path: Path, folder: Path) -> None:
    """A program starts itself again as its ranks, with its own arguments, and ends when they have; nothing is left."""
    words = program(
        tmp_path,
        """
        import sys
        import sharray
        team = sharray.Team.spawned()
        if team is None:
            sharray.Team.spawn(3)
            print("ended")
        elif (total := team.sum(team.rank + 1, 20)) and team.rank == 0:
            print(team.size, total, sys.argv[1:], flush=True)
        """,
    )
    environment = {**os.environ, "SHARRAY_DIR": str(folder)}
    said = subprocess.run([*words, "a", "b"], env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout == "3 6 ['a', 'b']\nended\n", said.stderr
    assert sharray.list(dir=folder) == [] and not (folder / "sim").exists()


def test_ctrl_c(tmp_path: Path, folder: Path) -> None:
    """All processes of the job are told; the launcher ends last, by KeyboardInterrupt, and leaves nothing."""
    run = start_endless(tmp_path, folder)
    os.killpg(run.pid, signal.SIGINT)
    _, complaints = run.communicate(timeout=60)
    assert run.returncode == -signal.SIGINT, complaints
    assert "KeyboardInterrupt" in complaints
    assert not (folder / "sim").exists()


def test_a_rank_that_is_killed(tmp_path: Path, folder: Path) -> None:
    """The others are told which it was, and the launcher says so."""
    run = start_endless(tmp_path, folder)
    (victim,) = (it.pid for it in sharray.inspect("sim/team", dir=folder).participants if it.rank == 1)
    os.kill(victim, signal.SIGKILL)
    _, complaints = run.communicate(timeout=60)
    for rank in [0, 2]:
        assert f"rank {rank} is told: rank 1 of team" in complaints, complaints
    assert "sharray.RankFailed: rank 1 of team \"sim\" failed: signal: 9" in complaints, complaints
    assert not (folder / "sim").exists()
