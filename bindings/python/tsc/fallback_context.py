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
from tsc.attached import Attached, Attachment
from tsc.attempt import Attempt
from tsc.fallback_socket import FallbackObject, FallbackSocket, Resuming
from tsc.prepared import take

# The property of `ssl.SSLContext` wraps a callback in Python, which then runs for every record.
# That of the C type beneath takes it as it is.
_message_property = ssl.SSLContext._msg_callback  # type: ignore[attr-defined]
_message_callback = ssl._ssl._SSLContext._msg_callback  # type: ignore[attr-defined]

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
    _tsc_changes: list[object]
    """Changes of settings that are under way."""

    def _tsc_attach(self, attachment: Attachment) -> None:
        self._tsc = attachment
        self._tsc_changes = []
        attachment.user_callback = _message_property.__get__(self)
        self._msg_callback = attachment.user_callback

    def _tsc_detach(self) -> None:
        callback = self._tsc.user_callback
        for name in ("_tsc", "_tsc_changes", "_tsc_current", "_tsc_alpn"):
            self.__dict__.pop(name, None)
        _message_property.__set__(self, callback)

    def _tsc_prepare(self, where: tuple[str, int], name: str | None) -> Attempt | None:
        config = self._tsc_config()
        return None if config is None else self._tsc_new_attempt(config, (*where, name))

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
            if isinstance(owner, Resuming):  # Eventlet has a class of its own
                owner._tsc_config = config
        return made

    def _tsc_config(self) -> _tsc.Config | None:
        """Give what the sessions received under these settings belong to."""
        if self._tsc_changes or not self.session_cache.enabled:
            return None
        config: _tsc.Config | None = self.__dict__.get("_tsc_current")
        if config is None:
            try:
                new = self.session_cache._cache.config(self._tsc.client_not_after)
            except (_tsc.Error, OverflowError):
                return None
            # Of several threads that come first, one has its config taken by all; a lock could be
            # one that nobody releases in a forked child.
            config = self.__dict__.setdefault("_tsc_current", new)
        return config

    def _tsc_attempt_for(self, config: _tsc.Config, endpoint: _tsc.Address) -> Attempt | None:
        """Give the attempt that `ticket` prepared here, if it fits, or begin one."""
        prepared = take(Attempt, lambda one: one.is_for(config, endpoint))
        return prepared or self._tsc_new_attempt(config, endpoint)

    def _tsc_new_attempt(self, config: _tsc.Config, endpoint: _tsc.Address) -> Attempt | None:
        """Begin an attempt, or not: there is no error here, only a full handshake."""
        try:
            return Attempt(config, endpoint, self._tsc.accept)
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
        return self._tsc.user_callback

    @_msg_callback.setter
    def _msg_callback(self, callback: Callable[..., object] | None) -> None:
        self._tsc.user_callback = callback
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
