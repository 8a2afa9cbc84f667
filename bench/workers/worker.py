"""worker.py HOST PORT CAFILE: what worker.c is, in Python."""

import contextlib
import socket
import ssl
import sys

import tsc

host, port, cafile = sys.argv[1:]
context = ssl.create_default_context(cafile=cafile)
cache = tsc.TLSSessionCache(share=True, agent_budget=60)
tsc.attach(context, cache, identity=b"workers", serialise=True, max_wait=60)
with (
    socket.create_connection((host, int(port))) as tcp,
    context.wrap_socket(tcp, server_hostname=host) as tls,
):
    tls.sendall(b"login\n")
    tls.recv(100)
    print("resumed" if tls.session_reused else "full")
    # Otherwise OpenSSL's servers forget sessions that they keep themselves.
    with contextlib.suppress(OSError):
        tls.unwrap()
