"""A client-side TLS session cache for drivers: reconnecting costs a resumed handshake.

`attach` has the connections of any `ssl.SSLContext` use a `TLSSessionCache`, which holds sessions.
``docs/python.md`` in the repository is the guide. Under gevent, patch before importing.
"""

from tsc._tsc import Error
from tsc.attach import Status, attach, detach, status
from tsc.cache import Endpoint, Stats, TLSSessionCache
from tsc.connection import SSLObject, SSLSocket
from tsc.context import SSLContext, create_default_context
from tsc.endpoint import endpoint
from tsc.event import Event, EventKind
from tsc.install import install, uninstall
from tsc.reason import Reason

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
    "Status",
    "TLSSessionCache",
    "attach",
    "create_default_context",
    "detach",
    "endpoint",
    "install",
    "status",
    "uninstall",
]
