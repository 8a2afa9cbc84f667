"""Measures a pool that is opened at once, after one connection: what resumes, and when it is up.

Over TLS 1.3, to OpenSSL, which sends two tickets after a full handshake and one after a resumed
one. Each way's time until the last connection has its first answer, against full handshakes of the
same round; medians of all rounds.
"""

import pathlib
import ssl
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tests"))

from connections import Full, Requested, respawning
from network import ROUND_TRIPS, delayed
from peer import certificate
from pool import open_at_once

import tsc

ROUNDS, POOL = 15, 16


class Resuming(Full):
    """`tsc.attach`."""

    name, max_wait, reuse = "tsc", 0.0, False

    def __init__(self, cafile):
        super().__init__(cafile)
        cache = tsc.TLSSessionCache(reuse_when_dry=self.reuse)
        tsc.attach(self.context, cache, max_wait=self.max_wait)


class Waiting(Resuming):
    name, max_wait = "tsc, max_wait=2", 2.0


class AsCluster(Resuming):
    name, max_wait, reuse = "tsc, as tsc.cassandra", 0.05, True


WAYS = [Full, Requested, Resuming, Waiting, AsCluster]


def burst(way, port, round_trip):
    """Opens the pool; gives the seconds until it is up, and how many resumed."""

    def open_one():
        time.sleep(round_trip)  # TCP's handshake
        return way.open(port)

    way.open(port).close()
    took, pool = open_at_once(POOL, open_one)
    resumed = sum(tls.session_reused for tls in pool)
    for tls in pool:
        tls.close()
    return took, resumed


def measure(cafile, port, milliseconds):
    rows = [[burst(way(cafile), port, milliseconds / 1000) for way in WAYS] for _ in range(ROUNDS)]
    print(f"a round trip of {milliseconds} ms")
    for i, way in enumerate(WAYS):
        took = statistics.median(row[i][0] for row in rows) * 1000
        times = statistics.median(row[i][0] / row[0][0] for row in rows)
        resumed = statistics.median(row[i][1] for row in rows)
        print(f"  {way.name:22}{resumed:3.0f} resumed, up in {took:4.0f} ms, x {times:.2f}")


def main():
    print(f"{POOL} at once after one, CPython {sys.version.split()[0]}, {ssl.OPENSSL_VERSION}")
    with tempfile.TemporaryDirectory() as folder:
        cert = certificate(pathlib.Path(folder))
        with respawning(cert, "TLSv1_3") as server:
            for milliseconds in ROUND_TRIPS:
                with delayed(server, milliseconds) as port:
                    measure(cert[0], port, milliseconds)


if __name__ == "__main__":
    main()
