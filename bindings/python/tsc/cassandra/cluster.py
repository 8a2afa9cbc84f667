"""The driver's `Cluster`, whose connections resume."""

from __future__ import annotations

import os
from threading import Lock
from typing import Any

from cassandra import cluster

from tsc.attach import attach
from tsc.attached import of
from tsc.cache import TLSSessionCache
from tsc.cassandra.connection import max_wait_within, resuming

_attaching = Lock()


class Cluster(cluster.Cluster):  # type: ignore[misc]
    """The driver's ``Cluster``, whose TLS connections resume.

    It takes all that the driver's does, and besides:

    tls_session_cache_enabled: False does full handshakes, as the driver does without this.
    tls_session_cache_size: endpoints whose sessions are kept.
    tls_session_cache_ttl: seconds for which they are.
    tls_session_cache_identity: bytes that name the ``ssl_context`` in all processes of this user
    that share sessions through tsc-agent, as in `tsc.attach`. None: sessions are not shared.
    tls_session_cache_agent, tls_session_cache_agent_budget: ``agent`` and ``agent_budget`` of
    `TLSSessionCache`.

    It is the ``ssl_context`` that is attached, at the first `connect`. So sessions outlive the
    cluster as long as the context is kept, and clusters of one context have one cache, with the
    limits of the first. A context that is attached already (`tsc.attach`) stays as it is.

    What a connection received is offered to others when the node has accepted the driver's login.
    A pool that opens at once offers one ticket on all of its connections, if there are no others
    and the node takes it; otherwise they wait for others, for at most 50 ms. Where it must not be
    seen that connections are one client's, attach the context yourself.
    Each connection has ``session_reused``: whether it resumed; None before its login, or if it is
    not by TLS. scylla-driver's own ``ssl_session_cache`` is turned off.
    """

    def __init__(
        self,
        *args: Any,
        tls_session_cache_enabled: bool = True,
        tls_session_cache_size: int = 100,
        tls_session_cache_ttl: int = 3600,
        tls_session_cache_identity: bytes | None = None,
        tls_session_cache_agent: str | os.PathLike[str] | None = None,
        tls_session_cache_agent_budget: float | None = None,
        **kwargs: Any,
    ) -> None:
        self._tsc_identity = tls_session_cache_identity
        self._tsc_cache = TLSSessionCache(
            tls_session_cache_size,
            tls_session_cache_ttl,
            enabled=tls_session_cache_enabled,
            reuse_when_dry=True,
            share=tls_session_cache_identity is not None,
            agent=tls_session_cache_agent,
            agent_budget=tls_session_cache_agent_budget,
        )
        super().__init__(*args, **kwargs)

    @property
    def tls_session_cache(self) -> TLSSessionCache:
        """The cache of the ``ssl_context``, which tells its statistics."""
        cache: TLSSessionCache = getattr(self.ssl_context, "session_cache", self._tsc_cache)
        return cache

    def connect(self, *args: Any, **kwargs: Any) -> Any:
        """See the driver's ``Cluster.connect``."""
        # Not sooner: context and reactor may be assigned after the cluster was made.
        driver_class = self.connection_class
        self.connection_class: Any = resuming(driver_class)
        if self.ssl_context is not None and self._tsc_cache.enabled:
            _attach_once(
                self.ssl_context,
                self._tsc_cache,
                max_wait_within(self.connect_timeout),
                self._tsc_identity,
            )
            if hasattr(self, "ssl_session_cache"):
                self.ssl_session_cache = None
        return super().connect(*args, **kwargs)


def _attach_once(
    context: Any, cache: TLSSessionCache, max_wait: float, identity: bytes | None
) -> None:
    """Have a context's connections resume: `ssl`'s, or pyOpenSSL's (Eventlet, Twisted)."""
    with _attaching:
        if not hasattr(context, "wrap_socket"):
            from tsc import pyopenssl

            if not isinstance(context, pyopenssl.Context):
                pyopenssl.attach(context, cache, accept="caller")
        elif of(context) is None:
            attach(
                context,
                cache,
                accept="caller",
                max_wait=max_wait,
                identity=identity,
                serialise=identity is not None,
            )
