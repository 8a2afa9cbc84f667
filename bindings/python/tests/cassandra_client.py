"""cassandra_client.py REACTOR PORT CERTIFICATE: connects three times, as an application does.

A process of its own for each reactor: they patch the standard library, and only one fits in.
"""

import importlib
import sys

reactor, port, certificate = sys.argv[1:]
if reactor == "gevent":
    import gevent.monkey

    gevent.monkey.patch_all()
elif reactor == "eventlet":
    import eventlet

    eventlet.monkey_patch()

from cassandra.cluster import Cluster  # noqa: E402
from reactors import CLASSES  # noqa: E402

import tsc  # noqa: E402

module = importlib.import_module(f"cassandra.io.{reactor}reactor")
connection_class = getattr(module, CLASSES[reactor])

if reactor in ("eventlet", "twisted"):
    from OpenSSL import SSL

    import tsc.pyopenssl

    context = tsc.pyopenssl.Context(SSL.TLS_CLIENT_METHOD, accept="handshake")
    context.load_verify_locations(certificate)
    context.set_verify(SSL.VERIFY_PEER)
else:
    context = tsc.create_default_context(cafile=certificate)

for _ in range(3):
    cluster = Cluster(
        ["127.0.0.1"], port=int(port), ssl_context=context, connection_class=connection_class
    )
    session = cluster.connect()
    assert session.execute("SELECT release_version FROM system.local").one()
    cluster.shutdown()
print(context.session_cache.stats().resumed)
