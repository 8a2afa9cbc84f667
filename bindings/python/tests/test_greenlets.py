"""Greenlets that wait for tickets, and let those run that bring them."""

import pathlib
import subprocess
import sys

import pytest

CLIENT = pathlib.Path(__file__).parent / "greenlets.py"
LIBRARIES = pytest.mark.parametrize("library", ["gevent", "eventlet"])


def run(library, scene, server, cert):
    command = [sys.executable, CLIENT, library, scene, str(server.port), cert[0]]
    client = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert client.returncode == 0, client.stderr


@LIBRARIES
def test_a_burst_waits_for_tickets(serve, cert, library):
    server = serve()
    run(library, "burst", server, cert)
    assert server.resumed == [False] + 15 * [True]


@LIBRARIES
def test_a_killed_greenlet_withholds_nothing(serve, cert, library):
    server = serve()
    run(library, "abandoned", server, cert)
    assert server.resumed == [False, True]
