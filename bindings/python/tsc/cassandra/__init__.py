"""cassandra-driver and scylla-driver, whichever is installed, with connections that resume.

One line of a program changes, the import::

    from tsc.cassandra import Cluster

`SSLSessionCache` is for maintainers of a driver: ``docs/python-driver.md`` in the repository.
"""

from tsc.cassandra.cluster import Cluster
from tsc.ssl_session_cache import SSLSessionCache

__all__ = ["Cluster", "SSLSessionCache"]
