"""A pool that is opened at once, each connection in a thread of its own."""

import threading
import time


def open_at_once(count, open_one):
    """Calls open_one in count threads. Gives the seconds until all are back, and their results."""
    opened, start = [], threading.Barrier(count + 1)

    def run():
        start.wait()
        opened.append(open_one())

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    assert len(opened) == count  # none raised
    return took, opened
