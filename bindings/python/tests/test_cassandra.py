"""cassandra-driver, unmodified, against Apache Cassandra; the proof is read from the wire."""

import pathlib
import subprocess
import sys

import pytest
from test_drivers import Tap, free_port, running

HERE = pathlib.Path(__file__).parent
RUN = HERE.parents[2] / "tests" / "servers" / "cassandra" / "run"


@pytest.fixture(scope="module", params=["TLSv1.2", "TLSv1.3"])
def cassandra(request, tmp_path_factory):
    """One node that speaks one version of TLS."""
    folder, port = tmp_path_factory.mktemp("cassandra"), free_port()
    command = [str(RUN), str(folder), str(port), str(free_port()), request.param]
    with running(command, port, patience=120):
        yield port, folder / "cert.pem"


@pytest.mark.parametrize("reactor", ["asyncore", "libev", "gevent", "eventlet", "twisted"])
def test_reconnects_resume(cassandra, reactor):
    if reactor == "asyncore" and sys.version_info >= (3, 12):
        pytest.skip("Python 3.12 has no asyncore")
    port, cert = cassandra
    tap = Tap(port)
    command = [sys.executable, str(HERE / "cassandra_client.py"), reactor, str(tap.port), str(cert)]
    client = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    tap.close()
    assert client.returncode == 0, client.stderr
    # A cluster opens two connections: one to look around, and one to work. Only the first of all
    # has nothing to offer; the second may be too early for a ticket.
    assert len(tap.resumed) >= 6 and not tap.resumed[0]
    assert all(tap.resumed[2:]), tap.resumed
    assert int(client.stdout) == tap.resumed.count(True)
