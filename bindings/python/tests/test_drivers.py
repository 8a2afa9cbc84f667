"""Drivers that know nothing of the cache. The proof is on the server's side, or the wire."""

import asyncio
import contextlib
import socket
import ssl
import subprocess
import time

import aiohttp
import httpx
import pytest
import redis
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
