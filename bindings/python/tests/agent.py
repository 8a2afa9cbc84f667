"""A tsc-agent of a test's own, as `make agent` builds it."""

import contextlib
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import threading

import pytest

PROGRAM = pathlib.Path(__file__).parents[3] / "build/agent/release/tsc-agent"


@pytest.fixture
def agent(tmp_path):
    """Give the socket of one that ends with the test."""
    if sys.platform != "linux":
        pytest.skip("tsc-agent needs Linux")
    if not PROGRAM.exists():
        pytest.skip(f"there is no {PROGRAM}: make agent")
    socket = tmp_path / "agent"
    running = subprocess.Popen([PROGRAM, "--socket", socket], stderr=subprocess.DEVNULL)
    try:
        status = [PROGRAM, "status", "--socket", socket]
        while subprocess.run(status, capture_output=True, check=False).returncode != 0:
            assert running.poll() is None
        yield socket
    finally:
        running.kill()
        running.wait()


def wait_for(agent, counter, at_least):
    """Wait until an agent has counted so many: it reads in its own time what has no reply."""
    status = [PROGRAM, "status", "--socket", agent]
    count = 0
    while count < at_least:
        said = subprocess.run(status, capture_output=True, check=True, text=True).stdout
        counts = [line.split()[1] for line in said.splitlines() if line.startswith(counter + "{")]
        count = sum(map(int, counts))


@contextlib.contextmanager
def relayed(agent, path):
    """Has a socket lead to an agent, by way of threads of this process: they need the GIL."""
    ends = []

    def accept():
        with contextlib.suppress(OSError):  # the listener was shut down
            while True:
                near, far = listener.accept()[0], socket.socket(socket.AF_UNIX)
                far.connect(str(agent))
                ends.extend((near, far))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=copy, args=pair, daemon=True).start()

    def copy(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield path
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for end in ends:
                end.close()


@contextlib.contextmanager
def stopped(agent):
    """Has an agent do nothing, until what this gives is called or the block ends."""
    with socket.socket(socket.AF_UNIX) as to:
        to.connect(str(agent))
        peer = to.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, _, _ = struct.unpack("3i", peer)

    def go_on():
        os.kill(pid, signal.SIGCONT)

    os.kill(pid, signal.SIGSTOP)
    try:
        yield go_on
    finally:
        go_on()
