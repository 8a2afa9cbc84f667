"""The driver's connections, of any reactor, which tell TLS how their login ended."""

from __future__ import annotations

import weakref
from contextlib import nullcontext
from functools import cache as memoized
from time import monotonic
from typing import TYPE_CHECKING, Any

from tsc.attached import Attached
from tsc.connection import Connection
from tsc.endpoint import endpoint

# Longer than a pool takes to fill in one data centre. Farther away, waiting would cost more than a
# session saves; what cannot come by then is not waited for.
_MAX_WAIT = 0.05


def max_wait_within(connect_timeout: float) -> float:
    """Give how long a connection waits for a ticket, and has time left to connect without."""
    return min(_MAX_WAIT, connect_timeout / 5)


class _Login:
    """The driver's event that a connection is ready, or never will be.

    It is set exactly when the node has accepted the login, or when the connection is closed. TLS is
    told first, so whoever waits for the event finds the tickets published.
    """

    def __init__(self, event: Any, connection: Resuming) -> None:
        self._event = event
        self._connection = weakref.proxy(connection)

    def set(self) -> None:
        if not self._event.is_set():
            self._connection._tsc_login_ended()
        self._event.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._event, name)


if TYPE_CHECKING:
    _Base = Any
else:
    _Base = object


class Resuming(_Base):  # type: ignore[misc]
    """What is added to a connection class of the driver."""

    session_reused: bool | None = None
    """Whether it resumed. None before its login, or if it is not by TLS."""

    _tsc_driver_class: Any

    @classmethod
    def initialize_reactor(cls) -> None:
        """See the driver's. The reactor stays the one of its own class, which may be in use."""
        cls._tsc_driver_class.initialize_reactor()

    @property
    def connected_event(self) -> Any:
        """The driver's event, see `_Login`."""
        return self._tsc_login

    @connected_event.setter
    def connected_event(self, event: Any) -> None:
        self._tsc_login = _Login(event, self)
        self._tsc_began = monotonic()

    def close(self) -> None:
        """See the driver's. Before the login, it may be because the node has fallen silent."""
        if monotonic() - self._tsc_began >= self.connect_timeout:
            self._tsc_login_failed()
        super().close()

    def defunct(self, exc: BaseException) -> Any:
        """See the driver's. Before the login, it is because that has failed."""
        # A version of the protocol that the node does not speak is no news of sessions.
        if not self.is_unsupported_proto_version:
            self._tsc_login_failed()
        return super().defunct(exc)

    def _tsc_login_failed(self) -> None:
        if self.connected_event.is_set() or self.is_closed or self.is_defunct:
            return
        tls = self._tsc_tls()
        if isinstance(tls, Connection):
            tls.tsc_failed()
        elif tls is not None and not hasattr(tls, "session_reused"):
            from tsc import pyopenssl

            pyopenssl.failed(tls)

    def _tsc_login_ended(self) -> None:
        tls = self._tsc_tls()
        if tls is None or self.is_defunct or self.is_closed:
            return
        if hasattr(tls, "session_reused"):  # of `ssl`, attached or not
            self.session_reused = tls.session_reused
            if isinstance(tls, Connection):
                tls.tsc_established()
        else:
            from tsc import pyopenssl

            self.session_reused = pyopenssl.session_reused(tls)
            pyopenssl.established(tls)

    def _tsc_tls(self) -> Any:
        """Give the TLS connection, or None: of a socket, of asyncio, or of Twisted."""
        if not self.ssl_context:
            return None
        protocol = getattr(self, "_protocol", None)
        if protocol is not None:
            return protocol.transport and protocol.transport.get_extra_info("ssl_object")
        transport = getattr(self, "transport", None)
        return transport.getHandle() if transport is not None else self._socket

    def _tsc_node(self) -> Any:
        """Name the node where one has several ports, as scylla-driver does by its key."""
        key: Any = getattr(self.endpoint, "tls_session_cache_key", ())
        if len(key) == 2 and isinstance(key[1], int):
            return endpoint(str(key[0]), key[1])
        return nullcontext()

    def _connect_socket(self) -> None:
        with self._tsc_node():
            super()._connect_socket()

    def _wrap_socket_from_context(self) -> Any:
        tls = super()._wrap_socket_from_context()
        if hasattr(tls, "session_reused"):
            return tls  # which waits by itself
        from tsc import pyopenssl

        handshake = tls.do_handshake

        def after_waiting() -> None:
            del tls.do_handshake
            pyopenssl.begin(tls, max_wait=max_wait_within(self.connect_timeout))
            handshake()

        tls.do_handshake = after_waiting
        return tls

    async def _setup_ssl_and_run(self) -> None:
        """Begin TLS in asyncio, which scylla-driver leaves to it."""
        context = self.ssl_context
        if not isinstance(context, Attached):
            await super()._setup_ssl_and_run()
            return
        host, port = self._socket.getpeername()[:2]
        name = (self.ssl_options or {}).get("server_hostname")
        if name is None:
            name = self.endpoint.address if context.check_hostname else ""
        with self._tsc_node():
            async with context.ticket(host, port, server_hostname=name):
                await super()._setup_ssl_and_run()


@memoized
def resuming(driver_class: Any) -> Any:
    """Give the class of connections that resume, for one of the driver's."""
    if issubclass(driver_class, Resuming):
        return driver_class
    members = {
        "__module__": driver_class.__module__,
        "__doc__": driver_class.__doc__,
        "_tsc_driver_class": driver_class,
    }
    return type(driver_class.__name__, (Resuming, driver_class), members)
