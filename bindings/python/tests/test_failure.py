"""How connections fail, what is said of it, and why others then do not resume."""

import contextlib
import signal
import socket
import ssl
import sys
import threading

import pytest
from peer import ask, certificate, connect, visit
from test_context import BOTH, context_for

import tsc

ANY_NUMBER = 2**32 - 1


@contextlib.contextmanager
def in_place_of(server, does):
    """Does something to each TCP connection that is begun inside, in a thread, and closes it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run():
            while True:
                try:
                    tcp, _ = listener.accept()
                except OSError:
                    return
                with tcp:
                    does(tcp)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        with tsc.endpoint("127.0.0.1", server.port):
            yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def failures(context):
    stats = context.session_cache.stats()
    return stats.failed, stats.handshake_failed_offered, stats.login_failed_resumed


def context_with_a_ticket(cert, server, **options):
    context = context_for(cert, **options)
    visit(context, server.port)
    return context


@BOTH
def test_a_login_that_fails_is_counted_by_how_the_handshake_was(serve, cert, version):
    server = serve(version)
    context = context_for(cert)
    for expected in [(1, 0, 0), (2, 0, 1)]:
        with connect(context, server.port) as tls:
            tls.sendall(b"LOGIN\n")
            assert tls.recv(10) == b""
        assert failures(context) == expected
        visit(context, server.port)


@BOTH
def test_the_caller_may_say_that_a_login_failed(serve, cert, version):
    server = serve(version)
    context = context_for(cert, accept="caller")
    for say in ("tsc_established", "tsc_failed"):
        with connect(context, server.port) as tls:
            ask(tls)
            getattr(tls, say)()
    assert failures(context) == (1, 0, 1)


def test_a_handshake_that_fails_after_an_offer_is_counted(serve, cert):
    server = serve()
    context = context_with_a_ticket(cert, server)
    with in_place_of(server, lambda tcp: tcp.recv(1)) as port, pytest.raises(OSError):
        connect(context, port)
    assert failures(context) == (1, 1, 0)


def test_a_handshake_that_times_out_is_counted(serve, cert):
    server = serve()
    context = context_with_a_ticket(cert, server)

    def wait(tcp):
        while tcp.recv(1 << 16):
            pass

    with in_place_of(server, wait) as port:
        tcp = socket.create_connection(("127.0.0.1", port))
        tcp.settimeout(0.05)
        with tcp, pytest.raises(socket.timeout):
            context.wrap_socket(tcp, server_hostname="localhost")
    assert failures(context) == (1, 1, 0)


def test_what_ends_a_handshake_from_within_says_nothing_about_the_server(serve, cert):
    """A signal's exception, here, as of a greenlet that is killed."""
    server, over = serve(), threading.Event()
    context = context_with_a_ticket(cert, server)

    class Killed(BaseException):
        pass

    def handler(number, _frame):
        signal.signal(number, signal.SIG_IGN)
        raise Killed

    def interrupt(tcp):
        tcp.recv(1)
        while not over.wait(0.01):  # the first may come just before the handshake blocks
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, handler)
    with in_place_of(server, interrupt) as port:
        with pytest.raises(Killed):
            connect(context, port)
        over.set()
    signal.signal(signal.SIGUSR1, before)
    assert failures(context) == (1, 0, 0)
    assert context.session_cache.stats().offered == 1


def test_an_alert_after_it_is_established_drops_what_it_brought(serve, cert, tmp_path):
    """TLS 1.3: the server looks at the client's certificate when the client thinks it is done."""
    server = serve(client_ca=certificate(tmp_path)[0])
    context = context_for(cert, accept="handshake")
    with pytest.raises(ssl.SSLError), connect(context, server.port) as tls:
        tls.recv(10)
    stats = context.session_cache.stats()
    assert (stats.established, stats.sessions) == (1, 0)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_an_alert_that_is_sent_after_it_is_established_does_so_too(serve, cert, version):
    server, context = serve(version), context_for(cert, accept="handshake")
    with pytest.raises(ssl.SSLError), connect(context, server.port) as tls:
        ask(tls)
        assert context.session_cache.stats().sessions > 0
        tls.sendall(b"SPOIL\n")
        tls.recv(10)
    stats = context.session_cache.stats()
    assert (stats.established, stats.sessions) == (1, 0)


def test_offers_that_do_harm_are_withheld(serve, cert):
    server, told = serve(), []
    cache = tsc.TLSSessionCache(failure_budget=1, on_event=told.append)
    context = context_with_a_ticket(cert, server, cache=cache)
    with connect(context, server.port) as tls:
        assert tls.session_reused
        tls.sendall(b"LOGIN\n")
        assert tls.recv(10) == b""
    for _ in range(3):
        with connect(context, server.port) as tls:
            ask(tls)
            assert (tls.session_reused, tls.tsc_reason) == (False, "withheld")
    stats = cache.stats()
    assert (stats.withheld, stats.breaker_opened) == (3, 1)
    assert [event.reason for event in told if event.kind == "not_offered"] == [
        "nothing_stored",
        *["withheld"] * 3,
    ]


@pytest.mark.skipif(
    not tsc.status().direct and (3, 12, 8) <= sys.version_info[:3] not in [(3, 13, 0)],
    reason="OpenSSL drops a session whose connection fails, and `ssl` no longer copies it",
)
def test_any_number_may_fail_if_you_say_so(serve, cert):
    server = serve(ssl.TLSVersion.TLSv1_2)
    cache = tsc.TLSSessionCache(failure_budget=ANY_NUMBER)
    context = context_with_a_ticket(cert, server, cache=cache)
    for _ in range(20):
        with connect(context, server.port) as tls:
            assert tls.session_reused
            tls.sendall(b"LOGIN\n")
            assert tls.recv(10) == b""
    assert failures(context) == (20, 0, 20)


def test_a_connection_says_why_it_did_not_resume(serve, cert):
    server, context = serve(tickets=1), context_for(cert)
    for expected in ("nothing_stored", None):
        with connect(context, server.port) as tls:
            assert tls.tsc_reason == expected
            ask(tls)
    first, second = connect(context, server.port), connect(context, server.port)
    assert (first.tsc_reason, second.tsc_reason) == (None, "taken")
    first.close(), second.close()
    context.session_cache.close()
    with connect(context, server.port) as tls:
        assert tls.tsc_reason == "cache_off"


def test_a_connection_in_which_the_package_takes_no_part_has_no_reason(serve, cert):
    server = serve()
    context = context_for(cert, cache=tsc.TLSSessionCache(enabled=False))
    with connect(context, server.port) as tls:
        assert (tls.session_reused, tls.tsc_reason) == (False, None)


@pytest.mark.parametrize("say", [None, "tsc_failed"])
def test_a_message_of_rejection_is_a_failure_if_the_caller_says_so(serve, cert, say):
    """Otherwise it looks as every answer does that is followed by the end of the connection."""
    server = serve()
    context = context_for(cert, accept="caller" if say else "data")
    with connect(context, server.port) as tls:
        tls.sendall(b"REJECT\n")
        assert tls.recv(10) == b"no\n"
        if say:
            getattr(tls, say)()
        assert tls.recv(10) == b""
    assert failures(context) == (1 if say else 0, 0, 0)


def test_a_login_that_is_not_answered_is_a_failure_if_the_caller_says_so(serve, cert):
    server, context = serve(), context_for(cert, accept="caller")
    tcp = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    with context.wrap_socket(tcp, server_hostname="localhost") as tls:
        tls.settimeout(0.05)
        with pytest.raises(socket.timeout):
            tls.recv(10)
        tls.tsc_failed()
    assert failures(context) == (1, 0, 0)


def test_a_connection_that_breaks_while_it_writes_has_failed(serve, cert):
    server, context = serve(), context_for(cert)
    with connect(context, server.port) as tls, pytest.raises(OSError):
        while True:
            tls.sendall(b"LOGIN\n" * 1000)
    assert failures(context) == (1, 0, 0)
