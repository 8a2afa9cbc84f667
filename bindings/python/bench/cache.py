"""Measures `tsc.TLSSessionCache` against the request's design, a lock and an OrderedDict.

A get that finds, a set, and a set and a get of a TLS 1.3 ticket, with sessions of the ssl module:
wall time over all threads' calls, the best of several runs, in which the two take turns. Memory is
what a cache costs beside the sessions, which are the same objects in both.
"""

import collections
import pathlib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tests"))

from peer import Server, ask, certificate

import tsc

ROUNDS, RUNS = 20_000, 5
ENDPOINTS = [("10.0.0.1", 9042 + i) for i in range(50)]


class PurePython:
    """One session an endpoint, behind a lock; the least recently used goes first."""

    def __init__(self, max_size=100, ttl=3600):
        self.max_size, self.ttl = max_size, ttl
        self.lock = threading.RLock()
        self.sessions = collections.OrderedDict()

    def get_session(self, endpoint):
        with self.lock:
            found = self.sessions.get(endpoint)
            if found is None:
                return None
            session, stored = found
            if time.monotonic() - stored > self.ttl:
                del self.sessions[endpoint]
                return None
            self.sessions.move_to_end(endpoint)
            return session

    def set_session(self, endpoint, session, version=None):
        with self.lock:
            self.sessions[endpoint] = session, time.monotonic()
            self.sessions.move_to_end(endpoint)
            if len(self.sessions) > self.max_size:
                self.sessions.popitem(last=False)


def nanoseconds(work, threads):
    """Gives the wall time per operation, over those of all threads."""
    run = [threading.Thread(target=work) for _ in range(threads)]
    began = time.perf_counter()
    for thread in run:
        thread.start()
    for thread in run:
        thread.join()
    return (time.perf_counter() - began) / ROUNDS / threads * 1e9


def works(make, sessions):
    """Gives what is timed: a get (TLS 1.2, hit), a set, and a set and a get of a ticket."""
    cache, tickets = make(), make()
    for endpoint in ENDPOINTS:
        cache.set_session(endpoint, sessions["TLSv1.2"], "TLSv1.2")

    def get():
        for i in range(ROUNDS):
            cache.get_session(ENDPOINTS[i % 50])

    def put(session=sessions["TLSv1.2"]):
        for i in range(ROUNDS):
            cache.set_session(ENDPOINTS[i % 50], session, "TLSv1.2")

    def ticket(session=sessions["TLSv1.3"]):
        for i in range(ROUNDS):
            tickets.set_session(ENDPOINTS[i % 50], session, "TLSv1.3")
            tickets.get_session(ENDPOINTS[i % 50])

    return get, put, ticket


def times(threads, sessions):
    """Gives for each kind of cache the best times of `works`."""
    best = {name: [float("inf")] * 3 for name in MAKE}
    for _ in range(RUNS):
        for name, make in MAKE.items():
            for i, work in enumerate(works(make, sessions)):
                best[name][i] = min(best[name][i], nanoseconds(work, threads))
    return best


def session_of(cert, version):
    """Gives a session of a real connection."""
    server = Server(*cert, version)
    context = ssl.create_default_context(cafile=cert[0])
    tcp = socket.create_connection(("127.0.0.1", server.port))
    with context.wrap_socket(tcp, server_hostname="localhost") as tls:
        ask(tls)
        session = tls.session
    server.close()
    return session


def per_session(kind, count=50_000):
    """Gives the bytes of the process for each session kept, without the session's own."""
    code = f"""
import sys
sys.path[:0] = {sys.path!r}
import cache
made = cache.MAKE[{kind!r}]({count + 1})
session = object()
made.set_session(("10.0.0.1", 1), session, "TLSv1.2")
def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096
before = resident()
for i in range({count}):
    made.set_session(("10.0.0.1", i + 2), session, "TLSv1.2")
assert made.get_session(("10.0.0.1", 1)) is session, "the oldest is still there"
print((resident() - before) // {count})
"""
    return int(subprocess.check_output([sys.executable, "-c", code]))


def shared(max_size=100):
    """Make one that, as the other, is bounded by its size alone."""
    return tsc.TLSSessionCache(max_size, max_bytes=1 << 40)


MAKE = {"lock and OrderedDict": PurePython, "tsc": shared}


def main():
    for name in MAKE:
        print(f"{name}: {per_session(name)} bytes for each session kept, beside the session")
    with tempfile.TemporaryDirectory() as folder:
        cert = certificate(pathlib.Path(folder))
        sessions = {
            "TLSv1.2": session_of(cert, ssl.TLSVersion.TLSv1_2),
            "TLSv1.3": session_of(cert, ssl.TLSVersion.TLSv1_3),
        }
        print(f"{'':34}{'get':>9}{'set':>9}{'ticket':>9}")
        for threads in (1, 8):
            for name, row in times(threads, sessions).items():
                cells = "".join(f"{ns:6.0f} ns" for ns in row)
                print(f"{name + f', threads: {threads}':34}{cells}")


if __name__ == "__main__":
    main()
