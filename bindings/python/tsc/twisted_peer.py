"""Finds the transport of a Twisted connection, and so its peer.

Twisted does TLS over memory, so its connections have no socket. By custom (twisted.protocols.tls,
and drivers that make their own) the connection's app data is the protocol that it belongs to, and
that knows its transport. If it is anything else, nothing is found, and that costs a full handshake.
"""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL

from tsc.endpoint import of_peername


def peer(connection: SSL.Connection) -> tuple[str, int] | None:
    """Give the (host, port) of a Twisted connection, or None."""
    get_peer = getattr(_transport(connection), "getPeer", None)
    if get_peer is None:
        return None
    address = get_peer()
    return of_peername((getattr(address, "host", None), getattr(address, "port", None)))


def set_nodelay(connection: SSL.Connection) -> None:
    """Set TCP_NODELAY, if it is a connection over TCP."""
    set_no_delay = getattr(_transport(connection), "setTcpNoDelay", None)
    if set_no_delay is not None:
        set_no_delay(True)


def _transport(connection: SSL.Connection) -> Any:
    return getattr(connection.get_app_data(), "transport", None)
