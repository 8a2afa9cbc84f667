"""A client-side TLS session cache for drivers: reconnecting costs a resumed handshake.

`TLSSessionCache` holds sessions. `SSLContext` is an `ssl.SSLContext` whose connections use it by
themselves. ``docs/python.md`` in the repository is the guide.
"""

from tsc._tsc import Error
from tsc.cache import Endpoint, Stats, TLSSessionCache

__all__ = ["Endpoint", "Error", "Stats", "TLSSessionCache"]
