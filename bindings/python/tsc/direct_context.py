"""The way of interpreters whose OpenSSL can be reached: ``tsc_openssl.h`` on their own objects."""

from __future__ import annotations

import itertools
import os
import ssl
import sys
from typing import Any

from tsc import _tsc
from tsc.attached import Attached, Attachment, message_callback, set_message_callback
from tsc.direct_socket import DirectObject, DirectSocket, Prepared

# Those whose `_ssl.c` was read for how its objects begin. Add one when it has been.
_VERSIONS = range(9, 15)

_numbers = itertools.count(1)

_APPLICATION_DATA, _HEADER, _INNER_CONTENT_TYPE = 23, 0x100, 0x101


def obstacle() -> str | None:
    """Check whether this interpreter's OpenSSL can be reached; say what stands in the way."""
    if os.environ.get("TSC_DIRECT") == "0":
        return "TSC_DIRECT=0 is set"
    if sys.implementation.name != "cpython":
        return f"{sys.implementation.name} is not CPython"
    if sys.version_info[0] != 3 or sys.version_info[1] not in _VERSIONS:
        return f"CPython {sys.version_info[0]}.{sys.version_info[1]} has not been looked at"
    # Made by the C types themselves: `ssl` may have been patched.
    module = ssl._ssl  # type: ignore[attr-defined]
    context = module._SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls = context._wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), False, "localhost")
    if type(context) is not module._SSLContext or type(tls) is not module._SSLSocket:
        return "_ssl makes objects of other types than its own"
    return _tsc.direct_check(
        module.RAND_status, context, tls, ssl.OPENSSL_VERSION, context.options & (2**64 - 1)
    )


class DirectContext(Attached):
    """What `tsc.attach` adds to a context there.

    What a connection verifies is read off its OpenSSL. Roots, ALPN and post-handshake
    authentication cannot be, or not for each connection, so that here it is the context's methods
    that say when to look.
    """

    _tsc_socket = DirectSocket
    _tsc_object = DirectObject

    def _tsc_attach(self, attachment: Attachment) -> None:
        if attachment.cache.enabled:
            _tsc.direct_attach(
                self,
                attachment.cache._cache,
                attachment.identity,
                attachment.client_not_after,
                ("data", "handshake", "caller").index(attachment.accept),
                attachment.serialise,
                attachment.replace_sessions,
                attachment.share_client_certificate,
            )
        self._tsc = attachment
        self._tsc_set(post_handshake_auth=self.post_handshake_auth)
        self._msg_callback = message_callback(self)

    def _tsc_detach(self) -> None:
        callback = self._tsc.user_callback
        if self._tsc.cache.enabled:
            _tsc.direct_detach(self)
        del self.__dict__["_tsc"]
        set_message_callback(self, callback)

    def _tsc_export(self, key: bytes) -> bytes:
        return _tsc.direct_export(self, key)

    def _tsc_import(self, key: bytes, sealed: bytes) -> int:
        return _tsc.direct_import(self, key, sealed)

    def _tsc_prepare(self, where: tuple[str, int], name: str | None) -> Prepared | None:
        bios = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self._wrap_bio(*bios, False, name)  # type: ignore[attr-defined]
        return Prepared(tls, where, name) if _tsc.direct_prepare(tls, *where) else None

    @property
    def _msg_callback(self) -> Any:
        return self._tsc.user_callback

    @_msg_callback.setter
    def _msg_callback(self, callback: Any) -> None:
        # OpenSSL has room for one, and the first data is seen by it.
        self._tsc.user_callback = callback
        _tsc.direct_lend_messages(self, callback is not None)
        if callback is None:
            set_message_callback(self, None)
            return

        def both(tls: Any, direction: str, version: int, content: int, kind: int, data: Any) -> Any:
            if direction == "read" and kind == _APPLICATION_DATA:
                is_1_3 = tls.version() == "TLSv1.3"
                if content == (_INNER_CONTENT_TYPE if is_1_3 else _HEADER):
                    _tsc.direct_data_came(tls._sslobj)
            return callback(tls, direction, version, content, kind, data)

        set_message_callback(self, both)

    def _tsc_set(self, **unread: object) -> None:
        """Tell what was set, and that there may be other roots."""
        self._tsc.unread.update(unread)
        _tsc.direct_set(self, repr(sorted(self._tsc.unread.items())).encode())

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name == "post_handshake_auth":
            self._tsc_set(post_handshake_auth=self.post_handshake_auth)

    def load_verify_locations(
        self, cafile: Any = None, capath: Any = None, cadata: Any = None
    ) -> None:
        """See `ssl.SSLContext.load_verify_locations`."""
        try:
            super().load_verify_locations(cafile, capath, cadata)
        finally:  # some of it may have been loaded
            if capath is None:
                self._tsc_set()
            else:
                folders: Any = self._tsc.unread.get("capath", [])
                self._tsc_set(capath=[*folders, os.fsencode(capath)])

    def load_default_certs(self, *args: Any, **kwargs: Any) -> None:
        """See `ssl.SSLContext.load_default_certs`."""
        super().load_default_certs(*args, **kwargs)
        self._tsc_set(default=ssl.get_default_verify_paths())

    def set_default_verify_paths(self) -> None:
        """See `ssl.SSLContext.set_default_verify_paths`."""
        super().set_default_verify_paths()
        self._tsc_set(default=ssl.get_default_verify_paths())

    def set_alpn_protocols(self, alpn_protocols: Any) -> None:
        """See `ssl.SSLContext.set_alpn_protocols`."""
        protocols = list(alpn_protocols)
        super().set_alpn_protocols(protocols)
        self._tsc_set(alpn=protocols)

    if getattr(ssl, "HAS_PSK", False):  # from CPython 3.13 on

        def set_psk_client_callback(self, callback: Any) -> None:
            """See `ssl.SSLContext.set_psk_client_callback`. It counts as unlike any other."""
            super().set_psk_client_callback(callback)  # type: ignore[misc]
            self._tsc_set(psk=None if callback is None else next(_numbers))
