"""What attached contexts have in common, whichever way sessions are reached."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from tsc import _tsc, bio_peer
from tsc.cache import TLSSessionCache
from tsc.connection import SSLObject, SSLSocket
from tsc.derived import connection_class
from tsc.endpoint import named
from tsc.prepared import Place, prepared
from tsc.wait import milliseconds

if TYPE_CHECKING:
    _Base = ssl.SSLContext
else:
    _Base = object


def _is_of_truststore(kind: type) -> bool:
    return "truststore" in kind.__module__.split(".")


PLAIN: Any = next(one for one in ssl.SSLContext.__mro__ if not _is_of_truststore(one))
"""`ssl.SSLContext`, or gevent's; also where truststore has put its own in its place."""

Accept = Literal["data", "handshake", "caller"]
"""When a connection counts as established: see `tsc.attach`."""


@dataclass
class Attachment:
    """What a context keeps while it is attached."""

    cache: TLSSessionCache
    accept: Accept
    max_wait_ms: int
    identity: bytes | None
    client_not_after: int
    serialise: bool
    replace_sessions: bool
    share_client_certificate: bool
    detached_class: type
    """What the context was an instance of, and is again when it is detached."""
    detached_classes: dict[str, type]
    """The classes of connections that were set on the context itself, before or after."""
    user_callback: Callable[..., object] | None = None
    """The context's own ``_msg_callback``."""
    unread: dict[str, Any] = field(default_factory=dict)
    """What was set and cannot be read off OpenSSL, besides the roots."""
    changes: list[object] = field(default_factory=list)
    """The fallback's: changes of settings that are under way."""
    current: dict[tuple[int, ...], _tsc.Config] = field(default_factory=dict)
    """The fallback's: what is received under the present settings belongs to, by some of them."""


class Attached(_Base):
    """An `ssl.SSLContext` whose client connections find, offer, keep and publish sessions."""

    _tsc: Attachment
    _tsc_socket: type
    _tsc_object: type
    """What its connections are, besides what they were."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Have a class that is set for connections resume, too. pymongo sets one for each."""
        if name == "sslsocket_class":
            value = self._tsc_connections(name, value, self._tsc_socket, SSLSocket)
        elif name == "sslobject_class":
            value = self._tsc_connections(name, value, self._tsc_object, SSLObject)
        super().__setattr__(name, value)

    def _tsc_connections(self, name: str, value: Any, way: type, usual: type) -> Any:
        if not isinstance(value, type):
            return value
        base: Any = value
        classes = self._tsc.detached_classes
        if issubclass(value, way):  # it is put back
            classes.pop(name, None)
            return value
        classes[name] = value
        return connection_class(base, way, usual)

    @property
    def session_cache(self) -> TLSSessionCache:
        """The cache, for as long as the context is attached."""
        return self._tsc.cache

    def export_sessions(self, key: bytes) -> bytes:
        """Seal the sessions for the next process, as for a warm restart.

        Those of all contexts of this identity in the cache. Single-use sessions leave the cache,
        because otherwise two processes would offer them. The context has to be attached with an
        identity and ``serialise=True``.

        key: 32 random bytes, which the next process needs as well. Whoever has both, key and
        export, has the sessions.
        """
        return self._tsc_export(self._tsc_sealing(key))

    def import_sessions(self, key: bytes, sealed: bytes) -> int:
        """Take in what `export_sessions` sealed, before the first connection; give how many.

        Import it once, in one process: nobody can tell whether it was imported before. Raises
        `Error` if it was altered, or is another key's or identity's. Nothing is imported then.
        """
        return self._tsc_import(self._tsc_sealing(key), sealed)

    def _tsc_sealing(self, key: bytes) -> bytes:
        if not self._tsc.serialise or self._tsc.identity is None:
            raise ValueError("the context is not attached with an identity and serialise=True")
        return key

    def _tsc_export(self, key: bytes) -> bytes:
        raise NotImplementedError("only the direct way can: see tsc.status()")

    def _tsc_import(self, key: bytes, sealed: bytes) -> int:
        raise NotImplementedError("only the direct way can: see tsc.status()")

    def _tsc_prepare(self, where: tuple[str, int], name: str | None) -> Place | None:
        """Begin an attempt that is to wait, if there can be one."""
        raise NotImplementedError

    @asynccontextmanager
    async def ticket(
        self,
        host: str,
        port: int,
        *,
        server_hostname: str | None = None,
        max_wait: float | None = None,
    ) -> AsyncIterator[None]:
        """Wait for a ticket that others are about to bring; the connection begun inside offers it.

        For asyncio, whose handshakes cannot wait by themselves::

            async with context.ticket(host, port):
                reader, writer = await asyncio.open_connection(host, port, ssl=context)

        It is for the first connection of this context that begins its handshake inside, in this
        task or in what is begun from it, if that is to this endpoint; any other goes on as without.
        When the block is left, or the wait cancelled, what was not used is at once others' again.
        So leave it soon: open one connection in it, and use that outside. There is no error here:
        without a ticket it is a full handshake.

        host, port: as given to the connection. A name is looked up, and its first address counts;
        inside `tsc.endpoint`, what that names. Where you make the TCP connection yourself, make it
        first and give its peer's address: then no ticket is kept for a node that is down.
        server_hostname: as given to the connection. None: host. "": none.
        max_wait: seconds; None: the context's. The time that the look-up takes comes on top.

        An event loop without ``add_reader`` raises `NotImplementedError`.
        """
        max_wait_ms = self._tsc.max_wait_ms if max_wait is None else milliseconds(max_wait)
        place = None
        if max_wait_ms and self.session_cache.enabled:
            where = named() or await bio_peer.address(host, port)
            if where is not None:
                place = self._tsc_prepare(
                    where, _as_sent(host if server_hostname is None else server_hostname)
                )
        if place is None:
            yield
        else:
            async with prepared(place, max_wait_ms):
                yield


def _as_sent(server_hostname: str) -> str | None:
    """Write a name as `ssl` does."""
    try:
        return server_hostname.encode("idna").decode() or None
    except UnicodeError:  # which the connection will meet as well
        return None


def of(context: Any) -> Attachment | None:
    """Give what a context is attached by, or None."""
    attachment: Attachment | None = getattr(context, "__dict__", {}).get("_tsc")
    return attachment


def maker(context: Any) -> Any:
    """Give the context that makes the connections: one of truststore's only stands for it."""
    if _is_of_truststore(type(context)):
        inner = getattr(context, "_ctx", None)
        if isinstance(inner, PLAIN):
            return inner
    return context


def message_callback(context: ssl.SSLContext) -> Any:
    """Give what is called with each message."""
    return PLAIN._msg_callback.__get__(context)


def set_message_callback(context: ssl.SSLContext, callback: Any) -> None:
    """Have it called, by way of `ssl`, which wraps it; None: nothing."""
    # By that way it would look for itself under the name that truststore takes.
    way = ssl._ssl._SSLContext if callback is None else PLAIN  # type: ignore[attr-defined]
    way._msg_callback.__set__(context, callback)
