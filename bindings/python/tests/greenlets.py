"""greenlets.py LIBRARY SCENE PORT CERTIFICATE: connections in greenlets, some of which wait.

A process of its own for each library, since they patch the standard library. A wait that blocked
the thread would keep the others from bringing what is waited for, for longer than the test lasts.
"""

import sys

library, scene, port, certificate = sys.argv[1:]
if library == "gevent":
    import gevent.monkey

    gevent.monkey.patch_all()
    from gevent import Greenlet, joinall, sleep, spawn

    kill = Greenlet.kill  # which returns when it is dead
else:
    import eventlet

    eventlet.monkey_patch()
    from eventlet import kill, sleep, spawn

    def joinall(greenlets):
        for one in greenlets:
            one.wait()


import socket  # noqa: E402
import ssl  # noqa: E402

import tsc  # noqa: E402

MAX_WAIT = 100

if library == "gevent":
    context = tsc.SSLContext(ssl.PROTOCOL_TLS_CLIENT, accept="caller", max_wait=MAX_WAIT)
    context.load_verify_locations(certificate)

    def open_():
        tcp = socket.create_connection(("127.0.0.1", int(port)))
        return context.wrap_socket(tcp, server_hostname="localhost")

    established = tsc.SSLSocket.tsc_established

else:
    from eventlet.green.OpenSSL import SSL

    import tsc.pyopenssl

    context = tsc.pyopenssl.Context(accept="caller")
    context.load_verify_locations(certificate)
    context.set_verify(SSL.VERIFY_PEER)

    def open_():
        tcp = socket.create_connection(("127.0.0.1", int(port)))
        tls = SSL.Connection(context, tcp)
        tls.set_tlsext_host_name(b"localhost")
        tls.set_connect_state()
        tsc.pyopenssl.begin(tls, max_wait=MAX_WAIT)
        tls.do_handshake()
        return tls

    established = tsc.pyopenssl.established


def asked():
    tls = open_()
    tls.sendall(b"hello\n")
    assert tls.recv(6) == b"hello\n"
    return tls


def visit():
    tls = asked()
    established(tls)
    tls.shutdown(*[socket.SHUT_RDWR] if library == "gevent" else [])
    tls.close()


def burst():
    """Only the first has nothing to offer."""
    joinall([spawn(visit) for _ in range(16)])


def abandoned():
    """One that waits is killed, and what it waited for is others'."""
    first = asked()
    killed = spawn(open_)
    while not context.session_cache._cache.stats()["waited"]:
        sleep(0)
    kill(killed)
    established(first)
    assert len(context.session_cache) == 2, context.session_cache.stats()
    visit()


{"burst": burst, "abandoned": abandoned}[scene]()
