"""Waits until there is no session to wait for any more, as long as the library says.

It says so by a descriptor, which threads, greenlets and event loops can all wait for. Only Linux
has such descriptors: elsewhere, and where none is left, nobody waits.
"""

from __future__ import annotations

import select
from contextlib import suppress
from typing import Protocol

from tsc import _tsc


class Waits(Protocol):
    """What can be waited for."""

    def wait_fd(self, max_wait_ms: int, /) -> int | None:
        """Give a descriptor that tells when the wait is over; None: it is."""


def milliseconds(max_wait: float) -> int:
    """Give a number of seconds as the library takes it."""
    if not isinstance(max_wait, (int, float)):
        raise TypeError(f"max_wait is {max_wait!r}, not a number of seconds")
    if not 0 <= max_wait < 2**32 / 1000:
        raise ValueError(f"max_wait is {max_wait!r}, not a number of seconds from 0 on")
    return int(max_wait * 1000)


def _ask(attempt: Waits, max_wait_ms: int) -> int | None:
    with suppress(_tsc.Error):
        return attempt.wait_fd(max_wait_ms)
    return None


def wait_blocking(attempt: Waits, max_wait_ms: int) -> None:
    """Wait in this thread, or in this greenlet where gevent or Eventlet has patched `select`."""
    fd = _ask(attempt, max_wait_ms)
    if fd is None:
        return
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        poll.poll()
    else:  # Eventlet takes it away; its own select knows no highest descriptor
        select.select([fd], [], [])


async def wait_async(attempt: Waits, max_wait_ms: int) -> None:
    """Wait in this task, on an event loop that has ``add_reader``."""
    import asyncio  # only those who wait here have to load it

    fd = _ask(attempt, max_wait_ms)
    if fd is None:
        return
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(fd, over.set)
    try:
        await over.wait()
    finally:
        loop.remove_reader(fd)
