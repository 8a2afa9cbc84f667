"""asyncio, unmodified: the context finds the peer by itself."""

import asyncio
import sys

from test_context import context_for

import tsc
from tsc import bio_peer


async def visit(context, port):
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="localhost"
    )
    writer.write(b"hello\n")
    assert await reader.readline() == b"hello\n"
    reused = writer.get_extra_info("ssl_object").session_reused
    writer.close()
    return reused


async def start_tls(context, port):
    """As drivers do whose protocol begins in clear text."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    class Protocol(asyncio.Protocol):
        def data_received(self, data):
            done.set_result(data)

    protocol = Protocol()
    plain, _ = await loop.create_connection(lambda: protocol, "127.0.0.1", port)
    tls = await loop.start_tls(plain, protocol, context, server_hostname="localhost")
    tls.write(b"hello\n")
    assert await done == b"hello\n"
    reused = tls.get_extra_info("ssl_object").session_reused
    tls.close()
    return reused


def test_reconnects_resume(serve, cert):
    server, context = serve(), context_for(cert)

    async def run():
        return [await visit(context, server.port) for _ in range(4)]

    assert asyncio.run(run()) == server.resumed == [False, True, True, True]
    assert context.session_cache.stats().unfinished == 0


def test_start_tls_resumes(serve, cert):
    server, context = serve(), context_for(cert)

    async def run():
        return [await start_tls(context, server.port) for _ in range(3)]

    assert asyncio.run(run()) == server.resumed == [False, True, True]


def test_endpoints_are_apart(serve, cert):
    one, other, context = serve(), serve(), context_for(cert)
    other.context = one.context

    async def run():
        await visit(context, one.port)
        return await visit(context, other.port), await visit(context, one.port)

    assert asyncio.run(run()) == (False, True)


def test_connections_opened_at_once_resume(serve, cert):
    server, context = serve(), context_for(cert)

    async def run():
        await visit(context, server.port)
        await asyncio.gather(*(visit(context, server.port) for _ in range(2)))

    asyncio.run(run())
    assert server.resumed == [False, True, True]


def test_an_unknown_peer_keeps_nothing(serve, cert, monkeypatch):
    """As under an event loop that is not asyncio's; there, the endpoint is to be named."""
    monkeypatch.setattr(bio_peer, "peer", lambda: None)
    server, context = serve(), context_for(cert)

    async def run():
        unknown = [await visit(context, server.port) for _ in range(2)]
        assert len(context.session_cache) == 0
        with tsc.endpoint("127.0.0.1", server.port):
            return unknown, [await visit(context, server.port) for _ in range(2)]

    assert asyncio.run(run()) == ([False, False], [False, True])


def test_without_asyncio_there_is_no_peer(monkeypatch):
    monkeypatch.delitem(sys.modules, "asyncio.sslproto")
    assert bio_peer.peer() is None
