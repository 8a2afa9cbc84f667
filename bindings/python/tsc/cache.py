"""The cache: one for each cluster object is usual."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Optional, Protocol, Union

from tsc import _tsc
from tsc.event import Event


class HasAddress(Protocol):
    """What drivers call an endpoint: an object with an address and a port."""

    @property
    def address(self) -> str:
        """The host's name or address."""

    @property
    def port(self) -> int:
        """The port."""

    # Also ``ssl_options``, if it is there and has a ``server_hostname``: cassandra-driver's has.


Endpoint = Union[tuple[str, int], tuple[str, int, Optional[str]], HasAddress]
"""Who a session is for: (host, port), (host, port, server name), or a driver's own endpoint.

Compared as given: "a" is not "A", nor the address of a host its name.
"""

# How long a session is. The `ssl` module does not tell, and the library knows what to take for it.
NOT_KNOWN = 0

TLS_VERSIONS = {"TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}


@dataclass(frozen=True)
class Stats:
    """What happened in a cache since it was made, and what is in it now. See ``tsc_stats``.

    Whenever no call is under way, ``stored + returned`` is ``taken + expired + evicted + displaced
    + removed + sessions``.
    """

    offered: int
    resumed: int
    refused: int
    missed: int
    stored: int
    returned: int
    expired: int
    evicted: int
    displaced: int
    removed: int
    discarded_lifetime: int
    discarded_too_large: int
    discarded_failed: int
    discarded_unfinished: int
    discarded_disabled: int
    discarded_no_memory: int
    established: int
    failed: int
    unfinished: int
    endpoints: int
    sessions: int
    bytes: int
    reused: int
    waited: int
    waits_served: int
    withheld: int
    breaker_opened: int
    breaker_closed: int
    handshake_failed_offered: int
    login_failed_resumed: int
    taken: int
    discarded_surplus: int
    bytes_staged: int
    agent_leased: int
    agent_returned: int
    agent_stored: int
    agent_away: int


class TLSSessionCache:
    """A bounded, thread-safe store of TLS sessions, for `tsc.SSLContext` or for use by hand.

    max_size: endpoints that it remembers; the least recently used goes first. None: the library's
    default, 100. Where servers send very many tickets, max_bytes is reached before.
    ttl: seconds after which no session is offered any more, whatever its own lifetime. None: the
    library's default, 3600.
    enabled: False keeps nothing and offers nothing; every call still works.
    reuse_when_dry: the last TLS 1.3 ticket of an endpoint is offered again until a new one comes,
    at a cost in privacy. A server that refuses that is noticed, and offered each ticket once. Off
    by default: a ticket is offered once.
    max_bytes: what all sessions take together, at 12 KiB for one of the `ssl` module. None: the
    library's default, which has room for six of each endpoint.
    max_sessions_per_endpoint, max_lineage_age (seconds since the last full handshake),
    max_full_handshakes (to one endpoint at once, among connections that wait): further limits; None
    for the library's defaults (``tsc_options``).
    failure_budget: connections to one endpoint that may fail within an hour because they offered a
    session, before offers are withheld. None: the library's default, 12. 2**32 - 1: any number.
    clock: milliseconds that never go back, in place of the system's clock. For tests.
    on_event: called when something happens to sessions, on whichever thread is in this package,
    perhaps before the call that caused it has returned. It may use the cache. What it raises goes
    to `sys.unraisablehook`.
    share: share sessions with other processes of this user, through tsc-agent: those of contexts
    that are attached with an identity and ``serialise=True``. A program that publishes a session
    can impersonate its server to any program that resumes it: share only among programs that you
    trust alike.
    agent: the absolute path of tsc-agent's socket. None: what the environment variable
    ``TSC_AGENT`` says; without it, nothing is shared.
    agent_budget: seconds for which a call may wait for tsc-agent before it goes on without. None:
    the library's default, 0.002. 0: not at all, as for an event loop; then only connections that
    wait (``max_wait``, ``ticket``) get sessions from it.

    Any thread may call any method. A forked child finds it empty and may use it at once. Raises
    ValueError for limits below 1.
    """

    def __init__(
        self,
        max_size: int | None = None,
        ttl: int | None = None,
        *,
        enabled: bool = True,
        reuse_when_dry: bool = False,
        max_sessions_per_endpoint: int | None = None,
        max_bytes: int | None = None,
        max_lineage_age: int | None = None,
        max_full_handshakes: int | None = None,
        failure_budget: int | None = None,
        clock: Callable[[], int] | None = None,
        on_event: Callable[[Event], object] | None = None,
        share: bool = False,
        agent: str | os.PathLike[str] | None = None,
        agent_budget: float | None = None,
    ) -> None:
        for name, function in (("clock", clock), ("on_event", on_event)):
            if function is not None and not callable(function):
                raise TypeError(f"{name} is {function!r}, which cannot be called")
        self._enabled = enabled
        self._cache = _tsc.Cache(
            (0 if enabled else _tsc.DISABLED)
            | (_tsc.REUSE_WHEN_DRY if reuse_when_dry else 0)
            | (_tsc.SHARE if share else 0),
            _limit("max_size", max_size),
            _limit("max_sessions_per_endpoint", max_sessions_per_endpoint),
            _limit("ttl", ttl),
            _limit("max_bytes", max_bytes, bits=64),
            _limit("max_lineage_age", max_lineage_age),
            _limit("max_full_handshakes", max_full_handshakes),
            _limit("failure_budget", failure_budget),
            clock=clock,
            on_event=None if on_event is None else lambda *fields: on_event(Event(*fields)),
            agent=None if agent is None else os.fsencode(agent),
            agent_budget_us=_budget(agent_budget),
        )

    @property
    def enabled(self) -> bool:
        """Whether it keeps anything."""
        return self._enabled

    def get_session(self, endpoint: Endpoint) -> Any:
        """Give a session to offer to an endpoint, or None: do a full handshake.

        A TLS 1.3 ticket leaves the cache with this, because it may be offered only once.
        """
        return self._cache.get(endpoint)

    def set_session(self, endpoint: Endpoint, session: Any, version: str | None = None) -> bool:
        """Keep a session of a connection that was established and validated.

        version: what ``SSLSocket.version()`` says. None: not known, and then the session is handed
        out once, as TLS 1.3 demands, and not kept if it says that it lasts no time. An
        `ssl.SSLSession` says by itself how long it lasts; of another object only the cache's own
        limits are known.

        The cache holds a reference to the session until it is taken or dropped. Mixing contexts is
        the caller's to avoid: `tsc.SSLContext` does that by itself. Returns False if it was not
        kept, because it has expired, the cache is disabled, or there is none (None).
        """
        return self._cache.put(endpoint, session, TLS_VERSIONS[version or "TLSv1.3"], NOT_KNOWN)

    def discard(self, endpoint: Endpoint) -> bool:
        """Drop what `set_session` kept for an endpoint. Returns False if there was nothing."""
        return self._cache.discard(endpoint)

    def available(self, endpoint: Endpoint) -> int:
        """Say how many sessions `get_session` would find, one after the other."""
        return self._cache.available(endpoint)

    def size(self) -> int:
        """Say how many sessions are in the cache, those of every context together."""
        return self._cache.stats()["sessions"]

    __len__ = size

    def clear(self) -> None:
        """Drop every session."""
        self._cache.clear()

    def clear_expired(self) -> int:
        """Drop the expired sessions, and say how many.

        Optional: expired sessions are never handed out, and later stores purge them gradually. Call
        this to reclaim memory in an idle cache.
        """
        return self._cache.clear_expired()

    def close(self) -> None:
        """Drop every session and keep none from here on. Connections do full handshakes."""
        self._cache.close()

    def stats(self) -> Stats:
        """Read the statistics."""
        return Stats(**self._cache.stats())

    def prometheus(self, labels: str = "") -> str:
        """Write the statistics for Prometheus. labels: as in ``cluster="a",zone="b"``."""
        return self._cache.prometheus(labels)

    def __repr__(self) -> str:
        stats = self._cache.stats()
        return f"<TLSSessionCache sessions={stats['sessions']} endpoints={stats['endpoints']}>"


def _budget(seconds: float | None) -> int:
    """Give it in microseconds, of which 0 is the library's word for its default."""
    if seconds is None:
        return 0
    if not 0 <= seconds <= 1000:
        raise ValueError(f"agent_budget is {seconds!r}, not a number of seconds up to 1000")
    return max(1, round(seconds * 1e6)) if seconds else _tsc.AGENT_NO_WAIT


def _limit(name: str, value: int | None, bits: int = 32) -> int:
    """0 is the library's word for a default, so it cannot be a limit."""
    if value is None:
        return 0
    if not 1 <= value < 1 << bits:
        raise ValueError(f"{name} must be at least 1 and below 2 ** {bits}")
    return value
