"""A network with a round trip: bench/storm/delay between the benchmark and its server."""

import contextlib
import os
import pathlib
import subprocess

DELAY = pathlib.Path(__file__).parents[3] / "build" / "storm" / "delay"

ROUND_TRIPS = [0.2, 50]
"""In milliseconds: within a data center, and across a continent."""


@contextlib.contextmanager
def delayed(port, milliseconds):
    """Gives a port that leads to another, over a network with this round trip.

    TCP's own handshake takes none there: it is the client's to sleep for it.
    """
    command = [str(DELAY), str(milliseconds), "sh", "-c", "echo $NODES; exec cat"]
    environment = {**os.environ, "NODES": f"127.0.0.1:{port}"}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env=environment, stdin=pipe, stdout=pipe, text=True
    ) as process:  # it lasts as long as the shell, and that as long as its input
        yield int(process.stdout.readline().split(":")[1])
        process.stdin.close()
