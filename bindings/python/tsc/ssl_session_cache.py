"""A drop-in for the class in which a driver keeps `ssl.SSLSession` objects itself."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any

from tsc.cache import NOT_KNOWN, TLS_VERSIONS, TLSSessionCache

# What a host may have in the library.
_LONGEST = 200
_TLS_1_3 = TLS_VERSIONS["TLSv1.3"]


class SSLSessionCache:
    """Sessions by key, for a driver that offers them itself; of each key the newest.

    It has the methods of scylla-driver's class of this name. `get` leaves the session where it is,
    so that many connections may offer it. Where you can, have `tsc.attach` keep them: it offers
    each ticket once, and has more than one of them.

    max_size: keys that it remembers; the least recently used goes first.
    ttl: seconds after which no session is given, whatever its own lifetime.
    enabled: False keeps nothing. clock: as in `tsc.TLSSessionCache`.

    A key's repr counts: keys are equal if theirs are. Any thread may call any method.
    """

    def __init__(
        self,
        max_size: int = 100,
        ttl: int = 3600,
        *,
        enabled: bool = True,
        clock: Callable[[], int] | None = None,
    ) -> None:
        if not isinstance(max_size, int) or isinstance(max_size, bool):
            raise ValueError(f"max_size is {max_size!r}, not a positive integer")
        self._max_size = max_size
        self._changing = Lock()
        self._sessions = TLSSessionCache(
            max_size,
            ttl,
            enabled=enabled,
            reuse_when_dry=True,
            max_sessions_per_endpoint=1,
            clock=clock,
        )

    @property
    def max_size(self) -> int:
        """How many keys it remembers at most."""
        return self._max_size

    def get(self, key: Hashable) -> Any:
        """Give the session of a key, or None."""
        return self._sessions.get_session(_endpoint(key))

    def set(
        self, key: Hashable, session: Any, lifetime: float | None = None, offered: Any = None
    ) -> None:
        """Keep a session in place of the key's former one, whose end it does not move.

        lifetime: seconds that it may be offered yet. None: as long as it says itself, and the ttl.
        offered: the session that the connection offered which brought this one.
        """
        if session is None:
            return
        endpoint = _endpoint(key)
        with self._changing:
            former = self._sessions.get_session(endpoint)
            known = former if former is not None else offered
            if known is not None and _same(known, session):
                return
            length = () if lifetime is None else (max(0, int(lifetime)),)
            self._sessions._cache.put(endpoint, session, _TLS_1_3, NOT_KNOWN, *length)

    def discard(self, key: Hashable, session: Any = None) -> None:
        """Drop the session of a key. session: only if it is this one."""
        endpoint = _endpoint(key)
        with self._changing:
            if session is None or self._sessions.get_session(endpoint) is session:
                self._sessions.discard(endpoint)

    def clear(self) -> None:
        """Drop every session."""
        self._sessions.clear()

    def clear_expired(self) -> int:
        """Drop those that have expired, and say how many."""
        return self._sessions.clear_expired()

    def size(self) -> int:
        """Say how many sessions there are."""
        return self._sessions.size()

    __len__ = size

    def __repr__(self) -> str:
        return f"<SSLSessionCache max_size={self._max_size} size={self.size()}>"


def _same(one: Any, other: Any) -> bool:
    """Say whether two objects are one session: `ssl` makes a new object each time it is asked."""
    return one is other or getattr(one, "id", one) == getattr(other, "id", other)


def _endpoint(key: Hashable) -> tuple[str, int]:
    name = repr(key)
    return name if len(name) < _LONGEST else hashlib.sha256(name.encode()).hexdigest(), 0
