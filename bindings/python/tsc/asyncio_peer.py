"""Finds the peer of an asyncio connection.

asyncio does TLS over memory BIOs and gives its `ssl.SSLObject` neither socket nor address; only the
protocol that is starting the handshake knows. It's looked for among the calling frames, and by its
type. If a version of asyncio is built otherwise, nothing is found, and that costs a full handshake.
"""

from __future__ import annotations

import socket
import sys

from tsc.endpoint import of_peername

# From SSLObject.do_handshake up to SSLProtocol: three to five frames, by the version of Python.
_DEPTH = 8


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
    """Give the (host, port) of the asyncio connection that is beginning its handshake, or None."""
    sslproto = sys.modules.get("asyncio.sslproto")
    if sslproto is None:
        return None
    frame = sys._getframe(1)
    for _ in range(_DEPTH):
        protocol = frame.f_locals.get("self")
        if isinstance(protocol, sslproto.SSLProtocol):
            transport = getattr(protocol, "_transport", None)
            if transport is None:
                return None
            return of_peername(transport.get_extra_info("peername"))
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return None
