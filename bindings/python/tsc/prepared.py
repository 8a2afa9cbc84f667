"""A session that was waited for before its connection begins, since a handshake cannot await."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar

from tsc import _tsc
from tsc.attempt import Attempt

# What is prepared here: one attempt, until it is taken or the block is over. Tasks that were begun
# inside share the list, and so see that it is empty.
_prepared: ContextVar[list[Attempt]] = ContextVar("tsc.prepared")


@asynccontextmanager
async def prepared(attempt: Attempt, max_wait_ms: int) -> AsyncIterator[None]:
    """Wait, and keep what there is for the first fitting connection that begins inside."""
    place = [attempt]
    try:
        await attempt.wait_async(max_wait_ms)
        token = _prepared.set(place)
        try:
            yield
        finally:
            _prepared.reset(token)
    finally:
        # Nobody took it: others wait for what it was given, or for what it would have brought.
        with suppress(IndexError):
            place.pop().failed(sent=False)


def take(config: _tsc.Config | None, endpoint: _tsc.Address) -> Attempt | None:
    """Give what was prepared here if it is for this very endpoint, to the first that asks."""
    place = _prepared.get([])
    with suppress(IndexError):
        if place[0].is_for(config, endpoint):
            return place.pop()
    return None
