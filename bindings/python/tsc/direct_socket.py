"""Connections whose OpenSSL does by itself what can be done without Python.

Sessions, tickets, the peer of a socket and how it all ended are C's. What is left is what only
Python knows: who the peer is where no descriptor tells it, what to wait for, and who gave up.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tsc import _tsc, bio_peer
from tsc.attached import of
from tsc.connection import Connection
from tsc.endpoint import named
from tsc.prepared import anything_prepared, take
from tsc.reason import Reason
from tsc.wait import wait_blocking

if TYPE_CHECKING:
    _Socket = ssl.SSLSocket
else:
    _Socket = object

_AGAIN = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Prepared:
    """An attempt on OpenSSL's object of a connection that has not begun its handshake."""

    def __init__(
        self, tls: Any, where: tuple[str, int] | None = None, name: str | None = None
    ) -> None:
        self.tls = tls
        self.where = where
        self.name = name

    def is_for(self, where: tuple[str, int], name: str | None) -> bool:
        """Say whether it is for this endpoint, and in this process."""
        with suppress(_tsc.Error):  # a forked child has no use for what its parent began
            _tsc.direct_reason(self.tls)
            return (self.where, self.name) == (where, name)
        return False

    def wait_fd(self, max_wait_ms: int) -> int | None:
        """See `tsc.wait.Waits`."""
        return _tsc.direct_wait_fd(self.tls, max_wait_ms)

    def give_up(self) -> None:
        """Say that there will be no connection."""
        with suppress(_tsc.Error):
            _tsc.direct_failed(self.tls, True)


class DirectConnection(Connection):
    """Names the endpoint where OpenSSL cannot see it, and waits."""

    _tsc_begun = False

    def _tsc_tls(self) -> Any:
        """Give OpenSSL's object, or None."""
        return getattr(self, "_sslobj", None)

    def _tsc_where(self) -> tuple[str, int] | None:
        """Give the endpoint, where OpenSSL cannot see it."""
        return None

    def _tsc_may_block(self) -> bool:
        return False

    def _tsc_begin(self) -> None:
        """Begin an attempt, if OpenSSL does not do so by itself as the handshake starts."""
        attachment, tls = of(self.context), self._tsc_tls()
        if attachment is None or tls is None or self.server_side:
            return
        max_wait_ms = attachment.max_wait_ms if self._tsc_may_block() else 0
        where = named() or self._tsc_where()
        if where is None and (max_wait_ms or anything_prepared()):
            where = _tsc.direct_peer(tls)
        if where is None:
            return
        name = self.server_hostname
        prepared = take(Prepared, lambda one: one.is_for(where, name))
        with suppress(_tsc.Error, OverflowError, ValueError):
            if prepared is not None and _tsc.direct_hand_over(prepared.tls, tls):
                _tsc.direct_offer(tls)
            elif _tsc.direct_prepare(tls, *where):
                if max_wait_ms:
                    self._tsc_wait(tls, max_wait_ms)
                _tsc.direct_offer(tls)

    def _tsc_wait(self, tls: Any, max_wait_ms: int) -> None:
        try:
            wait_blocking(Prepared(tls), max_wait_ms)
        except BaseException:  # of a signal, or thrown into the greenlet
            _tsc.direct_failed(tls, True)
            raise

    def do_handshake(self, *args: Any, **kwargs: Any) -> None:
        """See `ssl.SSLSocket.do_handshake`."""
        if not self._tsc_begun:  # they are called again when they would have blocked
            self._tsc_begin()
            self._tsc_begun = True
        try:
            super().do_handshake(*args, **kwargs)
        except _AGAIN:
            raise
        except BaseException as error:
            self._tsc_has_failed(cancelled=not isinstance(error, OSError))
            raise

    def _tsc_has_failed(self, cancelled: bool) -> None:
        with suppress(_tsc.Error, TypeError):
            _tsc.direct_failed(self._tsc_tls(), cancelled)

    def _tsc_say_established(self) -> None:
        with suppress(_tsc.Error, TypeError):
            _tsc.direct_established(self._tsc_tls())

    def _tsc_say_failed(self) -> None:
        self._tsc_has_failed(cancelled=False)

    def _tsc_why(self) -> Reason | None:
        try:
            reason: Reason | None = _tsc.direct_reason(self._tsc_tls())
            return reason
        except TypeError:  # it is not connected
            return None
        except _tsc.Error:  # what a parent began, in a forked child
            return "cache_off"


class DirectObject(DirectConnection):
    """Memory BIOs."""

    def _tsc_where(self) -> tuple[str, int] | None:
        return bio_peer.peer()


class DirectSocket(DirectConnection, _Socket):  # type: ignore[misc,override]
    """Sockets."""

    def _tsc_may_block(self) -> bool:
        return self.gettimeout() != 0

    def setsockopt(self, *args: Any) -> None:
        """See `socket.socket.setsockopt`."""
        if args[:2] == (socket.IPPROTO_TCP, socket.TCP_NODELAY):
            with suppress(TypeError):
                _tsc.direct_keep_nodelay(self._tsc_tls())
        super().setsockopt(*args)
