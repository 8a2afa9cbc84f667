"""Who a connection is to, where it cannot be seen from its socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_named: ContextVar[tuple[str, int] | None] = ContextVar("tsc.endpoint", default=None)


@contextmanager
def endpoint(host: str, port: int) -> Iterator[None]:
    """Name the endpoint of the TLS handshakes that begin inside.

    Needed where a context cannot find it: with memory BIOs of one's own, with event loops that are
    not asyncio's, and behind a proxy, whose address is all that the socket has. Follows the rules
    of `contextvars`: it holds for this thread or task, and for what is begun from it.
    """
    if not isinstance(host, str) or not isinstance(port, int):
        raise TypeError(f"an endpoint is a str and an int, not {host!r} and {port!r}")
    token = _named.set((host, port))
    try:
        yield
    finally:
        _named.reset(token)


def named() -> tuple[str, int] | None:
    """Give what `endpoint` named here, or None."""
    return _named.get()


def of_peername(peername: object) -> tuple[str, int] | None:
    """Read what ``getpeername`` gives: an internet address, or the path of a Unix socket."""
    if isinstance(peername, tuple) and len(peername) >= 2 and isinstance(peername[1], int):
        return str(peername[0]), peername[1]
    if isinstance(peername, str) and peername:
        return peername, 0
    return None
