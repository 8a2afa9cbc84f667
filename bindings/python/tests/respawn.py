"""respawn.py CERTIFICATE KEY VERSION: a server whose workers may be killed, as of a prefork server.

Each answers lines with themselves. They share the keys of the tickets, which are the parent's. It
prints its port, and the number of each worker.
"""

import contextlib
import os
import socket
import ssl
import sys
import threading

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(*sys.argv[1:3])
context.minimum_version = context.maximum_version = ssl.TLSVersion[sys.argv[3]]
listener = socket.create_server(("127.0.0.1", 0), backlog=128)
print(listener.getsockname()[1], flush=True)


def serve(tcp):
    tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with contextlib.suppress(OSError), context.wrap_socket(tcp, server_side=True) as tls:
        while data := tls.recv(100):
            tls.sendall(data)


while True:
    worker = os.fork()
    if worker == 0:
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
    print(worker, flush=True)
    os.waitpid(worker, 0)
