"""The way of interpreters whose OpenSSL cannot be reached: sessions are objects of `ssl`.

Such a session belongs to its context, so contexts share none, and copying one takes `ssl` an
encoding and a decoding. Tickets are caught by `ssl.SSLContext._msg_callback`.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tsc import _tsc
from tsc.attached import Attached, Attachment, message_callback, of, set_message_callback
from tsc.attempt import Attempt
from tsc.fallback_socket import FallbackObject, FallbackSocket, Resuming

# It takes a callback as it is. That of `ssl.SSLContext` wraps it in Python, which then runs for
# every record.
_message_callback = ssl._ssl._SSLContext._msg_callback  # type: ignore[attr-defined]

# What may also be set past the context's class: truststore has the C type's own properties do it.
_VERIFIED = [
    getattr(ssl._ssl._SSLContext, name)  # type: ignore[attr-defined]
    for name in ("verify_mode", "check_hostname", "verify_flags")
]

# Message types of TLS.
_HANDSHAKE, _NEW_SESSION_TICKET = 22, 4


def _ticket(tls: Any, *_message: object) -> None:
    if hasattr(tls, "_sslsock"):  # gevent's owner of the C object, which refers to the connection
        tls = tls._sslsock()
    attempt = getattr(tls, "_tsc_attempt", None)
    if attempt is not None:
        attempt.ticket(tls)


class FallbackContext(Attached):
    """What `tsc.attach` adds to a context there.

    A changed setting makes the context start over: what was received under the former one is not
    offered any more.
    """

    _tsc_socket = FallbackSocket
    _tsc_object = FallbackObject

    def _tsc_attach(self, attachment: Attachment) -> None:
        self._tsc = attachment
        attachment.user_callback = message_callback(self)
        self._msg_callback = attachment.user_callback

    def _tsc_detach(self) -> None:
        callback = self._tsc.user_callback
        del self.__dict__["_tsc"]
        set_message_callback(self, callback)

    def _tsc_prepare(self, where: tuple[str, int], name: str | None) -> Attempt | None:
        config = _config(self)
        return None if config is None else Attempt.begin(config, (*where, name), self._tsc.accept)

    def _wrap_socket(self, *args: Any, **kwargs: Any) -> Any:
        return self._tsc_bound(super()._wrap_socket, args, kwargs)  # type: ignore[misc]

    def _wrap_bio(self, *args: Any, **kwargs: Any) -> Any:
        return self._tsc_bound(super()._wrap_bio, args, kwargs)  # type: ignore[misc]

    def _tsc_bound(self, wrap: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Have OpenSSL's connection made, and its owner know under which settings that was.

        OpenSSL copies the settings then, so whatever changes later is not the connection's. If they
        change at this very moment, nobody knows which it has, and it does without the cache.
        """
        attachment, config = of(self), _config(self)
        made = wrap(*args, **kwargs)
        if config is not None and config is _config(self):
            owner = kwargs.get("owner")
            if hasattr(owner, "_sslsock"):  # gevent's, as in `_ticket`
                owner = owner._sslsock()
            if isinstance(owner, Resuming):  # Eventlet has a class of its own
                owner._tsc_config, owner._tsc_attachment = config, attachment
        return made

    @contextmanager
    def _tsc_change(self, changed: Callable[[], bool] = lambda: True) -> Iterator[None]:
        """Change settings inside; if they did change, the context starts over."""
        change, attachment = object(), self._tsc
        attachment.changes.append(change)
        try:
            yield
        finally:
            if changed():
                attachment.current.clear()
            attachment.changes.remove(change)

    def __setattr__(self, name: str, value: object) -> None:
        # Drivers set what is set already, some for each connection: only a change counts.
        if name.startswith("_") or name.endswith("_class") or not hasattr(ssl.SSLContext, name):
            return super().__setattr__(name, value)
        before = getattr(self, name)
        with self._tsc_change(lambda: getattr(self, name) != before):
            super().__setattr__(name, value)

    @property
    def _msg_callback(self) -> Any:
        return self._tsc.user_callback

    @_msg_callback.setter
    def _msg_callback(self, callback: Callable[..., object] | None) -> None:
        self._tsc.user_callback = callback
        if callback is not None:

            def both(tls: Any, *message: Any) -> object:
                if message[2:4] == (_HANDSHAKE, _NEW_SESSION_TICKET):
                    _ticket(tls)
                return callback(tls, *message)

            set_message_callback(self, both)
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
        with self._tsc_change(self._tsc_default_roots()):
            super().load_default_certs(*args, **kwargs)

    def set_default_verify_paths(self) -> None:
        """See `ssl.SSLContext.set_default_verify_paths`. truststore has it for each connection."""
        with self._tsc_change(self._tsc_default_roots()):
            super().set_default_verify_paths()

    def _tsc_default_roots(self) -> Callable[[], bool]:
        """Remember the system's roots; what that gives says whether they have changed."""
        before = self.cert_store_stats()
        where = ssl.get_default_verify_paths()
        others = self._tsc.unread.get("default") != where
        self._tsc.unread["default"] = where
        return lambda: others or self.cert_store_stats() != before

    def set_alpn_protocols(self, alpn_protocols: Any) -> None:
        """See `ssl.SSLContext.set_alpn_protocols`."""
        protocols = list(alpn_protocols)
        before = self._tsc.unread.get("alpn")
        with self._tsc_change(lambda: protocols != before):
            super().set_alpn_protocols(protocols)
            self._tsc.unread["alpn"] = protocols

    if getattr(ssl, "HAS_PSK", False):  # from CPython 3.13 on

        def set_psk_client_callback(self, callback: Any) -> None:
            """See `ssl.SSLContext.set_psk_client_callback`."""
            with self._tsc_change():
                super().set_psk_client_callback(callback)  # type: ignore[misc]

    def set_ciphers(self, ciphers: str, /) -> None:
        """See `ssl.SSLContext.set_ciphers`."""
        before = self.get_ciphers()
        with self._tsc_change(lambda: self.get_ciphers() != before):
            super().set_ciphers(ciphers)


def _config(context: ssl.SSLContext) -> _tsc.Config | None:
    """Give what the sessions received under a context's settings belong to."""
    attachment = of(context)
    if attachment is None or attachment.changes or not attachment.cache.enabled:
        return None
    verified = tuple(one.__get__(context) for one in _VERIFIED)
    config = attachment.current.get(verified)
    if config is None:
        try:
            new = attachment.cache._cache.config(attachment.client_not_after)
        except (_tsc.Error, OverflowError):
            return None
        # Of several threads that come first, one has its config taken by all; a lock could be one
        # that nobody releases in a forked child.
        config = attachment.current.setdefault(verified, new)
    return config
