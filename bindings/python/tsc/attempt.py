"""One connection's dealings with the cache: what it offers, what it receives, how it ended."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from typing import Union

from tsc import _tsc
from tsc.attached import Accept
from tsc.base_attempt import BaseAttempt
from tsc.cache import NOT_KNOWN, TLS_VERSIONS

TLS = Union[ssl.SSLSocket, ssl.SSLObject]

_AGAIN = (ssl.SSLWantReadError, ssl.SSLWantWriteError)
_NO_ALERT = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)


class Attempt(BaseAttempt):
    """A `tsc_attempt`, and where its connection stands.

    Used like the connection itself, by one thread at a time. Once made, it raises nothing: trouble
    with the cache, as in a forked child, means that nothing is offered or kept.
    """

    def __init__(self, config: _tsc.Config, endpoint: _tsc.Address, accept: Accept) -> None:
        super().__init__(config.attempt(endpoint))
        self._for = config, endpoint
        self._accept = accept
        self._version = 0
        self._not_after = 0
        self.ticket_came = False
        """The connection's ``session`` is one that was not given to the cache yet."""
        self.client_finished_last = False
        """The handshake ended with the client's Finished, and there was no data since.

        Before TLS 1.3 a resumed one ends so. A request after it waits for that message to be
        acknowledged, unless the socket has TCP_NODELAY, and servers delay that by some 40 ms.
        """

    @classmethod
    def begin(cls, config: _tsc.Config, endpoint: _tsc.Address, accept: Accept) -> Attempt | None:
        """Begin an attempt, or not: there is no error here, only a full handshake."""
        try:
            return cls(config, endpoint, accept)
        except (_tsc.Error, ValueError, OverflowError, TypeError):
            return None

    def is_for(self, config: _tsc.Config | None, endpoint: _tsc.Address) -> bool:
        """Say whether it is for this endpoint, under these settings, and in this process."""
        with suppress(_tsc.Error):  # a forked child has no use for what its parent began
            self._attempt.info()
            return self._for[0] is config and self._for[1] == endpoint
        return False

    def offer(self, tls: TLS) -> None:
        """Set the session to offer, if there is one. The ClientHello is next."""
        try:
            session = self._attempt.offer()
            if session is not None:
                tls.session = session
                self._attempt.sent()
        except (_tsc.Error, ValueError):
            pass  # ValueError: OpenSSL doesn't take it. The handshake is a full one

    def handshaken(self, tls: TLS) -> None:
        """Say that the handshake is done. Before TLS 1.3, that is when there is a session."""
        if self._handshaken:
            return
        self._handshaken = True
        self._resumed = bool(tls.session_reused)
        # Asked for now: while a ticket is being processed the connection tells neither.
        self._version = TLS_VERSIONS.get(tls.version() or "", 0)
        if not self._resumed:  # else what was offered says it, and the library remembers
            self._not_after = _certificate_end(tls)
        if self._version < TLS_VERSIONS["TLSv1.3"]:
            self.client_finished_last = self._resumed
            if self.ticket_came or not self._resumed:
                self.receive(tls)
        if self._accept == "handshake":
            self.established()

    def ticket(self, tls: TLS) -> None:
        """Say that a NewSessionTicket is about to be processed.

        The connection holds the one before it until then, and only the last after the read is over.
        During the handshake (TLS 1.2) there is none before it.
        """
        if self._handshaken and self.ticket_came:
            self.receive(tls)
        self.ticket_came = True

    def receive(self, tls: TLS) -> None:
        """Give the connection's session to the cache, which stages it until `established`."""
        self.ticket_came = False
        try:
            # `ssl` copies a session by encoding and decoding it, each time that it is looked at.
            if not self._attempt.wants_another():
                return
            session = tls.session
            if session is None or not (session.id or session.has_ticket):
                return
            self._attempt.receive(
                session,
                self._version,
                session.ticket_lifetime_hint,
                NOT_KNOWN,
                self._not_after,
            )
        except (_tsc.Error, OSError, ValueError):
            pass

    def data_came(self) -> None:
        """Say that the server sent application data."""
        if self._accept == "data":
            self.established()

    def raised(self, error: BaseException) -> None:
        """Report what a handshake or a read raised."""
        if isinstance(error, _AGAIN):
            return
        timed_out = isinstance(error, socket.timeout)
        # What is not the network's was thrown in here: by a signal, or by whoever ends a greenlet.
        cancelled = not isinstance(error, OSError)
        if self._handshaken and (timed_out or cancelled or isinstance(error, BlockingIOError)):
            return  # the reader may come back
        # OpenSSL's errors are alerts, received or sent. In TLS 1.3 the server's verdict on the
        # client's certificate comes after the handshake, and perhaps after the first data.
        alert = isinstance(error, ssl.SSLError) and not isinstance(error, _NO_ALERT)
        if self.open or alert:
            self.failed(timed_out=timed_out, cancelled=cancelled, alert=alert)


def _certificate_end(tls: TLS) -> int:
    """Read when the server's certificate ends; 0 where it was not verified, or cannot be read."""
    try:
        end = (tls.getpeercert() or {}).get("notAfter")
        return int(ssl.cert_time_to_seconds(end)) if isinstance(end, str) else 0
    except ValueError:  # a name in it, say, that is not UTF-8
        return 0
