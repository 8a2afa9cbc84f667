"""cassandra-driver, unmodified, against Apache Cassandra; the proof is read from the wire."""

import json
import pathlib
import subprocess
import sys

import pytest
from tap import Tap
from test_drivers import free_port, running

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
    with Tap(port) as tap:
        command = [sys.executable, str(HERE / "cassandra_client.py"), reactor]
        command += [str(tap.port), str(cert)]
        client = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        resumed = tap.resumed()
    assert client.returncode == 0, client.stderr
    # A cluster opens two connections: one to look around, and one to work. Only the first of all
    # has nothing to offer; the second may be too early for a ticket.
    assert len(resumed) >= 6 and not resumed[0]
    assert all(resumed[2:]), resumed
    assert int(client.stdout) == resumed.count(True)


@pytest.mark.parametrize("once", ["true", "false"], ids=["each ticket once", "tickets"])
def test_a_burst_of_a_cluster_resumes(tmp_path, once):
    port = free_port()
    stateless = "false" if once == "true" else "true"
    command = ["env", f"JAVA_OPTS=-Djdk.tls.server.enableSessionTicketExtension={stateless}"]
    command += [str(RUN), str(tmp_path), str(port), str(free_port()), "TLSv1.3"]
    with running(command, port, patience=120):
        client = [sys.executable, str(HERE / "cluster_client.py"), "libev"]
        client += [str(port), str(tmp_path / "cert.pem"), "16"]
        done = subprocess.run(client, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    says = json.loads(done.stdout)
    assert says["seen"] == [False] + [True] * 5
    assert says["burst"].count(True) >= 15, says
