"""Processes that share sessions through tsc-agent; what resumed is the server's word."""

import asyncio
import gc
import pathlib
import subprocess
import sys
import time

import pytest
from agent import relayed, stopped, wait_for
from peer import ask, certificate, connect, visit
from test_asyncio import visit as visit_async
from test_attach import DIRECT, plain
from test_context import BOTH

import tsc

CLIENT = pathlib.Path(__file__).parent / "share_client.py"


def sharing(cert, agent, identity=b"one", budget=60, **options):
    """Give a context of a cache of its own, as another process has it."""
    context = plain(cert)
    if "client" in options:
        context.load_cert_chain(*options.pop("client"))
    cache = tsc.TLSSessionCache(share=True, agent=agent, agent_budget=budget)
    tsc.attach(context, cache, **{"identity": identity, "serialise": True, **options})
    return context


@DIRECT
@BOTH
def test_a_process_resumes_what_another_received(serve, cert, agent, version, monkeypatch):
    server = serve(version)
    monkeypatch.setenv("TSC_AGENT", str(agent))
    for _ in range(3):
        subprocess.run([sys.executable, CLIENT, str(server.port), cert[0]], check=True)
    assert server.resumed == [False, True, True]


@DIRECT
def test_caches_share_by_identity(serve, cert, agent):
    server = serve()
    first, same, other = (sharing(cert, agent, identity) for identity in (b"one", b"one", b"two"))
    assert [visit(one, server.port) for one in (first, same, other)] == [False, True, False]
    assert first.session_cache.stats().agent_stored > 0
    assert same.session_cache.stats().agent_leased == 1


@DIRECT
@pytest.mark.parametrize("options", [{"serialise": False}, {"identity": None}])
def test_without_bytes_or_an_identity_nothing_is_shared(serve, cert, agent, options):
    server = serve()
    assert not any(visit(sharing(cert, agent, **options), server.port) for _ in range(2))


@DIRECT
@pytest.mark.parametrize("max_wait", [0, 60])
def test_other_threads_run_while_a_call_waits_for_the_agent(serve, cert, agent, tmp_path, max_wait):
    server = serve()
    opened = []

    def open_one(path):
        context = sharing(cert, path, budget=20, accept="caller", max_wait=max_wait)
        # Named, or without a wait OpenSSL itself would ask the agent, within its handshake.
        with tsc.endpoint("node", 1):
            opened.append(connect(context, server.port))
        ask(opened[-1])
        return opened[-1]

    with relayed(agent, tmp_path / "relayed") as path:
        open_one(path).tsc_established()
        open_one(path).tsc_established()
        open_one(path).tsc_failed()
        wait_for(agent, "tsc_agent_failed_total", 1)
        # A resumed login has failed, so the agent has the next one do a full handshake.
        reasons = [tls.tsc_reason for tls in [*opened, open_one(path)]]
        for tls in opened:
            tls.close()
    assert reasons == ["nothing_stored", None, "failed", "withheld"]
    assert [tls.context.session_cache.stats().agent_away for tls in opened] == [0] * 4


@DIRECT
@pytest.mark.parametrize("accept", ["caller", "handshake"])
def test_a_connection_that_is_freed_waits_for_no_agent(serve, cert, agent, accept):
    """OpenSSL frees an SSL with the GIL."""
    server = serve()
    visit(sharing(cert, agent), server.port)
    tls = connect(sharing(cert, agent, budget=60, accept=accept), server.port)
    assert tls.session_reused
    with stopped(agent):
        begun = time.monotonic()
        tls.close()
        del tls
        gc.collect()
        assert time.monotonic() - begun < 30


def ticket(context, port, max_wait):
    return context.ticket("127.0.0.1", port, server_hostname="localhost", max_wait=max_wait)


@DIRECT
def test_an_event_loop_never_blocks(serve, cert, agent):
    """The agent goes on because the loop does."""
    server = serve()
    visit(sharing(cert, agent), server.port)
    context = sharing(cert, agent, budget=0)

    async def run():
        with stopped(agent) as go_on:
            asyncio.get_running_loop().call_later(0.05, go_on)
            async with ticket(context, server.port, 60):
                first = await visit_async(context, server.port)
        with stopped(agent):
            async with ticket(context, server.port, 0.05):
                return first, await visit_async(context, server.port)

    # What the second brought stays here, or is on its way to the agent.
    assert asyncio.run(run()) == (True, False)
    assert context.session_cache.stats().agent_away == 0


@DIRECT
def test_an_event_loop_waits_for_what_others_have(serve, cert, agent):
    server = serve()
    visit(sharing(cert, agent), server.port)
    context = sharing(cert, agent, budget=0)

    async def run():
        # Without a wait the agent is not asked.
        alone = await visit_async(sharing(cert, agent, budget=0), server.port)
        async with ticket(context, server.port, 60):
            return alone, await visit_async(context, server.port)

    assert asyncio.run(run()) == (False, True)


@DIRECT
@pytest.mark.parametrize("allowed", [False, True])
def test_what_a_client_certificate_made_is_shared_if_allowed(serve, cert, agent, allowed, tmp_path):
    client = certificate(tmp_path, "client")
    server = serve(client_ca=client[0])
    options = {"client": client, "share_client_certificate": allowed}
    assert [visit(sharing(cert, agent, **options), server.port) for _ in range(2)] == [
        False,
        allowed,
    ]


def test_without_an_agent_the_process_goes_on_alone(serve, cert, tmp_path):
    server = serve()
    context = sharing(cert, tmp_path / "nobody")
    assert [visit(context, server.port) for _ in range(2)] == [False, True]
    assert not visit(sharing(cert, tmp_path / "nobody"), server.port)


@pytest.mark.parametrize("seconds", [-1, 1001, float("nan")])
def test_a_budget_is_a_number_of_seconds(seconds):
    with pytest.raises(ValueError, match="agent_budget"):
        tsc.TLSSessionCache(share=True, agent_budget=seconds)


@DIRECT
def test_a_connection_whose_agent_does_not_answer_says_so(serve, cert, tmp_path):
    server, context = serve(), sharing(cert, tmp_path / "nowhere")
    for expected in ("agent_away", None):
        with connect(context, server.port) as tls:
            assert tls.tsc_reason == expected
            ask(tls)
    assert context.session_cache.stats().agent_away == 1
