"""Contexts that are attached from the start."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Any

from tsc.attach import attach
from tsc.attached import Accept, Attached
from tsc.cache import TLSSessionCache
from tsc.connection import SSLObject, SSLSocket


class SSLContext(Attached, ssl.SSLContext):
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
    ) -> None:
        attach(
            self,
            cache,
            accept=accept,
            max_wait=max_wait,
            identity=identity,
            client_not_after=client_not_after,
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
    *,
    cafile: str | None = None,
    capath: str | None = None,
    cadata: str | bytes | None = None,
    cache: TLSSessionCache | None = None,
    accept: Accept = "data",
    max_wait: float = 0,
    identity: bytes | None = None,
) -> SSLContext:
    """Make an `SSLContext` as `ssl.create_default_context` does: roots of the system, or as given.

    cafile, capath, cadata: as there. The others: as in `tsc.attach`.
    """
    context = SSLContext(cache=cache, accept=accept, max_wait=max_wait, identity=identity)
    model = ssl.create_default_context(cadata=cadata, cafile=cafile, capath=capath)
    context.verify_flags = model.verify_flags
    if model.keylog_filename is not None:  # which is what SSLKEYLOGFILE names
        context.keylog_filename = model.keylog_filename
    if cafile or capath or cadata:
        context.load_verify_locations(cafile, capath, cadata)
    else:
        context.load_default_certs()
    return context
