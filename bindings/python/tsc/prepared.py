"""A session that was waited for before its connection begins, since a handshake cannot await."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import Protocol, TypeVar

from tsc.wait import Waits, wait_async


class Place(Waits, Protocol):
    """An attempt whose connection has not begun."""

    def give_up(self) -> None:
        """Say that there will be no connection."""


P = TypeVar("P", bound=Place)

# What is prepared here: one attempt, until it is taken or the block is over. Tasks that were begun
# inside share the list, and so see that it is empty.
_prepared: ContextVar[list[Place]] = ContextVar("tsc.prepared")


@asynccontextmanager
async def prepared(one: Place, max_wait_ms: int) -> AsyncIterator[None]:
    """Wait, and keep what there is for the first fitting connection that begins inside."""
    place = [one]
    try:
        await wait_async(one, max_wait_ms)
        token = _prepared.set(place)
        try:
            yield
        finally:
            _prepared.reset(token)
    finally:
        # Nobody took it: others wait for what it was given, or for what it would have brought.
        with suppress(IndexError):
            place.pop().give_up()


def anything_prepared() -> bool:
    """Say whether there is something to take."""
    return bool(_prepared.get([]))


def take(kind: type[P], fits: Callable[[P], bool]) -> P | None:
    """Give what was prepared here to the first that asks and whom it fits."""
    place = _prepared.get([])
    with suppress(IndexError):
        one = place[0]
        if isinstance(one, kind) and fits(one):
            with suppress(ValueError):  # another thread was here first
                place.remove(one)
                return one
    return None
