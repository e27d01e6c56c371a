"""Waiting in asyncio.

The kernel has no descriptor for what the library sleeps on, so a thread sleeps in place of the event loop. It ends with the
wait: at the latest 50 ms after that was cancelled.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from sharray._errors import Retired, TimedOut

if TYPE_CHECKING:
    import numpy as np

    from sharray import Follower, Frame, Subscriber

#: How long a cancelled wait goes on.
SLICE = 0.05


async def next_frame(subscriber: Subscriber[Any]) -> Frame[Any]:
    """The next frame of a stream, for ``async for``."""
    from sharray._sharray import wait_any

    while True:
        try:
            frame = subscriber.recv(timeout=0)
        except TimedOut:
            await _in_thread(lambda: wait_any([subscriber], timeout=SLICE))
            continue
        if frame is None:
            raise StopAsyncIteration
        return frame


async def next_rows(follower: Follower[Any], timeout: float | None) -> np.ndarray[Any, Any]:
    """The next rows of a table, for ``async for``."""
    try:
        async with asyncio.timeout(timeout):
            while True:
                try:
                    rows = follower._next(0)  # pyright: ignore[reportPrivateUsage]
                    break
                except TimedOut:
                    await _in_thread(lambda: _await_row(follower))
    except TimedOut:
        raise
    except TimeoutError:
        # The last look, and its error the answer.
        rows = follower._next(0)  # pyright: ignore[reportPrivateUsage]
    if rows is None:
        raise StopAsyncIteration
    return rows


def _await_row(follower: Follower[Any]) -> None:
    """Waits a moment until there is something to say."""
    try:
        follower.table.wait(follower.next_row + 1, timeout=SLICE)
    except Retired:
        pass


async def _in_thread(wait: Any) -> None:
    """Repeats a short wait in a thread of its own until it does not time out."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    is_over = threading.Event()

    def tell(error: BaseException | None) -> None:
        if not done.done():
            done.set_result(None) if error is None else done.set_exception(error)

    def run() -> None:
        error: BaseException | None = None
        while not is_over.is_set():
            try:
                wait()
            except TimedOut:
                continue
            except BaseException as raised:
                error = raised
            break
        # Cancelled at the end of the loop, there is nobody to tell.
        if not is_over.is_set():
            try:
                loop.call_soon_threadsafe(tell, error)
            except RuntimeError:
                pass

    thread = threading.Thread(target=run, name="sharray-wait", daemon=True)
    thread.start()
    try:
        await done
    finally:
        is_over.set()
