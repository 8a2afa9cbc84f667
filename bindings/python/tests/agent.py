"""A tsc-agent of a test's own, as `make agent` builds it."""

import pathlib
import subprocess
import sys

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
