"""Connections that resume without reaching OpenSSL: they offer before the handshake, and read."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tsc import _tsc, bio_peer
from tsc.attached import Accept, Attachment, of
from tsc.attempt import Attempt
from tsc.connection import Connection
from tsc.endpoint import named, of_peername
from tsc.prepared import take
from tsc.reason import Reason

if TYPE_CHECKING:
    import ssl

    _Socket = ssl.SSLSocket
else:
    _Socket = object


class Resuming(Connection):
    """Offers before the handshake, takes what comes with each read.

    A client's connection only, and not one that was given a session of the caller's.
    """

    _tsc_config: _tsc.Config | None = None
    _tsc_attachment: Attachment | None = None
    """What it was made under: see `FallbackContext._tsc_bound`."""
    _tsc_attempt: Attempt | None = None
    _tsc_begun = False

    def _tsc_endpoint(self) -> tuple[str, int] | None:
        raise NotImplementedError

    def _tsc_begin(self) -> Attempt | None:
        """Begin an attempt, once: handshakes are called again when they would have blocked."""
        if not self._tsc_begun:
            config, attachment = self._tsc_config, self._tsc_attachment
            if (
                config is not None
                and attachment is not None
                and attachment is of(self.context)  # else it was detached, or is another
                and not self.server_side
                and not _can_resume(self.session)
            ):
                where = named() or self._tsc_endpoint()
                if where is not None:
                    attempt = _attempt_for(
                        config, (*where, self.server_hostname), attachment.accept
                    )
                    if attempt is not None:
                        if attachment.max_wait_ms and self._tsc_may_block():
                            attempt.wait(attachment.max_wait_ms)
                        attempt.offer(self)
                    self._tsc_attempt = attempt
            self._tsc_begun = True
        return self._tsc_attempt

    def _tsc_may_block(self) -> bool:
        return False

    def _tsc_set_nodelay(self, on: bool) -> None:
        """Set TCP_NODELAY, unless the driver did, or unset it again."""

    def do_handshake(self, *args: Any, **kwargs: Any) -> None:
        """See `ssl.SSLSocket.do_handshake`."""
        attempt = self._tsc_begin()
        if attempt is None:
            return super().do_handshake(*args, **kwargs)
        try:
            super().do_handshake(*args, **kwargs)
        except BaseException as error:
            attempt.raised(error)
            raise
        attempt.handshaken(self)
        if attempt.client_finished_last:
            self._tsc_set_nodelay(True)

    def read(self, *args: Any, **kwargs: Any) -> Any:
        """See `ssl.SSLSocket.read`."""
        attempt = self._tsc_attempt
        if attempt is None:
            return super().read(*args, **kwargs)
        try:
            data: Any = super().read(*args, **kwargs)
        except BaseException as error:
            attempt.raised(error)
            raise
        finally:
            if attempt.ticket_came:
                attempt.receive(self)
        if data and attempt.client_finished_last:
            attempt.client_finished_last = False
            self._tsc_set_nodelay(False)
        if attempt.open:
            if data:
                attempt.data_came()
            elif not _is_for_nothing(*args):  # the end of the connection
                attempt.failed()
        return data

    def write(self, *args: Any, **kwargs: Any) -> Any:
        """See `ssl.SSLSocket.write`."""
        return self._tsc_watched(super().write, *args, **kwargs)

    def _tsc_watched(self, write: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Write, and report what that raises."""
        try:
            return write(*args, **kwargs)
        except BaseException as error:
            if self._tsc_attempt is not None:
                self._tsc_attempt.raised(error)
            raise

    def unwrap(self) -> Any:
        """See `ssl.SSLSocket.unwrap`. Where nothing was read, tickets come before the farewell."""
        attempt, tls = self._tsc_attempt, self._sslobj  # type: ignore[attr-defined]
        try:
            return super().unwrap()
        finally:
            if attempt is not None and attempt.ticket_came:
                attempt.receive(tls)

    def _tsc_say_established(self) -> None:
        if self._tsc_attempt is not None and self._tsc_attempt.open:
            self._tsc_attempt.established()

    def _tsc_say_failed(self) -> None:
        if self._tsc_attempt is not None and self._tsc_attempt.open:
            self._tsc_attempt.failed()

    def _tsc_why(self) -> Reason | None:
        return None if self._tsc_attempt is None else self._tsc_attempt.reason()


def _attempt_for(config: _tsc.Config, endpoint: _tsc.Address, accept: Accept) -> Attempt | None:
    """Give the attempt that `ticket` prepared here, if it fits, or begin one."""
    prepared = take(Attempt, lambda one: one.is_for(config, endpoint))
    return prepared or Attempt.begin(config, endpoint, accept)


def _can_resume(session: Any) -> bool:
    """Say whether a session of the caller's would resume.

    pymongo sets what it read when the handshake was over. In TLS 1.3 that does not: its ticket came
    later.
    """
    return session is not None and bool(session.id or session.has_ticket)


def _is_for_nothing(length: int | None = None, buffer: Any = None) -> bool:
    """Say whether a read asks for no byte at all."""
    return length == 0 or (buffer is not None and memoryview(buffer).nbytes == 0)


class FallbackObject(Resuming):
    """Memory BIOs."""

    def _tsc_endpoint(self) -> tuple[str, int] | None:
        return bio_peer.peer()


class FallbackSocket(Resuming, _Socket):  # type: ignore[override]
    """Sockets."""

    _tsc_nodelay_is_ours = False

    def _tsc_endpoint(self) -> tuple[str, int] | None:
        try:
            return of_peername(self.getpeername())
        except OSError:
            return None

    def _tsc_may_block(self) -> bool:
        return self.gettimeout() != 0

    def send(self, *args: Any, **kwargs: Any) -> int:
        """See `ssl.SSLSocket.send`, which `sendall` calls."""
        sent: int = self._tsc_watched(super().send, *args, **kwargs)
        return sent

    def setsockopt(self, *args: Any) -> None:
        """See `socket.socket.setsockopt`."""
        if args[:2] == (socket.IPPROTO_TCP, socket.TCP_NODELAY):
            self._tsc_nodelay_is_ours = False  # from here on it is as the caller wishes
        super().setsockopt(*args)

    def _tsc_set_nodelay(self, on: bool) -> None:
        option = socket.IPPROTO_TCP, socket.TCP_NODELAY
        with suppress(OSError):  # a Unix socket, or one that is closed
            if on and self.getsockopt(*option):
                return
            if on or self._tsc_nodelay_is_ours:
                self.setsockopt(*option, on)
                self._tsc_nodelay_is_ours = on
