"""Classes that derive from those of a context and its connections, and resume."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from tsc.connection import SSLObject, SSLSocket

# Bounded: truststore and others make classes for each context.
_derived = lru_cache(maxsize=32)


@_derived
def context_class(context: type, way: Any, sslsocket: type, sslobject: type) -> Any:
    """Give a class of contexts, with those of its connections."""
    members = {
        "sslsocket_class": connection_class(sslsocket, way._tsc_socket, SSLSocket),
        "sslobject_class": connection_class(sslobject, way._tsc_object, SSLObject),
    }
    return _derive(context, way, members)


@_derived
def connection_class(base: type, way: type, usual: type) -> type:
    """Give a class of connections that derives from that of the context."""
    return _derive(usual if issubclass(usual, base) else base, way, {})


def _derive(base: type, way: type, members: dict[str, Any]) -> type:
    """Make a class with the name of its base, which is not told: it may want arguments for that."""

    def told(cls: type, **_arguments: Any) -> None:
        pass

    unchanged = {"__module__": base.__module__, "__doc__": base.__doc__}
    # `__init_subclass__` is looked up behind the class itself, so it has to be in one of its bases.
    silent = type(way.__name__, (way,), {"__init_subclass__": told})
    return type(base.__name__, (silent, base), {**unchanged, **members})
