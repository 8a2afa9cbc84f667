"""`tsc.cassandra.Cluster`, with whichever driver is installed; the proof is the server's."""

import importlib
import json
import pathlib
import ssl
import subprocess
import sys

import cassandra
import pytest
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import Cluster as DriverCluster
from cassandra.cluster import NoHostAvailable
from cql_server import Node

import tsc
from tsc.cassandra import Cluster

HERE = pathlib.Path(__file__).parent
SCYLLA = hasattr(DriverCluster, "ssl_session_cache")
BURST = 16

# cassandra-driver's asyncio reactor knows no TLS: it gives asyncio an ssl.SSLSocket, which that
# refuses. scylla-driver has none for gevent, Eventlet and Twisted.
REACTORS = ["libev", "asyncio"] if SCYLLA else ["libev", "gevent", "eventlet", "twisted"]
if sys.version_info < (3, 12):
    REACTORS.append("asyncore")


@pytest.fixture
def node(cert):
    """Starts nodes that end with the test."""
    nodes = []

    def start(version=None, **options):
        nodes.append(Node(*cert, version, **options))
        return nodes[-1]

    yield start
    for one in nodes:
        one.close()


def run(reactor, node, cert, *options):
    command = [sys.executable, str(HERE / "cluster_client.py"), reactor, str(node.port), cert[0]]
    client = subprocess.run(
        [*command, str(BURST), *options], capture_output=True, text=True, timeout=120, check=False
    )
    assert client.returncode == 0, client.stderr
    return json.loads(client.stdout)


def cluster_for(node, context, **options):
    options = {"protocol_version": 4, "connect_timeout": 60, **options}
    return Cluster(
        ["127.0.0.1"],
        control_connection_timeout=60,
        port=node.port,
        ssl_context=context,
        compression=False,
        schema_metadata_enabled=False,
        token_metadata_enabled=False,
        **options,
    )


@pytest.fixture
def context(cert):
    return ssl.create_default_context(cafile=cert[0])


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("reactor", REACTORS)
def test_every_reactor_resumes(node, cert, reactor, version):
    one = node(ssl.TLSVersion[version], password="secret")
    says = run(reactor, one, cert, 'password="secret"')
    assert says["seen"] == [False] + [True] * 5
    resumed = [resumed for _, resumed in one.resumed]
    assert len(resumed) == 6 + BURST and resumed[:6] == says["seen"]
    assert resumed.count(True) == (says["seen"] + says["burst"]).count(True) == says["resumed"]
    assert all(says["burst"]), says


def test_a_burst_resumes_where_each_ticket_is_taken_once(node, cert):
    one = node(ssl.TLSVersion.TLSv1_3, once=True)
    says = run("libev", one, cert)
    assert says["seen"] == [False] + [True] * 5
    assert says["burst"].count(True) >= BURST - 1, says


def test_disabled_does_full_handshakes(node, cert):
    one = node()
    options = ["ssl_session_cache=null"] if SCYLLA else []  # the driver's own stays as it is told
    says = run("libev", one, cert, "tls_session_cache_enabled=false", *options)
    assert says["seen"] == [False] * 6 and says["burst"] == [False] * BURST
    assert not any(resumed for _, resumed in one.resumed)


@pytest.mark.skipif(not SCYLLA, reason="needs scylla-driver")
@pytest.mark.parametrize("reactor", ["libev", "asyncio"])
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_both_ports_of_a_node_with_shards_are_one_endpoint(node, cert, reactor, version):
    one = node(ssl.TLSVersion[version], shards=8)
    says = run(reactor, one, cert, "shards=8")
    assert {port for port, _ in one.resumed} == set(one.ports)
    resumed = [resumed for _, resumed in one.resumed]
    assert not resumed[0] and all(resumed[1:]), one.resumed
    assert says["resumed"] == resumed.count(True)


def test_a_refused_login_keeps_nothing(node, context):
    one = node(password="secret")
    for _ in range(2):
        cluster = cluster_for(one, context, auth_provider=PlainTextAuthProvider("cassandra", "no"))
        with pytest.raises(NoHostAvailable):
            cluster.connect()
        cluster.shutdown()
    stats = context.session_cache.stats()
    assert stats.sessions == stats.stored == stats.established == 0
    assert stats.failed == len(one.resumed) and stats.discarded_failed > 0
    assert not any(resumed for _, resumed in one.resumed)


def test_a_refused_login_after_resuming_is_told(node, context):
    one = node(password="secret")
    good = cluster_for(one, context, auth_provider=PlainTextAuthProvider("cassandra", "secret"))
    good.connect()
    good.shutdown()
    before = len(one.resumed)
    bad = cluster_for(one, context, auth_provider=PlainTextAuthProvider("cassandra", "no"))
    with pytest.raises(NoHostAvailable):
        bad.connect()
    bad.shutdown()
    assert any(resumed for _, resumed in one.resumed[before:])
    assert context.session_cache.stats().login_failed_resumed >= 1


def test_a_version_that_the_node_does_not_speak_is_no_failure(node, context):
    one = node()
    cluster = cluster_for(one, context, protocol_version=cassandra.ProtocolVersion.V5)
    with pytest.raises(NoHostAvailable):
        cluster.connect()
    cluster.shutdown()
    stats = context.session_cache.stats()
    assert len(one.resumed) > 0 and stats.failed == stats.stored == 0


def test_a_node_that_falls_silent_has_failed(node, context):
    one = node(silent=True)
    cluster = cluster_for(one, context, connect_timeout=1)
    with pytest.raises(NoHostAvailable):
        cluster.connect()
    cluster.shutdown()
    stats = context.session_cache.stats()
    assert stats.failed == len(one.resumed) > 0 and stats.stored == 0


def test_clusters_of_one_context_share_its_cache(node, context):
    one = node()
    clusters = [cluster_for(one, context, tls_session_cache_size=size) for size in (5, 7)]
    for cluster in clusters:
        cluster.connect()
        cluster.shutdown()
    assert clusters[0].tls_session_cache is clusters[1].tls_session_cache is context.session_cache
    assert [resumed for _, resumed in one.resumed][0] is False
    assert all(resumed for _, resumed in one.resumed[1:])


def test_clusters_of_one_identity_share_through_the_agent(node, cert, agent):
    one = node()
    for _ in range(2):  # each as a process of its own
        cluster = cluster_for(
            one,
            ssl.create_default_context(cafile=cert[0]),
            tls_session_cache_identity=b"one",
            tls_session_cache_agent=agent,
            tls_session_cache_agent_budget=60,
        )
        cluster.connect()
        cluster.shutdown()
    resumed = [resumed for _, resumed in one.resumed]
    assert resumed[0] is False and all(resumed[1:])
    assert cluster.tls_session_cache.stats().agent_leased > 0


def test_a_context_that_is_attached_stays_as_it_is(node, context):
    cache = tsc.attach(context, accept="handshake")
    one = node()
    cluster = cluster_for(one, context)
    cluster.connect()
    cluster.shutdown()
    assert cluster.tls_session_cache is cache and cache.stats().resumed >= 1


def test_limits_are_those_of_the_request(context):
    with pytest.raises(ValueError):
        Cluster(ssl_context=context, tls_session_cache_size=0)
    with pytest.raises(ValueError):
        Cluster(ssl_context=context, tls_session_cache_ttl=0)
    assert Cluster(ssl_context=context).tls_session_cache.enabled
    assert not Cluster(tls_session_cache_enabled=False).tls_session_cache.enabled


def test_without_tls_nothing_changes():
    cluster = Cluster(["127.0.0.1"], port=1)
    with pytest.raises(NoHostAvailable):
        cluster.connect()
    cluster.shutdown()


def test_the_reactor_stays_that_of_its_own_class():
    from tsc.cassandra.connection import resuming

    plain = importlib.import_module("cassandra.io.libevreactor").LibevConnection
    ours = resuming(plain)
    assert issubclass(ours, plain) and resuming(ours) is ours is resuming(plain)
    assert ours.__name__ == plain.__name__
