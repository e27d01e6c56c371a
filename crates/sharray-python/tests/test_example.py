"""The story of examples/producer_consumer in two languages: each plays either part, and takes over from the other."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
import sharray

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples" / "producer_consumer"
LANGUAGES = ("rust", "python")
#: Far more than any run here takes.
DEADLINE = 60.0


@pytest.fixture(scope="session")
def rust_program() -> str:
    """The Rust half, built: by whoever says so in the environment, or else by Cargo."""
    if built := os.environ.get("SHARRAY_EXAMPLE"):
        return built
    cargo = shutil.which("cargo")
    if cargo is None or not (ROOT / "Cargo.toml").exists():
        pytest.skip("no cargo to build the Rust half with, and SHARRAY_EXAMPLE does not name it")
    build = [cargo, "build", "--quiet", "--release", "--example", "producer_consumer", "--message-format", "json"]
    messages = subprocess.run(build, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    executables = [json.loads(message).get("executable") for message in messages]
    return str(next(executable for executable in executables if executable))


class Player:
    """A process that plays one part, and what it says."""

    def __init__(self, command: list[str], said: queue.Queue[tuple[Player, Any]]) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self._listen, args=(self.process.stdout, said))
        self.reader.start()

    def _listen(self, lines: IO[str], said: queue.Queue[tuple[Player, Any]]) -> None:
        with lines:
            for line in lines:
                said.put((self, json.loads(line)))

    def press_enter(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()


class Play:
    """Starts players by language and part, and listens to them."""

    def __init__(self, rust_program: str) -> None:
        self.rust_program = rust_program
        self.said: queue.Queue[tuple[Player, Any]] = queue.Queue()
        self.players: list[Player] = []

    def start(self, language: str, part: str, *arguments: object) -> Player:
        if language == "rust":
            command = [self.rust_program, part]
        else:
            file = {"produce": "producer.py", "consume": "consumer.py"}[part]
            command = [sys.executable, "-W", "error", os.fspath(EXAMPLE / file)]
        self.players.append(Player([*command, "camera", *map(str, arguments)], self.said))
        return self.players[-1]

    def wait_for(self, event: str, count: int = 1) -> list[tuple[Player, Any]]:
        """Waits until so many have said so; nobody may say anything else meanwhile that is not asked for here."""
        heard = []
        while len(heard) < count:
            player, what = self.said.get(timeout=DEADLINE)
            assert what["event"] == event, f"waited for {event!r}, but heard {what}"
            heard.append((player, what))
        return heard

    def wait_for_all(self, events: dict[str, int]) -> dict[str, list[Any]]:
        """Waits for several kinds of events, in any order."""
        heard: dict[str, list[Any]] = {event: [] for event in events}
        while any(len(heard[event]) < count for event, count in events.items()):
            _, what = self.said.get(timeout=DEADLINE)
            heard[what["event"]].append(what)
        return heard

    def end(self) -> None:
        """Everybody has ended, and well."""
        for player in self.players:
            assert player.process.wait(DEADLINE) in (0, -9), player.process.args

    def clean_up(self) -> None:
        for player in self.players:
            player.process.kill()
            player.process.wait()
            assert player.process.stdin is not None
            player.process.stdin.close()
            player.reader.join()


@pytest.fixture
def play(rust_program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    monkeypatch.setenv("SHARRAY_DIR", os.fspath(tmp_path / "arrays"))
    play = Play(rust_program)
    yield play
    play.clean_up()


@pytest.mark.parametrize("producer", LANGUAGES)
@pytest.mark.parametrize("consumer", LANGUAGES)
def test_every_frame_arrives_whole_and_is_counted(play: Play, producer: str, consumer: str) -> None:
    frames = 200
    producing = play.start(producer, "produce", "--frames", frames)
    play.start(consumer, "consume", "--lossless")
    play.start(consumer, "consume")
    play.wait_for("ready", 3)
    producing.press_enter()
    heard = play.wait_for_all({"closed": 1, "done": 2})
    assert heard["closed"][0]["published"] == frames
    for done in heard["done"]:
        assert done["torn"] == 0
        assert done["received"] + done["missed"] == frames
    assert any(done["missed"] == 0 for done in heard["done"]), "the producer waits for a lossless consumer"
    play.end()
    assert sharray.list() == [], "the producer unlinks the stream"


@pytest.mark.parametrize("producer", LANGUAGES)
@pytest.mark.parametrize("successor", LANGUAGES)
def test_a_producer_of_either_language_takes_over_from_one_that_was_killed(
    play: Play, producer: str, successor: str
) -> None:
    frames, half = 60, 31
    producing = play.start(producer, "produce", "--frames", frames, "--stop-in", half)
    for language in LANGUAGES:
        play.start(language, "consume", "--lossless")
    play.wait_for("ready", 3)
    producing.press_enter()
    play.wait_for("half")
    producing.process.kill()
    for _, died in play.wait_for("died", 2):
        assert (died["frame"], died["whole"]) == (half - 1, True), "the last frame is kept as it was"
    following = play.start(successor, "produce", "--frames", frames)
    [(_, ready)] = play.wait_for("ready")
    assert ready["next"] == half, "it goes on with the frame that was not finished"
    following.press_enter()
    heard = play.wait_for_all({"back": 2, "closed": 1, "done": 2})
    assert [back["frame"] for back in heard["back"]] == [half, half]
    for done in heard["done"]:
        assert (done["received"], done["missed"], done["torn"]) == (frames, 0, 0)
    play.end()


ARRAYS = {
    "complex": np.linspace(0, 1, 1001).astype("c16"),
    "big-endian": np.arange(12.0).reshape(3, 4).astype(">f8"),
    "fortran": np.asfortranarray(np.arange(60, dtype="u2").reshape(3, 4, 5)),
    "bool": np.zeros((5, 7), "?"),
    "dates": np.arange("2000-01-01", "2000-02-01", dtype="M8[D]"),
    "struct": np.zeros(3, [("name", "S5"), ("at", ">f4", (3,)), ("inner", [("x", "u1"), ("y", "i8")])]),
    "no dimensions": np.array(1.5, "f4"),
    "text": np.array(["two", "words"]),
}


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("producer", LANGUAGES)
def test_any_array_that_numpy_saves_is_the_same_in_both_languages(
    play: Play, name: str, producer: str, tmp_path: Path
) -> None:
    file = tmp_path / "array.npy"
    np.save(file, ARRAYS[name])
    producing = play.start(producer, "produce", file, "--frames", 20)
    for language in LANGUAGES:
        play.start(language, "consume", file, "--lossless")
    play.wait_for("ready", 3)
    producing.press_enter()
    heard = play.wait_for_all({"closed": 1, "done": 2})
    for done in heard["done"]:
        assert (done["received"], done["torn"]) == (20, 0)
    play.end()
