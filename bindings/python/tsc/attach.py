"""Attaching: any `ssl.SSLContext` becomes one whose connections resume."""

from __future__ import annotations

import operator
import ssl
from dataclasses import dataclass
from functools import cache
from typing import Any

from tsc.attached import Accept, Attachment, maker, of
from tsc.cache import TLSSessionCache
from tsc.derived import context_class
from tsc.direct_context import DirectContext, obstacle
from tsc.fallback_context import FallbackContext
from tsc.wait import milliseconds


@dataclass(frozen=True)
class Status:
    """How this interpreter's sessions are reached."""

    direct: bool
    """Whether it is directly, in OpenSSL. Otherwise it is by way of what `ssl` shows of them."""
    reason: str | None
    """Why it is not."""


@cache
def status() -> Status:
    """Say which of the two ways is taken in this interpreter, and why."""
    reason = obstacle()
    return Status(reason is None, reason)


def attach(
    context: ssl.SSLContext,
    cache: TLSSessionCache | None = None,
    *,
    accept: Accept = "data",
    max_wait: float = 0,
    identity: bytes | None = None,
    client_not_after: int = 0,
    serialise: bool = False,
    replace_sessions: bool = False,
    share_client_certificate: bool = False,
) -> TLSSessionCache:
    """Have the client connections of a context find, offer, keep and publish sessions.

    Any context will do: from `ssl.create_default_context`, a subclass's, truststore's, one that a
    driver holds.
    Call it once, when the context is set up. The context gets what `tsc.SSLContext` has
    (``session_cache``, ``ticket``), its connections what `tsc.SSLSocket` has.

    cache: where sessions are kept. None: a cache of its own, with the defaults. Contexts may share
    a cache.
    accept: when a connection counts as established, so that others are offered what it received.
    "data": with the first application data from the server, so that no driver has to know of this.
    A server that sends data and then refuses the login is taken for one that accepted.
    "handshake": after the handshake. "caller": when the driver calls ``tsc_established()`` on the
    connection, or never.
    max_wait: seconds for which a connection waits at most for a ticket that others are about to
    bring, in place of a full handshake. 0: not at all. Blocking sockets wait by themselves before
    the handshake, and then block their thread; or their greenlet, under gevent. asyncio waits in
    ``ticket``. Only on Linux.
    identity: bytes that name the configuration. Contexts of one cache and identity share sessions
    while they trust the same roots, verify alike and are the same client. You vouch for what cannot
    be seen: ALPN and the callback of a pre-shared key, if they were set before. None: no other
    context is offered its sessions. Without effect where `status` is not direct.
    client_not_after: when the client's certificate ends, in Unix seconds; 0: none, or not known.
    serialise: keep sessions as bytes, in memory of libtsc's own, so that they can be exported
    (``export_sessions``), or shared with other processes if the cache does that (``share=True``)
    and there is an identity. Each offer then costs OpenSSL a decoding.
    replace_sessions: what a driver sets as ``session`` by itself, as pymongo does, is not offered;
    what is in the cache is. Otherwise a session of the caller's that can resume is offered, and the
    connection does without the cache. Without effect where `status` is not direct.
    share_client_certificate: share sessions with other processes though the context has a client
    certificate. Whoever runs as this user can then be the client, without its key, for as long as
    the sessions last.

    Gives the cache. Raises ValueError for a context of a server, and for one that is attached.
    """
    context = maker(context)
    if not isinstance(context, ssl._ssl._SSLContext):  # type: ignore[attr-defined]
        raise TypeError(f"context is {context!r}, not an ssl.SSLContext")
    if cache is not None and not isinstance(cache, TLSSessionCache):
        raise TypeError(f"cache is {cache!r}, not a tsc.TLSSessionCache")
    if identity is not None and not isinstance(identity, bytes):
        raise TypeError(f"identity is {identity!r}, not bytes")
    if not 0 <= operator.index(client_not_after) < 2**63:
        raise ValueError(f"client_not_after is {client_not_after!r}, not a time in Unix seconds")
    if accept not in ("data", "handshake", "caller"):
        raise ValueError(f"accept is {accept!r}, not 'data', 'handshake' or 'caller'")
    if context.protocol == ssl.PROTOCOL_TLS_SERVER:
        raise ValueError("a server's context has no sessions to offer")
    if of(context) is not None:
        raise ValueError("the context is attached already")
    attachment = Attachment(
        cache=TLSSessionCache() if cache is None else cache,
        accept=accept,
        max_wait_ms=milliseconds(max_wait),
        identity=identity,
        client_not_after=operator.index(client_not_after),
        serialise=bool(serialise),
        replace_sessions=bool(replace_sessions),
        share_client_certificate=bool(share_client_certificate),
        detached_class=type(context),
        detached_classes={
            name: context.__dict__[name]
            for name in ("sslsocket_class", "sslobject_class")
            if name in context.__dict__
        },
    )
    way: Any = DirectContext if status().direct else FallbackContext
    base: Any = type(context)
    connections: Any = context.sslsocket_class, context.sslobject_class
    kind = context_class(base, way, *connections)
    try:
        context.__class__ = kind
    except (AttributeError, TypeError) as error:
        raise TypeError(f"a context of {base} cannot be attached: {error}") from error
    try:
        kind._tsc_attach(context, attachment)
    except BaseException:
        context.__class__ = attachment.detached_class
        raise
    for name in attachment.detached_classes:
        del context.__dict__[name]  # the class has them now
    return attachment.cache


def detach(context: ssl.SSLContext) -> None:
    """Have a context do full handshakes again, as before `attach`.

    Connections that are open go on. What the cache has stays there until it expires. 1.4 KB stay
    with the context for as long as it lasts. Raises ValueError for one that is not attached.
    """
    context = maker(context)
    attachment = of(context)
    if attachment is None:
        raise ValueError("the context is not attached")
    type(context)._tsc_detach(context)  # type: ignore[attr-defined]
    context.__class__ = attachment.detached_class
    for name in ("sslsocket_class", "sslobject_class"):
        context.__dict__.pop(name, None)
    context.__dict__.update(attachment.detached_classes)
