"""Contexts that are attached from the start."""

from __future__ import annotations

import inspect
import socket
import ssl
from typing import TYPE_CHECKING, Any

from tsc.attach import attach
from tsc.attached import PLAIN, Accept, Attached
from tsc.cache import TLSSessionCache
from tsc.connection import SSLObject, SSLSocket

if TYPE_CHECKING:
    _Base = ssl.SSLContext
else:
    _Base = PLAIN


class SSLContext(Attached, _Base):
    """An `ssl.SSLContext` that is attached to a cache. The parameters are those of `tsc.attach`."""

    def __new__(cls, protocol: int = ssl.PROTOCOL_TLS_CLIENT, **_options: Any) -> SSLContext:
        """Make the underlying context."""
        return super().__new__(cls, protocol)

    def __init__(
        self,
        protocol: int = ssl.PROTOCOL_TLS_CLIENT,
        *,
        cache: TLSSessionCache | None = None,
        accept: Accept = "data",
        client_not_after: int = 0,
        max_wait: float = 0,
        identity: bytes | None = None,
        serialise: bool = False,
        replace_sessions: bool = False,
        share_client_certificate: bool = False,
    ) -> None:
        attach(
            self,
            cache,
            accept=accept,
            max_wait=max_wait,
            identity=identity,
            client_not_after=client_not_after,
            serialise=serialise,
            replace_sessions=replace_sessions,
            share_client_certificate=share_client_certificate,
        )

    if TYPE_CHECKING:

        def wrap_socket(
            self,
            sock: socket.socket,
            server_side: bool = False,
            do_handshake_on_connect: bool = True,
            suppress_ragged_eofs: bool = True,
            server_hostname: str | bytes | None = None,
            session: ssl.SSLSession | None = None,
        ) -> SSLSocket:
            """See `ssl.SSLContext.wrap_socket`."""

        def wrap_bio(
            self,
            incoming: ssl.MemoryBIO,
            outgoing: ssl.MemoryBIO,
            server_side: bool = False,
            server_hostname: str | bytes | None = None,
            session: ssl.SSLSession | None = None,
        ) -> SSLObject:
            """See `ssl.SSLContext.wrap_bio`."""


def create_default_context(
    purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH,
    *,
    cafile: str | None = None,
    capath: str | None = None,
    cadata: str | bytes | None = None,
    cache: TLSSessionCache | None = None,
    accept: Accept = "data",
    max_wait: float = 0,
    identity: bytes | None = None,
    client_not_after: int = 0,
    serialise: bool = False,
    replace_sessions: bool = False,
    share_client_certificate: bool = False,
) -> SSLContext:
    """Make a context by `ssl.create_default_context`, and attach it.

    purpose, cafile, capath, cadata: as there. The others: as in `tsc.attach`.

    Gives an `SSLContext`; or, after ``truststore.inject_into_ssl()``, truststore's own. Raises
    ValueError for the purpose of a server.
    """
    if purpose is ssl.Purpose.CLIENT_AUTH:
        raise ValueError("the purpose is a server's, which has no sessions to offer")
    make = inspect.unwrap(ssl.create_default_context)  # without what `tsc.install` has put on top
    context: Any = make(purpose, cafile=cafile, capath=capath, cadata=cadata)
    if type(context) is PLAIN:
        context.__class__ = SSLContext
    attach(
        context,
        cache,
        accept=accept,
        max_wait=max_wait,
        identity=identity,
        client_not_after=client_not_after,
        serialise=serialise,
        replace_sessions=replace_sessions,
        share_client_certificate=share_client_certificate,
    )
    made: SSLContext = context
    return made
