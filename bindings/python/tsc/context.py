"""A drop-in `ssl.SSLContext` whose connections resume."""

from __future__ import annotations

import operator
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from tsc import _tsc, bio_peer
from tsc.attempt import Accept, Attempt
from tsc.cache import TLSSessionCache
from tsc.endpoint import named
from tsc.prepared import prepared, take
from tsc.socket import SSLObject, SSLSocket
from tsc.wait import milliseconds

# The property of `ssl.SSLContext` wraps a callback in Python, which then runs for every record.
# That of the C type beneath takes it as it is.
_message_property = ssl.SSLContext._msg_callback  # type: ignore[attr-defined]
_message_callback = ssl._ssl._SSLContext._msg_callback  # type: ignore[attr-defined]

# Message types of TLS.
_HANDSHAKE, _NEW_SESSION_TICKET = 22, 4


def _as_sent(server_hostname: str) -> str | None:
    """Write a name as `ssl` does."""
    try:
        return server_hostname.encode("idna").decode() or None
    except UnicodeError:  # which the connection will meet as well
        return None


def _ticket(tls: Any, *_message: object) -> None:
    if hasattr(tls, "_sslsock"):  # gevent's owner of the C object, which refers to the connection
        tls = tls._sslsock()
    attempt = getattr(tls, "_tsc_attempt", None)
    if attempt is not None:
        attempt.ticket(tls)


class SSLContext(ssl.SSLContext):
    """An `ssl.SSLContext` whose client connections find, offer, keep and publish sessions.

    cache: where sessions are kept. None: a cache of its own, with the defaults. Contexts may share
    a cache; they never share sessions.
    accept: when a connection counts as established, so that others are offered what it received.
    "data": with the first application data from the server, so that no driver has to know of this.
    A server that sends data and then refuses the login is taken for one that accepted.
    "handshake": after the handshake. "caller": when the driver calls ``tsc_established()`` on the
    connection, or never.
    client_not_after: when the client's certificate ends, in Unix seconds; 0: none, or not known.
    max_wait: seconds for which a connection waits at most for a ticket that others are about to
    bring, in place of a full handshake. 0: not at all. Blocking sockets wait by themselves before
    the handshake, and then block their thread; or their greenlet, under gevent. asyncio waits in
    `ticket`. Only on Linux.

    A changed setting (roots, client certificate, verification, ALPN) makes it start over: what was
    received under the former one is not offered any more. Any thread may connect with it.
    """

    sslsocket_class = SSLSocket
    sslobject_class = SSLObject
    _tsc_changes: list[object]
    """Changes of settings that are under way."""

    def __new__(cls, protocol: int = ssl.PROTOCOL_TLS_CLIENT, **_options: Any) -> SSLContext:
        """Make the underlying context."""
        self = super().__new__(cls, protocol)
        self._tsc_changes = []
        return self

    def __init__(
        self,
        protocol: int = ssl.PROTOCOL_TLS_CLIENT,
        *,
        cache: TLSSessionCache | None = None,
        accept: Accept = "data",
        client_not_after: int = 0,
        max_wait: float = 0,
    ) -> None:
        if accept not in ("data", "handshake", "caller"):
            raise ValueError(f"accept is {accept!r}, not 'data', 'handshake' or 'caller'")
        self._tsc_cache = TLSSessionCache() if cache is None else cache
        self._tsc_accept: Accept = accept
        self._tsc_client_not_after = operator.index(client_not_after)
        self._tsc_max_wait_ms = milliseconds(max_wait)
        self._msg_callback = None

    @property
    def session_cache(self) -> TLSSessionCache:
        """The cache, for as long as the context lasts."""
        return self._tsc_cache

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
        max_wait_ms = self._tsc_max_wait_ms if max_wait is None else milliseconds(max_wait)
        attempt = None
        if max_wait_ms and self.session_cache.enabled:
            where = named() or await bio_peer.address(host, port)
            if where is not None:
                name = _as_sent(host if server_hostname is None else server_hostname)
                config = self._tsc_config()
                if config is not None:
                    attempt = self._tsc_new_attempt(config, (*where, name))
        if attempt is None:
            yield
        else:
            async with prepared(attempt, max_wait_ms):
                yield

    def _wrap_socket(self, *args: Any, **kwargs: Any) -> Any:
        return self._tsc_bound(super()._wrap_socket, args, kwargs)  # type: ignore[misc]

    def _wrap_bio(self, *args: Any, **kwargs: Any) -> Any:
        return self._tsc_bound(super()._wrap_bio, args, kwargs)  # type: ignore[misc]

    def _tsc_bound(self, wrap: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Have OpenSSL's connection made, and its owner know under which settings that was.

        OpenSSL copies the settings then, so whatever changes later is not the connection's. If they
        change at this very moment, nobody knows which it has, and it does without the cache.
        """
        config = self._tsc_config()
        made = wrap(*args, **kwargs)
        if config is not None and config is self._tsc_config():
            owner = kwargs.get("owner")
            if hasattr(owner, "_sslsock"):  # gevent's, as in `_ticket`
                owner = owner._sslsock()
            if isinstance(owner, (SSLSocket, SSLObject)):  # Eventlet has a class of its own
                owner._tsc_config = config
        return made

    def _tsc_config(self) -> _tsc.Config | None:
        """Give what the sessions received under these settings belong to."""
        if self._tsc_changes or not self.session_cache.enabled:
            return None
        config: _tsc.Config | None = self.__dict__.get("_tsc_current")
        if config is None:
            try:
                new = self.session_cache._cache.config(self._tsc_client_not_after)
            except (_tsc.Error, OverflowError):
                return None
            # Of several threads that come first, one has its config taken by all; a lock could be
            # one that nobody releases in a forked child.
            config = self.__dict__.setdefault("_tsc_current", new)
        return config

    def _tsc_attempt_for(self, config: _tsc.Config, endpoint: _tsc.Address) -> Attempt | None:
        """Give the attempt that `ticket` prepared here, if it fits, or begin one."""
        return take(config, endpoint) or self._tsc_new_attempt(config, endpoint)

    def _tsc_new_attempt(self, config: _tsc.Config, endpoint: _tsc.Address) -> Attempt | None:
        """Begin an attempt, or not: there is no error here, only a full handshake."""
        try:
            return Attempt(config, endpoint, self._tsc_accept)
        except (_tsc.Error, ValueError, OverflowError, TypeError):
            return None

    @contextmanager
    def _tsc_change(self, changed: Callable[[], bool] = lambda: True) -> Iterator[None]:
        """Change settings inside; if they did change, the context starts over."""
        change = object()
        self._tsc_changes.append(change)
        try:
            yield
        finally:
            if changed():
                self.__dict__.pop("_tsc_current", None)
            self._tsc_changes.remove(change)

    def __setattr__(self, name: str, value: object) -> None:
        # Drivers set what is set already, some for each connection: only a change counts.
        if name.startswith("_") or not hasattr(ssl.SSLContext, name):
            return super().__setattr__(name, value)
        before = getattr(self, name)
        with self._tsc_change(lambda: getattr(self, name) != before):
            super().__setattr__(name, value)

    @property
    def _msg_callback(self) -> Any:
        return self._tsc_user_callback

    @_msg_callback.setter
    def _msg_callback(self, callback: Callable[..., object] | None) -> None:
        self._tsc_user_callback = callback
        if callback is not None:

            def both(tls: Any, *message: Any) -> object:
                if message[2:4] == (_HANDSHAKE, _NEW_SESSION_TICKET):
                    _ticket(tls)
                return callback(tls, *message)

            _message_property.__set__(self, both)
        elif self.session_cache.enabled:
            _message_callback.__set__(self, _tsc.ticket_filter(_ticket))
        else:
            _message_callback.__set__(self, None)

    def load_cert_chain(self, *args: Any, **kwargs: Any) -> None:
        """See `ssl.SSLContext.load_cert_chain`. The file may have changed, so it starts over."""
        with self._tsc_change():
            super().load_cert_chain(*args, **kwargs)

    def load_verify_locations(
        self,
        cafile: Any = None,
        capath: Any = None,
        cadata: Any = None,
    ) -> None:
        """See `ssl.SSLContext.load_verify_locations`."""
        before = self.cert_store_stats()
        with self._tsc_change(lambda: capath is not None or self.cert_store_stats() != before):
            super().load_verify_locations(cafile, capath, cadata)

    def load_default_certs(self, *args: Any, **kwargs: Any) -> None:
        """See `ssl.SSLContext.load_default_certs`."""
        with self._tsc_change():
            super().load_default_certs(*args, **kwargs)

    def set_default_verify_paths(self) -> None:
        """See `ssl.SSLContext.set_default_verify_paths`."""
        with self._tsc_change():
            super().set_default_verify_paths()

    def set_alpn_protocols(self, alpn_protocols: Any) -> None:
        """See `ssl.SSLContext.set_alpn_protocols`."""
        protocols = list(alpn_protocols)
        before = self.__dict__.get("_tsc_alpn")
        with self._tsc_change(lambda: protocols != before):
            super().set_alpn_protocols(protocols)
            self._tsc_alpn = protocols

    def set_ciphers(self, ciphers: str, /) -> None:
        """See `ssl.SSLContext.set_ciphers`."""
        before = self.get_ciphers()
        with self._tsc_change(lambda: self.get_ciphers() != before):
            super().set_ciphers(ciphers)


def create_default_context(
    *,
    cafile: str | None = None,
    capath: str | None = None,
    cadata: str | bytes | None = None,
    cache: TLSSessionCache | None = None,
    accept: Accept = "data",
    max_wait: float = 0,
) -> SSLContext:
    """Make an `SSLContext` as `ssl.create_default_context` does: roots of the system, or as given.

    cafile, capath, cadata: as there. cache, accept, max_wait: as in `SSLContext`.
    """
    context = SSLContext(ssl.PROTOCOL_TLS_CLIENT, cache=cache, accept=accept, max_wait=max_wait)
    model = ssl.create_default_context(cadata=cadata, cafile=cafile, capath=capath)
    context.verify_flags = model.verify_flags
    if model.keylog_filename is not None:  # which is what SSLKEYLOGFILE names
        context.keylog_filename = model.keylog_filename
    if cafile or capath or cadata:
        context.load_verify_locations(cafile, capath, cadata)
    else:
        context.load_default_certs()
    return context
