"""pyOpenSSL, which drivers use under Eventlet and Twisted.

`Context` is an ``OpenSSL.SSL.Context`` whose connections resume by themselves, also those that a
driver makes. It lives on OpenSSL's info callback, which is called when a handshake begins and ends
and around each ticket. Some of what it needs pyOpenSSL has only under private names; where they are
missing, importing this fails.
"""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal
from weakref import WeakKeyDictionary

from OpenSSL import SSL

from tsc import _tsc, twisted_peer
from tsc.base_attempt import BaseAttempt
from tsc.cache import TLSSessionCache
from tsc.endpoint import named, of_peername
from tsc.reason import Reason
from tsc.wait import milliseconds

_lib: Any = SSL._lib  # type: ignore[attr-defined]
_ffi: Any = SSL._ffi  # type: ignore[attr-defined]
for _name in ("d2i_SSL_SESSION", "i2d_SSL_SESSION", "SSL_set_session", "SSL_session_reused"):
    getattr(_lib, _name)

_TLS_1_3 = 0x0304
_FATAL = 2
_CLOSE_NOTIFY, _DECODE_ERROR, _USER_CANCELLED = 0, 50, 90
# What a session's encoding (ASN.1) marks the lifetime of its ticket with.
_LIFETIME_HINT = 0xA9


class Context(SSL.Context):
    """An ``OpenSSL.SSL.Context`` whose client connections find, offer, keep and publish sessions.

    cache: as in `tsc.SSLContext`; None: one of its own.
    accept: "handshake": what a connection receives is published after its handshake, for drivers
    that do not know of this. "caller": when the driver calls `established`.

    A changed setting (roots, client certificate, verification, versions, ciphers, ALPN) makes it
    start over: what was received under the former one is not offered any more. What it cannot see
    is a change inside ``get_cert_store()``: make a new context for that.

    A connection that was given a session with ``set_session``, and a server's, is left alone. So is
    one with a verification, a client certificate or options of its own, and, once there is an OCSP
    callback, every one: a resumed handshake brings no OCSP response.

    The endpoint is the peer of the socket or of Twisted's transport, and the name of
    `set_tlsext_host_name`. Another connection without a socket has the one that `tsc.endpoint` or
    `begin` names; or none, and then it does full handshakes. `begin` can also wait for a session.
    """

    def __init__(
        self,
        method: int = SSL.TLS_CLIENT_METHOD,
        *,
        cache: TLSSessionCache | None = None,
        accept: Literal["handshake", "caller"] = "caller",
    ) -> None:
        super().__init__(method)
        self._tsc_attach(TLSSessionCache() if cache is None else cache, accept)

    def _tsc_attach(self, cache: TLSSessionCache, accept: Literal["handshake", "caller"]) -> None:
        if accept not in ("handshake", "caller"):
            raise ValueError(f"accept is {accept!r}, not 'handshake' or 'caller'")
        self.session_cache = cache
        self._tsc_accept = accept
        self._tsc_asks_ocsp = getattr(self, "_ocsp_helper", None) is not None
        self._tsc_user_callback: Callable[..., object] | None = None
        self._tsc_start_over()
        super().set_info_callback(self._tsc_info)

    def _tsc_start_over(self) -> None:
        self._tsc_config: _tsc.Config | None = self.session_cache._cache.config()
        # There is no other way to read the certificate that connections start with.
        ssl = _ffi.gc(_lib.SSL_new(self._context), _lib.SSL_free)
        self._tsc_own = _settings(ssl)

    def _tsc_config_for(self, connection: SSL.Connection) -> _tsc.Config | None:
        """Give what a connection's sessions belong to; None: it is to be left alone."""
        as_here = (
            _settings(connection._ssl) == self._tsc_own
            and connection._verify_helper is self._verify_helper
        )
        usable = as_here and not self._tsc_asks_ocsp and self.session_cache.enabled
        return self._tsc_config if usable else None

    def set_ocsp_client_callback(self, *args: Any, **kwargs: Any) -> None:
        """See ``OpenSSL.SSL.Context.set_ocsp_client_callback``; from then on, nothing resumes."""
        self._tsc_asks_ocsp = True
        super().set_ocsp_client_callback(*args, **kwargs)

    def set_info_callback(self, callback: Callable[[SSL.Connection, int, int], None]) -> None:
        """See ``OpenSSL.SSL.Context.set_info_callback``; the cache's own goes on besides."""
        self._tsc_user_callback = callback

    def _tsc_info(self, connection: SSL.Connection, where: int, result: int) -> None:
        if where & SSL.SSL_CB_HANDSHAKE_START and connection not in _attempts:
            begin(connection)
        attempt = _attempts.get(connection)
        if attempt is not None:
            attempt.info(connection, where, result)
        if self._tsc_user_callback is not None:
            self._tsc_user_callback(connection, where, result)


def _starting_over(setter: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(setter)
    def method(self: Context, *args: Any, **kwargs: Any) -> Any:
        if not hasattr(self, "_tsc_config"):  # in `SSL.Context.__init__`
            return setter(self, *args, **kwargs)
        options = _lib.SSL_CTX_get_options(self._context)
        current, self._tsc_config = self._tsc_config, None
        try:
            return setter(self, *args, **kwargs)
        finally:
            # That is also how the options are read.
            if setter.__name__ == "set_options" and options == _lib.SSL_CTX_get_options(
                self._context
            ):
                self._tsc_config = current
            else:
                self._tsc_start_over()

    return method


for _name in (
    "add_extra_chain_cert",
    "load_verify_locations",
    "set_alpn_protos",
    "set_cipher_list",
    "set_default_verify_paths",
    "set_max_proto_version",
    "set_min_proto_version",
    "set_options",
    "set_tls13_ciphersuites",
    "set_verify",
    "set_verify_depth",
    "use_certificate",
    "use_certificate_chain_file",
    "use_certificate_file",
    "use_privatekey",
    "use_privatekey_file",
):
    if hasattr(SSL.Context, _name):  # not every version has them all
        setattr(Context, _name, _starting_over(getattr(SSL.Context, _name)))


def _settings(ssl: Any) -> tuple[Any, ...]:
    """Read what a connection can have of its own, but for its verify callback."""
    return (
        _lib.SSL_get_verify_mode(ssl),
        _lib.SSL_get_options(ssl),
        _lib.SSL_get_certificate(ssl),
    )


def attach(
    context: SSL.Context,
    cache: TLSSessionCache | None = None,
    *,
    accept: Literal["handshake", "caller"] = "caller",
) -> TLSSessionCache:
    """Make any ``OpenSSL.SSL.Context`` a `Context`, once everything else is set on it.

    Gives the cache. An info callback that it had is not called any more: set it again.
    """
    if isinstance(context, Context):
        raise ValueError("the context is attached already")
    cache = TLSSessionCache() if cache is None else cache
    base: Any = type(context)
    context.__class__ = type(base.__name__, (Context, base), {"__module__": base.__module__})
    context._tsc_attach(cache, accept)  # type: ignore[attr-defined]
    return cache


def _is_fatal(connection: SSL.Connection, where: int, result: int) -> bool:
    """Say whether an alert is fatal, received or sent, as tsc_ssl_is_fatal_ does.

    In TLS 1.3 all but two are, whatever level they have. OpenSSL 3 sends one when the server is
    gone without a farewell, which says nothing of what the connection brought.
    """
    level, description = result >> 8, result & 0xFF
    if description in (_CLOSE_NOTIFY, _USER_CANCELLED):
        return False
    if where & SSL.SSL_CB_WRITE and description == _DECODE_ERROR:
        return False
    return level == _FATAL or connection.get_protocol_version() >= _TLS_1_3


class _Attempt(BaseAttempt):
    """A `tsc_attempt`, and where its connection stands."""

    def __init__(self, attempt: _tsc.Attempt, config: _tsc.Config, accept: str) -> None:
        super().__init__(attempt)
        self._config = config
        self._accept = accept
        self._ticket_came = False

    def offer(self, connection: SSL.Connection) -> None:
        with suppress(_tsc.Error, SSL.Error):
            encoded = self._attempt.offer()
            if encoded is not None:
                session = _decode(encoded)
                if session is not None and _lib.SSL_set_session(connection._ssl, session) == 1:
                    self._attempt.sent()

    def _is_as_begun(self, connection: SSL.Connection) -> bool:
        context = connection.get_context()
        return isinstance(context, Context) and context._tsc_config_for(connection) is self._config

    def info(self, connection: SSL.Connection, where: int, result: int) -> None:
        if where & SSL.SSL_ST_ACCEPT:  # a server's, after all
            if self.open:
                self.failed(sent=False)
        elif where & SSL.SSL_CB_HANDSHAKE_START and self.open and not self._handshaken:
            if not self._is_as_begun(connection):  # what was offered is not for this one
                _lib.SSL_set_session(connection._ssl, _ffi.NULL)
                self.failed(sent=False)
        elif where & SSL.SSL_CB_HANDSHAKE_DONE and not self._handshaken:
            self._handshaken = True
            self._resumed = bool(_lib.SSL_session_reused(connection._ssl))
            if self.open and not self._is_as_begun(connection):
                self.failed(cancelled=True)  # which says nothing of the server
            if connection.get_protocol_version() < _TLS_1_3:
                if self._resumed:
                    _set_nodelay(connection)
                self._receive(connection)
            if self._accept == "handshake" and self.open:
                self.established()
        elif where == SSL.SSL_CB_CONNECT_LOOP and self._handshaken:
            # A message after the handshake; a ticket, if the session is another when it is over.
            self._ticket_came = True
        elif where == SSL.SSL_CB_CONNECT_EXIT:
            if self._ticket_came:
                self._ticket_came = False
                self._receive(connection)
        elif where & SSL.SSL_CB_ALERT and _is_fatal(connection, where, result):
            self.failed(alert=True)

    def _receive(self, connection: SSL.Connection) -> None:
        with suppress(_tsc.Error):
            session = connection.get_session()
            version = connection.get_protocol_version()
            if session is None or not self._is_as_begun(connection):
                return
            encoded = _encode(session)
            self._attempt.receive(encoded, version, _lifetime(encoded), len(encoded))


_attempts: WeakKeyDictionary[SSL.Connection, _Attempt] = WeakKeyDictionary()


def begin(
    connection: SSL.Connection, host: str | None = None, port: int = 0, *, max_wait: float = 0
) -> None:
    """Offer a session for a connection of a `Context`, whose handshake otherwise does so itself.

    Needed where it has no socket to be known by, and to wait: the handshake calls its context from
    within OpenSSL, where what ends a wait early (a signal, an `eventlet.Timeout`) could not pass.
    Call it before the handshake, once everything else is set on the connection.
    max_wait: seconds for which to wait at most for a session that others are about to bring. Blocks
    the thread; or the greenlet, under Eventlet and gevent. Not for Twisted. Only on Linux.
    """
    max_wait_ms = milliseconds(max_wait)
    connection = _own(connection)
    context = connection.get_context()
    if not isinstance(context, Context):
        return
    config = context._tsc_config_for(connection)
    if config is None or connection.get_session() is not None:  # the caller's own
        return
    where = (host, port) if host is not None else named()
    if where is None:
        with suppress(AttributeError, OSError, TypeError):  # a connection without a socket
            where = of_peername(connection.getpeername())
    where = where or twisted_peer.peer(connection)
    if where is None:
        return
    name = _ffi.string(_servername(connection)).decode() if _servername(connection) else None
    with suppress(_tsc.Error):
        attempt = _Attempt(config.attempt((*where, name)), config, context._tsc_accept)
        if max_wait_ms:
            attempt.wait(max_wait_ms)
        _attempts[connection] = attempt
        attempt.offer(connection)


def established(connection: SSL.Connection) -> None:
    """Say that TLS is verified and the application's own login done: others may be offered it."""
    attempt = _attempts.get(_own(connection))
    if attempt is not None and attempt.open:
        attempt.established()


def failed(connection: SSL.Connection) -> None:
    """Say that the attempt failed after the handshake: nothing that was received is kept."""
    attempt = _attempts.get(_own(connection))
    if attempt is not None and attempt.open:
        attempt.failed()


def reason(connection: SSL.Connection) -> Reason | None:
    """Say why a connection did not resume; None as in `tsc.SSLSocket.tsc_reason`."""
    attempt = _attempts.get(_own(connection))
    return None if attempt is None else attempt.reason()


def session_reused(connection: SSL.Connection) -> bool:
    """Say whether the handshake was a resumed one, which pyOpenSSL itself does not tell."""
    return bool(_lib.SSL_session_reused(_own(connection)._ssl))


def _set_nodelay(connection: SSL.Connection) -> None:
    """Set TCP_NODELAY, for good, since pyOpenSSL doesn't tell when data comes.

    `tsc.attempt.Attempt.client_finished_last` says why.
    """
    with suppress(OSError):
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except AttributeError:  # without a socket
            twisted_peer.set_nodelay(connection)


def _own(connection: Any) -> SSL.Connection:
    """Give pyOpenSSL's own connection in place of Eventlet's, which has it inside."""
    own: SSL.Connection = connection
    return own if isinstance(connection, SSL.Connection) else connection.fd


def _servername(connection: SSL.Connection) -> Any:
    return _lib.SSL_get_servername(connection._ssl, 0)


def _encode(session: SSL.Session) -> bytes:
    """Make a copy: OpenSSL marks the original unusable if its connection is closed uncleanly."""
    original = session._session
    out = _ffi.new("unsigned char[]", _lib.i2d_SSL_SESSION(original, _ffi.NULL))
    at = _ffi.new("unsigned char **", out)
    return bytes(_ffi.buffer(out, _lib.i2d_SSL_SESSION(original, at)))


def _decode(encoded: bytes) -> Any:
    at = _ffi.new("const unsigned char **", _ffi.from_buffer("unsigned char[]", encoded))
    session = _lib.d2i_SSL_SESSION(_ffi.NULL, at, len(encoded))
    return None if session == _ffi.NULL else _ffi.gc(session, _lib.SSL_SESSION_free)


def _lifetime(encoded: bytes) -> int:
    """Read the lifetime that the server gave, in seconds; 0 if none."""
    at, _ = _value(encoded, 0)
    while at < len(encoded):
        value, end = _value(encoded, at)
        if encoded[at] == _LIFETIME_HINT:
            number, number_end = _value(encoded, value)
            return int.from_bytes(encoded[number:number_end], "big")
        at = end
    return 0


def _value(encoded: bytes, at: int) -> tuple[int, int]:
    """Find begin and end of the value of the ASN.1 element that starts somewhere."""
    length, at = encoded[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, at = int.from_bytes(encoded[at : at + size], "big"), at + size
    return at, at + length
