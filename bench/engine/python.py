"""Measures the request's design beside `tsc.TLSSessionCache`, for engine-bench.

engine-bench asks, between its own measurements: "SUBJECT ORDER MIX THREADS STEPS" on a line,
answered with nanoseconds per step by the wall clock. Sessions are those that a handshake made.
"""

import bisect
import itertools
import pathlib
import random
import ssl
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "bindings/python/bench"))

from cache import PurePython, session_of, shared

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "bindings/python/tests"))

from peer import certificate

ENDPOINTS = [(f"node-{number:06}.db.example.com", 9142) for number in range(10_000)]
MAKE = {"libtsc": shared, "request": PurePython}
VERSIONS = {"90/10": ssl.TLSVersion.TLSv1_2, "churn": ssl.TLSVersion.TLSv1_3}
NAMES = {"90/10": "TLSv1.2", "churn": "TLSv1.3"}


def orders():
    chance = random.Random(1)
    sums = list(itertools.accumulate((rank + 1) ** -0.99 for rank in range(len(ENDPOINTS))))
    zipf = [bisect.bisect(sums, chance.random() * sums[-1]) for _ in range(1 << 16)]
    return {
        "hot": [ENDPOINTS[chance.randrange(8)] for _ in range(1 << 16)],
        "zipf": [ENDPOINTS[min(at, len(ENDPOINTS) - 1)] for at in zipf],
    }


class Mix:
    """The caches of one mix, filled, with what they are filled with."""

    def __init__(self, name, session):
        self.name, self.session, self.version = name, session, NAMES[name]
        self.caches = {subject: make(len(ENDPOINTS)) for subject, make in MAKE.items()}
        for cache in self.caches.values():
            for endpoint in ENDPOINTS:
                cache.set_session(endpoint, session, self.version)
            assert cache.get_session(ENDPOINTS[-1]) is not None, "what was put is there"

    def step(self, cache, turn, endpoint):
        if self.name == "churn":
            cache.get_session(endpoint)
            cache.set_session(endpoint, self.session, self.version)
            cache.set_session(endpoint, self.session, self.version)
        elif turn % 10 == 9:
            cache.set_session(endpoint, self.session, self.version)
        else:
            cache.get_session(endpoint)

    def run(self, subject, order, threads, steps):
        """Gives the nanoseconds per step."""
        cache, each = self.caches[subject], steps // threads
        barrier = threading.Barrier(threads + 1)

        def work(start):
            barrier.wait()
            for turn in range(each):
                self.step(cache, turn, order[(start + turn) % len(order)])

        places = (len(order) // threads * thread for thread in range(threads))
        run = [threading.Thread(target=work, args=(start,)) for start in places]
        for thread in run:
            thread.start()
        barrier.wait()
        began = time.perf_counter()
        for thread in run:
            thread.join()
        return (time.perf_counter() - began) * 1e9 / (each * threads)


def main():
    with tempfile.TemporaryDirectory() as folder:
        cert = certificate(pathlib.Path(folder))
        mixes = {name: Mix(name, session_of(cert, VERSIONS[name])) for name in NAMES}
    made = orders()
    for line in sys.stdin:
        subject, order, mix, threads, steps = line.split()
        print(mixes[mix].run(subject, made[order], int(threads), int(steps)), flush=True)


if __name__ == "__main__":
    main()
