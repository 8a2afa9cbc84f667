"""Measures what a connection costs the client: full, by the request's design, and by both ways.

The client's CPU for a connection that asks one line of a server on this machine, a process of its
own; each against full handshakes of the same round, the median of all rounds. The request's design
is a lock around an OrderedDict with one session an endpoint, offered and read by `ssl` itself.
"""

import contextlib
import importlib
import os
import pathlib
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tests"))

from cache import PurePython
from peer import certificate

import tsc
from tsc.fallback_context import FallbackContext

ROUNDS, CONNECTIONS = 9, 50
RESPAWN = pathlib.Path(__file__).parent.parent / "tests" / "respawn.py"


def ask(context, port, session=None):
    tcp = socket.create_connection(("127.0.0.1", port))
    tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    tls = context.wrap_socket(tcp, server_hostname="localhost", session=session)
    tls.sendall(b"hello\n")
    assert tls.recv(10) == b"hello\n"
    return tls


class Full:
    """As `ssl` does by itself."""

    name = "full"

    def __init__(self, cafile):
        self.context = ssl.create_default_context(cafile=cafile)

    def open(self, port):
        return ask(self.context, port)

    def connect(self, port):
        with self.open(port) as tls:
            return tls.session_reused


class Requested(Full):
    """The request's design."""

    name = "lock and OrderedDict"

    def __init__(self, cafile):
        super().__init__(cafile)
        self.cache = PurePython()

    def open(self, port):
        endpoint = "127.0.0.1", port
        tls = ask(self.context, port, self.cache.get_session(endpoint))
        self.cache.set_session(endpoint, tls.session)
        return tls


class Direct(Full):
    """`tsc.attach`, in the direct way."""

    name = "tsc, direct mode"

    def __init__(self, cafile):
        super().__init__(cafile)
        tsc.attach(self.context)


class Fallback(Full):
    """`tsc.attach`, in the fallback."""

    name = "tsc, fallback mode"

    def __init__(self, cafile):
        super().__init__(cafile)
        module = importlib.import_module("tsc.attach")  # whose function has the same name
        before = module.DirectContext
        module.DirectContext = FallbackContext
        tsc.attach(self.context)
        module.DirectContext = before


def cpu(one, port):
    """Gives the client's CPU seconds of connections, all but the first of which resume."""
    one.connect(port)
    began, resumed = time.process_time(), 0
    for _ in range(CONNECTIONS):
        resumed += one.connect(port)
    taken = time.process_time() - began
    assert resumed == (0 if type(one) is Full else CONNECTIONS), resumed
    return taken / CONNECTIONS


@contextlib.contextmanager
def respawning(cert, version):
    """Gives the port of a server, a process of its own."""
    server = subprocess.Popen(
        [sys.executable, str(RESPAWN), *cert, version], stdout=subprocess.PIPE, text=True
    )
    port = int(server.stdout.readline())
    worker = int(server.stdout.readline())
    try:
        yield port
    finally:
        # The parent first: it would start another worker, which would hold its output open.
        server.kill()
        os.kill(worker, signal.SIGKILL)
        server.communicate()


def measure(cert, version, designs):
    with respawning(cert, version) as port:
        rows = [[cpu(design(cert[0]), port) for design in designs] for _ in range(ROUNDS)]
    print(f"{version.replace('v1_', ' 1.')}")
    for i, design in enumerate(designs):
        middle = statistics.median(row[i] for row in rows) * 1000
        times = statistics.median(row[i] / row[0] for row in rows)
        print(f"  {design.name:21} {middle:6.3f} ms  x {times:.2f}")


def main():
    status = tsc.status()
    print(
        f"CPython {sys.version.split()[0]}, {ssl.OPENSSL_VERSION}, {status.reason or 'direct mode'}"
    )
    designs = [Full, Requested, Fallback] + [Direct] * status.direct
    with tempfile.TemporaryDirectory() as folder:
        cert = certificate(pathlib.Path(folder))
        for version in ("TLSv1_2", "TLSv1_3"):
            measure(cert, version, designs)


if __name__ == "__main__":
    main()
