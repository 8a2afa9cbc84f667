"""Drivers that know nothing of the cache. The proof is on the server's side, or the wire."""

import asyncio
import contextlib
import socket
import socketserver
import ssl
import struct
import subprocess
import sys
import threading
import time

import aiohttp
import bson
import httpx
import pytest
import redis
import requests
import trio
import urllib3
from tap import Tap
from test_context import context_for

import tsc

VERSIONS = pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def answers(port):
    """A connection to a free port may come to connect to itself; that is no answer."""
    try:
        with socket.create_connection(("127.0.0.1", port)) as tcp:
            return tcp.getsockname() != tcp.getpeername()
    except OSError:
        return False


@contextlib.contextmanager
def running(command, port, patience=20):
    """Runs a server until the block ends; waits until its port answers."""
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + patience
        while not answers(port):
            assert time.monotonic() < until, command
            with contextlib.suppress(subprocess.TimeoutExpired):
                raise AssertionError((command, server.wait(0.05)))
        yield server
    finally:
        server.terminate()
        server.communicate()


@contextlib.contextmanager
def nginx(folder, cert, version):
    """nginx, and what it says of each connection's first request: "r" if it was resumed."""
    port, log = free_port(), folder / "access.log"
    (folder / "nginx.conf").write_text(
        f"""daemon off; pid {folder}/pid; error_log stderr; worker_processes 1; events {{}}
        http {{ log_format reused "$ssl_session_reused"; access_log {log} reused;
        client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
        uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e; keepalive_timeout 0;
        server {{ listen 127.0.0.1:{port} ssl; ssl_protocols {version};
        ssl_certificate {cert[0]}; ssl_certificate_key {cert[1]}; return 200 "hello"; }} }}"""
    )
    with running(["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)], port):
        yield port, log


@VERSIONS
def test_urllib3_resumes_at_nginx(tmp_path, cert, version):
    context = context_for(cert)
    with nginx(tmp_path, cert, version) as (port, log):
        for _ in range(4):
            with urllib3.PoolManager(ssl_context=context) as pool:
                assert pool.request("GET", f"https://localhost:{port}/").data == b"hello"
    assert log.read_text().split() == [".", "r", "r", "r"]


@VERSIONS
def test_aiohttp_resumes_at_nginx(tmp_path, cert, version):
    context = context_for(cert)

    async def run(url):
        for _ in range(4):
            async with aiohttp.ClientSession() as http, http.get(url, ssl=context) as response:
                assert await response.read() == b"hello"

    with nginx(tmp_path, cert, version) as (port, log):
        asyncio.run(run(f"https://localhost:{port}/"))
    assert log.read_text().split() == [".", "r", "r", "r"]


@VERSIONS
@pytest.mark.parametrize(
    "run", [lambda task: asyncio.run(task()), trio.run], ids=["asyncio", "trio"]
)
def test_httpx_resumes_at_nginx(tmp_path, cert, version, run):
    """AnyIO's TLS over asyncio, and trio's."""
    context = context_for(cert)

    async def requests():
        for _ in range(4):
            async with httpx.AsyncClient(verify=context) as http:
                response = await http.get(f"https://localhost:{port}/")
                assert response.content == b"hello"

    with nginx(tmp_path, cert, version) as (port, log):
        run(requests)
    assert log.read_text().split() == [".", "r", "r", "r"]


def test_a_burst_of_aiohttp_waits_for_tickets(tmp_path, cert):
    """A request is a connection, if the pool has none; each but the first waits for a ticket."""
    context = context_for(cert, max_wait=10)

    async def get(port):
        url = f"https://127.0.0.1:{port}/"
        async with (
            aiohttp.ClientSession() as http,
            context.ticket("127.0.0.1", port),
            http.get(url, ssl=context) as response,
        ):
            assert await response.read() == b"hello"

    async def run(port):
        await asyncio.gather(*(get(port) for _ in range(16)))

    with nginx(tmp_path, cert, "TLSv1.3") as (port, log):
        asyncio.run(run(port))
    assert sorted(log.read_text().split()) == ["."] + 15 * ["r"]
    assert context.session_cache.stats().failed == 0, "what was prepared and not taken has failed"


class Connection(redis.connection.SSLConnection):
    """redis-py makes a context by itself for each connection; this gives it one to keep."""

    context: ssl.SSLContext

    def _wrap_socket_with_ssl(self, sock):
        return self.context.wrap_socket(sock, server_hostname=self.host)


@VERSIONS
def test_redis_reconnects_resume(tmp_path, cert, version):
    port = free_port()
    command = ["redis-server", "--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no"]
    command += ["--tls-cert-file", cert[0], "--tls-key-file", cert[1], "--tls-protocols", version]
    command += ["--tls-ca-cert-file", cert[0], "--save", "", "--dir", str(tmp_path)]
    with running(command, port), Tap(port) as tap:

        class Resuming(Connection):
            context = context_for(cert)

        pool = redis.ConnectionPool(connection_class=Resuming, host="localhost", port=tap.port)
        for _ in range(4):
            assert redis.Redis(connection_pool=pool).ping()
            pool.disconnect()
        assert tap.resumed() == [False, True, True, True]
    assert Resuming.context.session_cache.stats().resumed == 3


@VERSIONS
def test_requests_resumes_at_nginx(tmp_path, cert, version):
    context = context_for(cert)

    class Adapter(requests.adapters.HTTPAdapter):
        def init_poolmanager(self, *args, **kwargs):
            super().init_poolmanager(*args, ssl_context=context, **kwargs)

    with nginx(tmp_path, cert, version) as (port, log):
        for _ in range(4):
            with requests.Session() as http:
                http.mount("https://", Adapter())
                answer = http.get(f"https://localhost:{port}/", verify=cert[0], timeout=10)
                assert answer.content == b"hello"
    assert log.read_text().split() == [".", "r", "r", "r"]


@contextlib.contextmanager
def standing_in(cert, version, answer):
    """A server that answers what `answer` makes of a reader; gives its port and who resumed."""
    context, resumed = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), []
    context.load_cert_chain(*cert)
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version.replace(".", "_")]

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            with contextlib.suppress(OSError), context.wrap_socket(self.request, True) as tls:
                resumed.append(tls.session_reused)
                with tls.makefile("rb") as reader:
                    while reply := answer(reader):
                        tls.sendall(reply)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1], resumed
        server.shutdown()
        thread.join()


def ldap_answer(reader):
    """Accepts each bind. Messages are short here: tag, length, and the number of the message."""
    head = reader.read(2)
    if len(head) < 2:
        return b""
    number = reader.read(head[1])[2:3]
    return b"\x30\x0c\x02\x01" + number + b"\x61\x07\x0a\x01\x00\x04\x00\x04\x00"


LDAP = """
import sys, tsc
cache = tsc.install()
import ssl
from ldap3 import ANONYMOUS, Connection, NONE, Server, Tls
tls = Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=sys.argv[2])
for _ in range(4):
    server = Server("localhost", int(sys.argv[1]), use_ssl=True, tls=tls, get_info=NONE)
    connection = Connection(server, authentication=ANONYMOUS)
    assert connection.bind()
    connection.strategy.close()
print(cache.stats().resumed)
"""


@VERSIONS
@pytest.mark.skipif(not tsc.status().direct, reason="each connection has a context of its own")
def test_ldap3_resumes_once_it_is_installed(cert, version):
    with standing_in(cert, version, ldap_answer) as (port, resumed):
        command = [sys.executable, "-c", LDAP, str(port), cert[0]]
        assert subprocess.check_output(command, text=True) == "3\n"
    assert resumed == [False, True, True, True]


def mongo_answer(reader):
    """Says of itself what a driver asks first, and "ok" to anything, as MongoDB's OP_MSG."""
    head = reader.read(16)
    if len(head) < 16:
        return b""
    length, number, _, code = struct.unpack("<iiii", head)
    reader.read(length - 16)
    document = {"ok": 1, "isWritablePrimary": True, "ismaster": True, "helloOk": True}
    document.update(minWireVersion=0, maxWireVersion=25, maxBsonObjectSize=1 << 24)
    document.update(maxMessageSizeBytes=1 << 25, maxWriteBatchSize=1000)
    if code == 2013:
        body = struct.pack("<ib", 0, 0) + bson.encode(document)
        code = 2013
    else:  # OP_QUERY, the very first; OP_REPLY answers it
        body = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(document)
        code = 1
    return struct.pack("<iiii", 16 + len(body), 1, number, code) + body


MONGO = """
import sys, tsc
sys.modules["OpenSSL"] = None  # pymongo would take it if it is there
import pymongo
cache = tsc.TLSSessionCache()
for _ in range(4):
    client = pymongo.MongoClient("localhost", int(sys.argv[1]), tls=True, tlsCAFile=sys.argv[2],
                                 connect=False, directConnection=True)
    context = client.options.pool_options._ssl_context
    tsc.attach(context, cache, identity=b"it", replace_sessions=True)
    assert client.admin.command("ping")["ok"] == 1
    client.close()
print(cache.stats().offered, cache.stats().resumed)
"""


@VERSIONS
@pytest.mark.skipif(not tsc.status().direct, reason="its clients have contexts of their own")
def test_pymongo_resumes(cert, version):
    with standing_in(cert, version, mongo_answer) as (port, resumed):
        command = [sys.executable, "-c", MONGO, str(port), cert[0]]
        said = subprocess.check_output(command, text=True, timeout=60)
    assert said == f"{resumed.count(True)} {resumed.count(True)}\n"
    assert resumed.count(False) <= 2 < resumed.count(True), "of each client's two, the first two"


def test_the_tap_sees_full_handshakes(serve, cert):
    """What proves something must be able to deny it."""
    server = serve()
    context = context_for(cert, cache=tsc.TLSSessionCache(enabled=False))
    with (
        Tap(server.port) as tap,
        urllib3.PoolManager(ssl_context=context, retries=False) as pool,
    ):
        for _ in range(2):
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                pool.request("GET", f"https://localhost:{tap.port}/", timeout=2)
        assert tap.resumed() == [False, False] == server.resumed
