"""Measures cassandra-driver, unmodified, opening connections to Apache Cassandra: full and resumed.

What is timed is the driver's `Connection.factory`: from the socket to Cassandra's READY, so beside
the handshake the two requests that every connection of the driver begins with. One after the other;
and 16 at once after one, each burst with a cache of its own,
over networks with a round trip (network.py). Cassandra does TLS by the JDK, or by
netty's BoringSSL, which it prefers; the server's key is P-256, or RSA-2048. A JDK that is told to
keep the sessions itself takes a TLS 1.3 ticket only once.

The sides take turns, each round from another one on; what is printed are medians of the rounds.
"x full" is the median of what each round has against its own "full", so that other work on the
machine counts less. CPU is that of this process and of the server's, per connection. What resumed
is asked of the sockets, and the cache must agree.
"""

import collections
import contextlib
import os
import pathlib
import platform
import socket
import ssl
import sys
import tempfile
import time
from operator import truediv
from statistics import median

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tests"))

import cassandra
from cache import PurePython
from cassandra import ProtocolVersion
from cassandra.connection import DefaultEndPoint
from cassandra.io.libevreactor import LibevConnection
from network import ROUND_TRIPS, delayed
from pool import open_at_once
from test_cassandra import RUN
from test_drivers import free_port, running

import tsc
from tsc.cassandra.connection import max_wait_within, resuming

ROUNDS, TURN, BURST, WARM_UP = 13, 0.2, 16, 1500
CONNECT_TIMEOUT = 10
VERSIONS = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}

# In the tests the JVM compiles less, to start sooner. A server's compiles all it can.
JVM = "JAVA_OPTS=-XX:TieredStopAtLevel=4"
SERVERS = [
    ("JDK", [JVM], VERSIONS),
    ("BoringSSL", [JVM, "CASSANDRA_TLS=native"], VERSIONS),
    ("BoringSSL, RSA-2048", [JVM, "CASSANDRA_TLS=native", "CASSANDRA_KEY=rsa:2048"], VERSIONS),
    (
        "JDK, each ticket once",
        [JVM + " -Djdk.tls.server.enableSessionTicketExtension=false"],
        ["TLS 1.3"],
    ),
]


class Remembering(ssl.SSLContext):
    """The request's design, which needs somebody to offer its sessions and to bring new ones."""

    def __init__(self, _protocol):
        self.sessions = PurePython()

    def wrap_socket(self, *args, **kwargs):
        return super().wrap_socket(*args, session=self.sessions.get_session("node"), **kwargs)


class Resuming(tsc.SSLContext):
    connection_class = LibevConnection

    def __init__(self, protocol, max_wait=0):
        super().__init__(protocol, max_wait=max_wait)


class Cluster(Resuming):
    """As `tsc.cassandra.Cluster` has it."""

    connection_class = resuming(LibevConnection)

    def __init__(self, protocol):
        cache = tsc.TLSSessionCache(reuse_when_dry=True)
        max_wait = max_wait_within(CONNECT_TIMEOUT)
        tsc.SSLContext.__init__(self, protocol, cache=cache, accept="caller", max_wait=max_wait)


class Side:
    """A way to open connections to a node with one version of TLS, and what it came to."""

    def __init__(self, node, version, kind, nodelay=True, **options):
        self.node, self.version, self.kind, self.options = node, VERSIONS[version], kind, options
        self.sockopts = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)] if nodelay else None
        self.context = self.new_context()
        self.turns, self.bursts = [], {milliseconds: [] for milliseconds in ROUND_TRIPS}

    def new_context(self):
        context = self.kind(ssl.PROTOCOL_TLS_CLIENT, **self.options)
        context.load_verify_locations(self.node.cert)
        context.minimum_version = context.maximum_version = self.version
        return context

    def open(self, context, milliseconds=None):
        """Gives a connection that is ready, and whether it is a resumed one."""
        if milliseconds is not None:
            time.sleep(milliseconds / 1000)  # TCP's handshake
        connection_class = getattr(context, "connection_class", LibevConnection)
        connection = connection_class.factory(
            DefaultEndPoint("127.0.0.1", self.node.ports[milliseconds]),
            timeout=CONNECT_TIMEOUT,
            ssl_context=context,
            sockopts=self.sockopts,
            protocol_version=ProtocolVersion.V5,
        )
        if isinstance(context, Remembering):
            # Not sooner: TLS 1.3 tickets come with the first answer.
            context.sessions.set_session("node", connection._socket.session)
        return connection, connection._socket.session_reused

    def visit(self, context, milliseconds=None):
        connection, resumed = self.open(context, milliseconds)
        connection.close()
        return resumed

    def turn(self):
        """Opens connections one after the other, for a while."""
        resumed, before = [], counted(self.context)
        cpu, server_cpu = time.process_time(), self.node.cpu()
        began = time.perf_counter()
        while (took := time.perf_counter() - began) < TURN:
            resumed.append(self.visit(self.context))
        count = len(resumed)
        cpu, server_cpu = time.process_time() - cpu, self.node.cpu() - server_cpu
        check(self.context, before, sum(resumed))
        self.turns.append((count / took, sum(resumed) / count, cpu / count, server_cpu / count))

    def burst(self, milliseconds):
        """Opens connections at once, after one."""
        context = self.new_context()
        self.visit(context, milliseconds)
        took, opened = open_at_once(BURST, lambda: self.open(context, milliseconds))
        resumed = sum(resumed for _, resumed in opened)
        for connection, _ in opened:
            connection.close()
        check(context, 0, resumed)
        self.bursts[milliseconds].append((took, resumed))


def counted(context):
    return context.session_cache.stats().resumed if isinstance(context, Resuming) else 0


def check(context, before, resumed):
    """Has the cache agree with the sockets, and nobody resume who has no sessions."""
    if not isinstance(context, Remembering):
        assert resumed == counted(context) - before


class Node:
    """Cassandra while it runs, with a connection that stays: the driver's reactor ends without."""

    def __init__(self, process, ports, folder):
        self.process, self.ports, self.cert = process, ports, pathlib.Path(folder) / "cert.pem"
        side = Side(self, "TLS 1.3", ssl.SSLContext)
        self.stays, _ = side.open(side.context)

    def cpu(self):
        """Gives the seconds of CPU that the server took so far."""
        # The clock that clock_getcpuclockid() gives on Linux; Python has it for threads only.
        return time.clock_gettime(~self.process.pid << 3 | 2)


@contextlib.contextmanager
def running_node(environment):
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = ["env", *environment, str(RUN), folder, str(port), str(free_port())]
        with running(command, port, patience=120) as process, contextlib.ExitStack() as networks:
            ports = {ms: networks.enter_context(delayed(port, ms)) for ms in ROUND_TRIPS}
            node = Node(process, {None: port, **ports}, folder)
            yield node
            node.stays.close()


def sides(node, version):
    yield "full", Side(node, version, ssl.SSLContext)
    yield "lock and OrderedDict", Side(node, version, Remembering)
    yield "tsc", Side(node, version, Resuming)
    if version == "TLS 1.2":
        # Without TCP_NODELAY, as the driver does by itself.
        yield "full, Nagle", Side(node, version, ssl.SSLContext, nodelay=False)
        yield "lock and OrderedDict, Nagle", Side(node, version, Remembering, nodelay=False)
        yield "tsc, Nagle", Side(node, version, Resuming, nodelay=False)
    else:
        yield "tsc, max_wait=2", Side(node, version, Resuming, max_wait=2)
    yield "tsc.cassandra", Side(node, version, Cluster)


def measure(node, version):
    measured = dict(sides(node, version))
    # The JVM compiles what runs often. And whoever resumes has something to offer from here on.
    warm = [measured["full"], measured["tsc"]] * (WARM_UP // 2) + list(measured.values())
    for side in warm:
        side.visit(side.context)
    order = collections.deque(measured.values())
    for _ in range(ROUNDS):
        for side in order:
            side.turn()
            for milliseconds in ROUND_TRIPS:
                side.burst(milliseconds)
        order.rotate()
    return measured


def show(measured):
    full = measured["full"]
    for name, side in measured.items():
        rates, shares, cpu, server_cpu = zip(*side.turns)
        print(
            f"  {name:28}{median(rates):6.0f}{against(side.turns, full.turns):8.2f}"
            f"{median(shares):9.0%}{median(cpu) * 1e3:9.2f} ms{median(server_cpu) * 1e3:7.2f} ms",
            end="",
        )
        for milliseconds, bursts in side.bursts.items():
            times, resumed = zip(*bursts)
            print(
                f"{median(times) * 1e3:8.0f} ms{against(bursts, full.bursts[milliseconds]):6.2f}"
                f"{median(resumed):5.0f}",
                end="",
            )
        print(flush=True)


def against(rounds, full):
    """Gives the median of what each round has against full handshakes, by its first figure."""
    return median(map(truediv, next(zip(*rounds)), next(zip(*full))))


def main():
    LibevConnection.initialize_reactor()
    openssl = " ".join(ssl.OPENSSL_VERSION.split()[:2])
    print(
        f"cassandra-driver {cassandra.__version__} on libev, CPython {platform.python_version()},"
        f" {openssl}, {os.cpu_count()} processors"
    )
    bursts = "".join(f"{f'{BURST} at once, {ms} ms':>22}" for ms in ROUND_TRIPS)
    print(f"{'':31}one after the other    CPU per connection{bursts}")
    print(
        f"{'':33}1/s  x full  resumed      client    server"
        f"{'   ready in     x res.' * len(ROUND_TRIPS)}"
    )
    for name, environment, versions in SERVERS:
        with running_node(environment) as node:
            for version in versions:
                print(f"Measuring {name}, {version}", file=sys.stderr)
                measured = measure(node, version)
                print(f"{name}, {version}")
                show(measured)


if __name__ == "__main__":
    main()
