"""A client-side TLS session cache for drivers: reconnecting costs a resumed handshake.

`TLSSessionCache` holds sessions. `SSLContext` is an `ssl.SSLContext` whose connections use it by
themselves. ``docs/python.md`` in the repository is the guide. Under gevent, patch before importing.
"""

from tsc._tsc import Error
from tsc.cache import Endpoint, Stats, TLSSessionCache
from tsc.context import SSLContext, create_default_context
from tsc.endpoint import endpoint
from tsc.event import Event, EventKind
from tsc.reason import Reason
from tsc.socket import SSLObject, SSLSocket

__all__ = [
    "Endpoint",
    "Error",
    "Event",
    "EventKind",
    "Reason",
    "SSLContext",
    "SSLObject",
    "SSLSocket",
    "Stats",
    "TLSSessionCache",
    "create_default_context",
    "endpoint",
]
