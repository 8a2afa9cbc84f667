"""asyncio's connections that wait for tickets: `SSLContext.ticket`."""

import asyncio
import contextlib
import os
import socket
import ssl

import pytest
from peer import ask as ask_blocking
from peer import connect
from peer import visit as visit_blocking
from test_asyncio import visit
from test_context import context_for

import tsc

MAX_WAIT = 20


OPEN = []


async def open_(context, port, host="127.0.0.1", name="localhost"):
    connection = await asyncio.open_connection(host, port, ssl=context, server_hostname=name)
    OPEN.append(connection[1])
    return connection


def finish(main):
    """Runs it, and closes what it opened: older loops complain of what outlives them."""

    async def all_of_it():
        try:
            return await main
        finally:
            for writer in OPEN:
                writer.close()
            for writer in OPEN:
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
            OPEN.clear()

    return asyncio.run(all_of_it())


async def ask(reader, writer):
    writer.write(b"hello\n")
    assert await reader.readline() == b"hello\n"
    return writer.get_extra_info("ssl_object")


def ticket(context, port, host="127.0.0.1", name="localhost", **options):
    return context.ticket(host, port, server_hostname=name, **options)


async def wait_and_visit(context, port):
    async with ticket(context, port):
        connection = await open_(context, port)
    tls = await ask(*connection)
    tls.tsc_established()
    connection[1].close()
    return tls.session_reused


async def until_one_waits(context):
    while not context.session_cache.stats().waited:
        await asyncio.sleep(0)


def all_were_taken(context):
    """What was prepared and not taken has failed."""
    return context.session_cache.stats().failed == 0


@pytest.fixture
def two_tickets(serve, cert):
    """A server, and a context that has two of its tickets, and no doubt that they are good."""
    server, context = serve(), context_for(cert, max_wait=MAX_WAIT)
    with connect(context, server.port) as tls:
        ask_blocking(tls)
        assert len(context.session_cache) == 2
        yield server, context


def test_a_burst_waits_for_tickets(serve, cert):
    server, context = serve(), context_for(cert, max_wait=MAX_WAIT)

    async def run():
        await asyncio.gather(*(wait_and_visit(context, server.port) for _ in range(16)))

    finish(run())
    assert server.resumed == [False] + 15 * [True]
    stats = context.session_cache.stats()
    assert stats.waited == stats.waits_served > 0 and all_were_taken(context)


def test_the_wait_ends_at_its_deadline(serve, cert):
    server, context = serve(), context_for(cert, accept="caller")

    async def run():
        first = await open_(context, server.port)
        await ask(*first)  # and nobody says that it is established
        async with ticket(context, server.port, max_wait=0.01):
            await ask(*await open_(context, server.port))

    finish(run())
    assert server.resumed == [False, False]
    assert context.session_cache.stats().waited == 1


def test_a_cancelled_wait_withholds_nothing(serve, cert):
    server, context = serve(), context_for(cert, accept="caller", max_wait=MAX_WAIT)

    async def run():
        first = await ask(*await open_(context, server.port))
        waits = asyncio.ensure_future(wait_and_visit(context, server.port))
        await until_one_waits(context)
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        first.tsc_established()
        assert len(context.session_cache) == 2
        assert await wait_and_visit(context, server.port)

    finish(run())
    assert server.resumed == [False, True]


def test_the_next_waits_on_when_the_first_is_cancelled(serve, cert):
    """Whoever was to do the full handshake did not: another one does."""
    server, context = serve(), context_for(cert, max_wait=MAX_WAIT)

    async def run():
        entered = asyncio.Event()

        async def first():
            async with ticket(context, server.port):
                entered.set()
                await asyncio.get_running_loop().create_future()

        stuck = asyncio.ensure_future(first())
        await entered.wait()
        others = [asyncio.ensure_future(wait_and_visit(context, server.port)) for _ in range(3)]
        await until_one_waits(context)
        stuck.cancel()
        return await asyncio.gather(*others)

    assert sorted(finish(run())) == [False, True, True]


@pytest.mark.parametrize("error", [None, OSError])
def test_an_unused_ticket_goes_back_to_others(two_tickets, error):
    server, context = two_tickets

    async def run():
        async with ticket(context, server.port):
            assert len(context.session_cache) == 1
            if error is not None:
                raise error

    if error is None:
        finish(run())
    else:
        with pytest.raises(error):
            finish(run())
    assert len(context.session_cache) == 2


def test_a_ticket_is_for_one_connection(two_tickets):
    server, context = two_tickets

    async def run():
        async with ticket(context, server.port):
            connections = await asyncio.gather(*(open_(context, server.port) for _ in range(3)))
        reused = [(await ask(*one)).session_reused for one in connections]
        return reused

    assert sorted(finish(run())) == [False, True, True]


def test_a_blocking_socket_takes_the_ticket_and_does_not_wait_again(two_tickets):
    server, context = two_tickets

    async def run():
        async with ticket(context, server.port):
            return visit_blocking(context, server.port)

    assert finish(run()) and all_were_taken(context)


def test_an_inner_block_leaves_the_outer_its_ticket(two_tickets):
    server, context = two_tickets

    async def run():
        async with ticket(context, server.port):
            async with ticket(context, server.port):
                assert len(context.session_cache) == 0
            return await visit(context, server.port)

    assert finish(run())
    assert context.session_cache.stats().failed == 1  # the inner one


def test_nothing_is_left_for_what_outlives_the_block(two_tickets):
    server, context = two_tickets

    async def run():
        left = asyncio.Event()

        async def late():
            await left.wait()
            return await wait_and_visit(context, server.port)

        async with ticket(context, server.port):
            outlives = asyncio.ensure_future(late())
        assert len(context.session_cache) == 2
        left.set()
        return await outlives

    assert finish(run())


def test_another_port_is_offered_nothing(two_tickets, serve):
    server, context = two_tickets
    other = serve()
    other.context = server.context  # it would take the ticket

    async def run():
        async with ticket(context, server.port):
            return await visit(context, other.port)

    assert finish(run()) is False
    assert context.session_cache.stats().returned == 1


def test_another_name_is_offered_nothing(two_tickets):
    server, context = two_tickets

    async def run():
        async with ticket(context, server.port):
            return (await ask(*await open_(context, server.port, name="127.0.0.1"))).session_reused

    assert finish(run()) is False


def test_another_context_is_offered_nothing(two_tickets, cert):
    server, context = two_tickets
    other = context_for(cert, cache=context.session_cache)

    async def run():
        async with ticket(context, server.port):
            return await visit(other, server.port)

    assert finish(run()) is False


def test_a_context_that_changes_meanwhile_starts_over(two_tickets):
    server, context = two_tickets

    async def run():
        async with ticket(context, server.port):
            context.load_default_certs()
            return await visit(context, server.port)

    assert finish(run()) is False


@pytest.mark.parametrize("name", [None, "localhost", "", "bücher.example"])
def test_a_name_is_looked_up(serve, cert, name):
    server, context = serve(), context_for(cert, max_wait=MAX_WAIT)
    context.check_hostname = False

    async def run():
        async def getaddrinfo(host, port, **_hints):
            assert host == "node.example"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        asyncio.get_running_loop().getaddrinfo = getaddrinfo

        async def visit():
            async with ticket(context, server.port, host="node.example", name=name):
                connection = await open_(context, server.port, "node.example", name)
            await ask(*connection)

        for _ in range(2):
            await visit()

    finish(run())
    assert server.resumed == [False, True] and all_were_taken(context)


@pytest.mark.parametrize("error", [socket.gaierror, UnicodeError])
def test_an_unknown_host_is_the_connections_affair(serve, cert, error):
    server, context = serve(), context_for(cert, max_wait=MAX_WAIT)

    async def run():
        async def getaddrinfo(*_args, **_hints):
            raise error

        asyncio.get_running_loop().getaddrinfo = getaddrinfo
        async with ticket(context, server.port, host="a" * 64, name=None):
            with pytest.raises(error):
                await open_(context, server.port, host="a" * 64, name=None)

    finish(run())


def test_a_socket_that_is_connected_first_waits_for_a_ticket(serve, cert):
    server, context = serve(), context_for(cert, max_wait=MAX_WAIT)

    async def visit():
        tcp = socket.create_connection(("127.0.0.1", server.port))
        tcp.setblocking(False)
        async with context.ticket(*tcp.getpeername(), server_hostname="localhost"):
            connection = await asyncio.open_connection(
                sock=tcp, ssl=context, server_hostname="localhost"
            )
        await ask(*connection)

    async def run():
        await asyncio.gather(*(visit() for _ in range(4)))

    finish(run())
    assert server.resumed == [False, True, True, True] and all_were_taken(context)


def test_the_endpoint_that_is_named_counts(serve, cert):
    one, other, context = serve(), serve(), context_for(cert, max_wait=MAX_WAIT)
    other.context = one.context

    async def run():
        with tsc.endpoint("db.example", 1):
            for port in one.port, other.port:
                async with ticket(context, port):
                    connection = await open_(context, port)
                await ask(*connection)

    finish(run())
    assert one.resumed + other.resumed == [False, True]
    assert all_were_taken(context)


@pytest.mark.parametrize(
    "options", [{"max_wait": 0}, {"cache": tsc.TLSSessionCache(enabled=False)}]
)
def test_without_a_wait_a_block_does_nothing(serve, cert, options):
    server, context = serve(), context_for(cert, **options)

    async def run():
        first = await open_(context, server.port)
        async with ticket(context, server.port):
            await ask(*await open_(context, server.port))
        await ask(*first)

    finish(run())
    assert context.session_cache.stats().waited == 0


def test_a_forked_child_makes_an_attempt_of_its_own(two_tickets):
    server, context = two_tickets

    async def run():
        async with ticket(context, server.port):
            child = os.fork()
            if child == 0:
                ok = False
                try:
                    resumed = [visit_blocking(context, server.port) for _ in range(2)]
                    ok = resumed == [False, True]
                finally:
                    os._exit(0 if ok else 1)
            assert os.waitpid(child, 0)[1] == 0
            return await visit(context, server.port)

    assert finish(run())


def test_a_loop_without_add_reader_says_so(serve, cert, monkeypatch):
    server, context = serve(), context_for(cert, accept="caller", max_wait=MAX_WAIT)

    async def run():
        first = await ask(*await open_(context, server.port))

        def add_reader(*_args):
            raise NotImplementedError

        monkeypatch.setattr(asyncio.get_running_loop(), "add_reader", add_reader)
        with pytest.raises(NotImplementedError):
            async with ticket(context, server.port):
                pass
        first.tsc_established()

    finish(run())
    assert len(context.session_cache) == 2


@pytest.mark.parametrize("max_wait", [-1, float("inf"), float("nan"), 2**32 / 1000])
def test_options_are_checked(max_wait):
    async def run():
        async with tsc.SSLContext(ssl.PROTOCOL_TLS_CLIENT).ticket("a", 1, max_wait=max_wait):
            pass

    with pytest.raises(ValueError):
        finish(run())
    with pytest.raises(ValueError):
        tsc.SSLContext(ssl.PROTOCOL_TLS_CLIENT, max_wait=max_wait)
