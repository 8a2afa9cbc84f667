"""Finds the peer of a connection over memory BIOs, as asyncio, AnyIO and trio have them.

They give their `ssl.SSLObject` neither socket nor address; only what is starting the handshake
knows. It's looked for among the calling frames, and by its type. If a version is built otherwise,
nothing is found, and that costs a full handshake.
"""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from typing import Any

from tsc.endpoint import of_peername

# From SSLObject.do_handshake up: three to five frames to asyncio's, by the version of Python, and
# one to the others'.
_DEPTH = 8


def _of_asyncio(protocol: Any) -> object:
    return protocol._transport.get_extra_info("peername")


def _of_anyio(stream: Any) -> object:
    from anyio.abc import SocketAttribute

    return stream.transport_stream.extra(SocketAttribute.remote_address)


def _of_trio(stream: Any) -> object:
    return stream.transport_stream.socket.getpeername()


# Who starts handshakes: where it is, if it is loaded, and how it tells its peer.
_OWNERS = (
    ("asyncio.sslproto", "SSLProtocol", _of_asyncio),
    ("anyio.streams.tls", "TLSStream", _of_anyio),
    ("trio", "SSLStream", _of_trio),
)


async def address(host: str, port: int) -> tuple[str, int] | None:
    """Look up, as asyncio does, the peer that a connection to a host will have; None: no idea.

    That is the first address, unless it doesn't answer and another does.
    """
    import asyncio

    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError):  # which the connection will meet as well
        return None
    return of_peername(found[0][4])


def peer() -> tuple[str, int] | None:
    """Give the (host, port) of the connection that is beginning its handshake, or None."""
    owners = [
        (getattr(sys.modules[module], name), read)
        for module, name, read in _OWNERS
        if hasattr(sys.modules.get(module), name)
    ]
    frame = sys._getframe(1)
    for _ in range(_DEPTH):
        found = frame.f_locals.get("self")
        for owner, read in owners:
            if isinstance(found, owner):
                with suppress(AttributeError, LookupError, OSError):  # not over a socket
                    return of_peername(read(found))
                return None
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return None
