"""cluster_client.py REACTOR PORT CERTIFICATE BURST [OPTION=VALUE...]: a program that connects.

Three clusters one after the other, of one plain context; with the last, BURST connections at once.
Prints `session_reused` of each connection of the driver, of the burst apart, and what the cache
counted. A process of its own for each reactor: see cassandra_client.py.
"""

import importlib
import json
import sys
import threading
import time

reactor, port, certificate, burst, *options = sys.argv[1:]
if reactor == "gevent":
    import gevent.monkey

    gevent.monkey.patch_all()
elif reactor == "eventlet":
    import eventlet

    eventlet.monkey_patch()

from cassandra.auth import PlainTextAuthProvider  # noqa: E402
from reactors import CLASSES  # noqa: E402

import tsc.cassandra.connection  # noqa: E402
from tsc.cassandra import Cluster  # noqa: E402

if reactor in ("eventlet", "twisted"):
    from OpenSSL import SSL

    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.load_verify_locations(certificate)
    context.set_verify(SSL.VERIFY_PEER)
else:
    import ssl

    context = ssl.create_default_context(cafile=certificate)

tsc.cassandra.connection._MAX_WAIT = 20  # however slow this machine is
settings = {name: json.loads(value) for name, value in (one.split("=") for one in options)}
if "password" in settings:
    settings["auth_provider"] = PlainTextAuthProvider("cassandra", settings.pop("password"))
settings.setdefault("protocol_version", 4)
shards = settings.pop("shards", 1)
module = importlib.import_module(f"cassandra.io.{reactor}reactor")

seen = []


def open_one(cluster, found):
    connection = cluster.connection_factory(cluster.metadata.all_hosts()[0].endpoint)
    found.append(connection.session_reused)
    connection.close()


for turn in range(3):
    cluster = Cluster(
        ["127.0.0.1"],
        port=int(port),
        ssl_context=context,
        connection_class=getattr(module, CLASSES[reactor]),
        connect_timeout=100,
        control_connection_timeout=60,
        compression=False,
        schema_metadata_enabled=False,
        token_metadata_enabled=False,
        **settings,
    )
    session = cluster.connect(wait_for_all_pools=True)
    for pool in session.get_pools():  # scylla-driver opens a node's other shards by and by
        while getattr(pool, "open_count", shards) < shards:
            time.sleep(0.01)
    seen.append(cluster.control_connection._connection.session_reused)
    for pool in session.get_pools():
        connections = getattr(pool, "_connections", None)
        connections = connections.values() if connections else [pool._connection]
        seen += [connection.session_reused for connection in connections]
    at_once = []
    if turn == 2:
        threads = [
            threading.Thread(target=open_one, args=(cluster, at_once)) for _ in range(int(burst))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    stats = cluster.tls_session_cache.stats()
    cluster.shutdown()
print(json.dumps({"seen": seen, "burst": at_once, "resumed": stats.resumed}))
