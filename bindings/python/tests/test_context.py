"""Blocking sockets: what is offered, kept and published, proven by what the server says."""

import contextlib
import gc
import multiprocessing
import os
import pathlib
import select
import signal
import socket
import ssl
import subprocess
import sys
import threading
import weakref

import pytest
from peer import ask, certificate, connect, visit

import tsc

FALLBACK = pytest.mark.skipif(tsc.status().direct, reason="of the fallback")
BOTH = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


def context_for(cert, **options):
    context = tsc.SSLContext(ssl.PROTOCOL_TLS_CLIENT, **options)
    context.load_verify_locations(cert[0])
    return context


@BOTH
def test_reconnects_resume(serve, cert, version):
    server, context = serve(version), context_for(cert)
    assert [visit(context, server.port) for _ in range(5)] == [False] + [True] * 4
    assert server.resumed == [False] + [True] * 4
    stats = context.session_cache.stats()
    assert stats.resumed == 4 and stats.established == 5 and stats.unfinished == 0


@BOTH
@pytest.mark.parametrize("set_by_the_driver", [0, 1])
def test_a_request_does_not_wait_for_the_acknowledgement(serve, cert, version, set_by_the_driver):
    """Where the client speaks last, until the first answer; see `Attempt.client_finished_last`."""
    server, context = serve(version), context_for(cert)
    option = socket.IPPROTO_TCP, socket.TCP_NODELAY
    for resumed in (False, True):
        tcp = socket.create_connection(("127.0.0.1", server.port))
        tcp.setsockopt(*option, set_by_the_driver)
        with context.wrap_socket(tcp, server_hostname="localhost") as tls:
            assert tls.session_reused == resumed
            hurries = resumed and version == ssl.TLSVersion.TLSv1_2
            assert tls.getsockopt(*option) == (hurries or set_by_the_driver)
            ask(tls)
            assert tls.getsockopt(*option) == set_by_the_driver


def test_the_settings_of_tsc_probe_resume(serve, cert):
    """Line by line what tsc-probe gives to copy (tools/probe/src/settings.rs)."""
    cache = tsc.TLSSessionCache(ttl=3600)
    context = tsc.create_default_context(cache=cache, max_wait=2)
    context.load_verify_locations(cert[0])
    server = serve()
    assert [visit(context, server.port) for _ in range(2)] == [False, True]


def test_every_ticket_is_kept(serve, cert):
    server, context = serve(tickets=5), context_for(cert)
    visit(context, server.port)
    assert len(context.session_cache) == 5
    open_now = [connect(context, server.port) for _ in range(6)]
    assert [tls.session_reused for tls in open_now] == [True] * 5 + [False]
    for tls in open_now:
        ask(tls)
        tls.close()
    # In TLS 1.3 the client is done first, so the server's threads tell in any order.
    assert server.resumed.count(True) == 5 and len(server.resumed) == 7


def test_a_ticket_is_offered_once(serve, cert):
    server, context = serve(tickets=1), context_for(cert)
    visit(context, server.port)
    first, second = connect(context, server.port), connect(context, server.port)
    assert (first.session_reused, second.session_reused) == (True, False)
    first.close(), second.close()


def test_a_ticket_that_would_only_replace_another_is_not_copied(serve, cert):
    cache = tsc.TLSSessionCache(max_sessions_per_endpoint=2)
    server, context = serve(tickets=3), context_for(cert, cache=cache)
    for _ in range(3):
        visit(context, server.port)
    stats = cache.stats()
    assert (stats.offered, stats.stored, stats.sessions) == (2, 4, 2)
    assert stats.discarded_surplus == 1


@BOTH
def test_endpoints_are_apart(serve, cert, version):
    one, other, context = serve(version), serve(version), context_for(cert)
    other.context = one.context  # it would resume what the first one issued
    visit(context, one.port)
    assert visit(context, other.port) is False
    assert visit(context, one.port) is True
    assert visit(context, one.port, "127.0.0.1") is False
    assert other.resumed == [False] and one.resumed == [False, True, False]


@BOTH
def test_contexts_are_apart_in_one_cache(serve, cert, version):
    server, cache = serve(version), tsc.TLSSessionCache()
    one, other = context_for(cert, cache=cache), context_for(cert, cache=cache)
    assert [visit(one, server.port), visit(other, server.port)] == [False, False]
    assert [visit(one, server.port), visit(other, server.port)] == [True, True]


CHANGES = {
    "host name": lambda context, cert: setattr(context, "check_hostname", False),
    "verify mode": lambda context, cert: do_not_verify(context),
    "verify flags": lambda context, cert: setattr(
        context, "verify_flags", context.verify_flags ^ ssl.VERIFY_X509_TRUSTED_FIRST
    ),
    "roots": lambda context, cert: context.load_verify_locations(certificate(cert[2])[0]),
    "default roots": lambda context, cert: context.load_default_certs(),
    "default paths": lambda context, cert: context.set_default_verify_paths(),
    "certificate": lambda context, cert: context.load_cert_chain(*cert[:2]),
    "ALPN": lambda context, cert: context.set_alpn_protocols(["x"]),
    "ciphers": lambda context, cert: context.set_ciphers("ECDHE"),
    "oldest version": lambda context, cert: setattr(
        context, "minimum_version", ssl.TLSVersion.TLSv1_3
    ),
    "newest version": lambda context, cert: setattr(
        context, "maximum_version", ssl.TLSVersion.TLSv1_3
    ),
    "options": lambda context, cert: setattr(
        context, "options", context.options ^ ssl.OP_NO_RENEGOTIATION
    ),
    "post-handshake authentication": lambda context, cert: setattr(
        context, "post_handshake_auth", True
    ),
}


def do_not_verify(context):
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_context_starts_over(serve, cert, change, tmp_path):
    server, context = serve(), context_for(cert)
    visit(context, server.port)
    assert visit(context, server.port) is True
    change(context, (*cert, tmp_path))
    assert visit(context, server.port) is False
    assert visit(context, server.port) is True


@BOTH
@pytest.mark.parametrize("bio", [False, True])
def test_what_an_unverified_connection_got_is_not_offered_by_one_that_verifies(
    serve, cert, tmp_path, version, bio
):
    """OpenSSL copies the settings when a connection is made, not when it shakes hands."""
    server = serve(version, cert=certificate(tmp_path))
    context = context_for(cert)  # which does not trust that one
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    tcp = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    if bio:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    else:
        tls = context.wrap_socket(tcp, server_hostname="localhost", do_handshake_on_connect=False)
    context.verify_mode, context.check_hostname = ssl.CERT_REQUIRED, True
    if bio:
        with tsc.endpoint("127.0.0.1", server.port):
            pump(tls.do_handshake, tcp, incoming, outgoing)
        tls.write(b"hello\n")
        assert pump(tls.read, tcp, incoming, outgoing) == b"hello\n"
    else:
        tls.do_handshake()
        ask(tls)
    tcp.close()
    assert len(context.session_cache) > 0
    for _ in range(2):
        with pytest.raises(ssl.SSLCertVerificationError):
            visit(context, server.port)


def pump(call, tcp, incoming, outgoing):
    """Does a call of an `ssl.SSLObject`, and carries its bytes."""
    while True:
        try:
            return call()
        except ssl.SSLWantReadError:
            tcp.sendall(outgoing.read())
            incoming.write(tcp.recv(1 << 16))
        finally:
            tcp.sendall(outgoing.read())


@FALLBACK
def test_a_connection_made_while_the_context_changes_does_without(serve, cert):
    server, context = serve(), context_for(cert)
    visit(context, server.port)
    with context._tsc_change():
        assert visit(context, server.port) is False
    stats = context.session_cache.stats()
    assert stats.established == 1 and stats.offered == 0


@FALLBACK
def test_a_connection_of_another_class_does_without(serve, cert):
    """As Eventlet's; or none at all."""
    server, context = serve(), context_for(cert)
    for _ in range(2):
        tcp = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        with ssl.SSLSocket._create(tcp, server_hostname="localhost", context=context) as tls:
            ask(tls)
            assert not tls.session_reused
    assert context._wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), False, "localhost") is not None


def test_what_is_no_setting_changes_nothing(serve, cert):
    server, context = serve(), context_for(cert)
    visit(context, server.port)
    context.my_label = 1
    assert visit(context, server.port) is True


def test_the_cache_of_a_context_stays(cert):
    context = context_for(cert)
    with pytest.raises(AttributeError):
        context.session_cache = tsc.TLSSessionCache()
    with pytest.raises(AttributeError):
        context.session_cache.enabled = False


def test_tcp_nodelay_that_the_driver_sets_after_the_handshake_stays(serve, cert):
    """cassandra-driver sets its socket options then."""
    server, context = serve(ssl.TLSVersion.TLSv1_2), context_for(cert)
    visit(context, server.port)
    for wish in (1, 0):
        tcp = socket.create_connection(("127.0.0.1", server.port))
        with context.wrap_socket(tcp, server_hostname="localhost") as tls:
            assert tls.session_reused
            tls.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, wish)
            ask(tls)
            assert tls.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == wish


def test_a_read_of_nothing_is_no_end(serve, cert):
    server, context = serve(), context_for(cert)
    with connect(context, server.port) as tls:
        tls.recv_into(bytearray(0))
        ask(tls)
    stats = context.session_cache.stats()
    assert stats.established == 1 and stats.failed == 0


def test_a_server_whose_certificate_python_cannot_read_resumes(serve, tmp_path):
    """Plain `ssl` accepts it; `getpeercert` raises."""
    key, made = tmp_path / "k.pem", tmp_path / "c.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        + ["-nodes", "-keyout", key, "-out", made, "-subj", "/CN=localhost", "-addext"]
        # Names: "localhost", and one of a single byte that is no UTF-8.
        + ["subjectAltName=DER:300e" + "8209" + b"localhost".hex() + "8201ff"],
        check=True,
        capture_output=True,
    )
    server, context = serve(cert=(str(made), str(key))), context_for((str(made),))
    assert [visit(context, server.port) for _ in range(2)] == [False, True]


def test_the_key_log_file_is_that_of_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    assert tsc.create_default_context().keylog_filename == str(tmp_path / "keys")


def test_a_context_that_is_set_as_it_was_goes_on(serve, cert):
    """urllib3 does such things for each connection."""
    server, context = serve(), context_for(cert)
    context.set_alpn_protocols(["x"])
    visit(context, server.port)
    context.set_alpn_protocols(["x"])
    context.verify_mode = context.verify_mode
    context.check_hostname = True
    context.load_verify_locations(cert[0])
    assert visit(context, server.port) is True


@BOTH
def test_disabled_means_off(serve, cert, version):
    server = serve(version)
    context = context_for(cert, cache=tsc.TLSSessionCache(enabled=False))
    assert [visit(context, server.port) for _ in range(3)] == [False] * 3
    assert server.resumed == [False] * 3 and len(context.session_cache) == 0


@BOTH
def test_a_refused_login_caches_nothing(serve, cert, version):
    server, context = serve(version), context_for(cert)
    with connect(context, server.port) as tls:
        tls.sendall(b"LOGIN\n")
        assert tls.recv(10) == b""
    stats = context.session_cache.stats()
    assert stats.stored == 0 and stats.failed == 1 and stats.discarded_failed > 0
    assert visit(context, server.port) is False


def test_a_refused_certificate_caches_nothing(serve, cert):
    server, context = serve(), tsc.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(context, server.port)
    stats = context.session_cache.stats()
    assert stats.stored == 0 and stats.failed == 1


def test_a_refused_client_certificate_caches_nothing(serve, cert, tmp_path):
    server, context = serve(client_ca=certificate(tmp_path)[0]), context_for(cert)
    with pytest.raises(OSError), connect(context, server.port) as tls:
        tls.recv(10)
    stats = context.session_cache.stats()
    assert stats.stored == 0 and stats.failed == 1


@BOTH
def test_nothing_is_published_before_the_first_data(serve, cert, version):
    server, context = serve(version), context_for(cert)
    with connect(context, server.port) as tls:
        assert visit(context, server.port) is False
        assert context.session_cache.stats().established == 1
        ask(tls)
        assert context.session_cache.stats().established == 2


@BOTH
def test_the_caller_may_say_when_it_is_established(serve, cert, version):
    server, context = serve(version), context_for(cert, accept="caller")
    with connect(context, server.port) as tls:
        ask(tls)
        assert len(context.session_cache) == 0
        tls.tsc_established()
        assert len(context.session_cache) > 0
        tls.tsc_established()
    with connect(context, server.port) as tls:
        ask(tls)
        before = len(context.session_cache)
        tls.tsc_failed()
        assert len(context.session_cache) == before
        tls.tsc_established()
    assert context.session_cache.stats().failed == 1


def test_accept_handshake_publishes_after_the_handshake(serve, cert):
    server, context = serve(ssl.TLSVersion.TLSv1_2), context_for(cert, accept="handshake")
    with connect(context, server.port):
        assert len(context.session_cache) == 1


def s_server(cert, *options):
    @contextlib.contextmanager
    def run():
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        server = subprocess.Popen(
            ["openssl", "s_server", "-cert", cert[0], "-key", cert[1], "-accept", str(port)]
            + list(options),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            while b"ACCEPT" not in server.stdout.readline():
                assert server.poll() is None
            yield server, port
        finally:
            server.kill()
            server.communicate()

    return run()


@pytest.mark.parametrize("options", [["-tls1_2"], ["-tls1_2", "-no_ticket"], ["-tls1_3"]])
def test_s_server_resumes(cert, options):
    context = context_for(cert)
    with s_server(cert, "-rev", *options) as (_, port):
        results = []
        for _ in range(3):
            with connect(context, port) as tls:
                tls.sendall(b"abc\n")
                assert tls.recv(10) == b"cba\n"
                results.append(tls.session_reused)
                # Without close_notify, OpenSSL's server forgets a session that it keeps by id.
                tls.unwrap()
        assert results == [False, True, True]


def test_a_session_of_the_callers_is_left_alone(serve, cert):
    server, context = serve(ssl.TLSVersion.TLSv1_2), context_for(cert)
    with connect(context, server.port) as tls:
        ask(tls)
        session = tls.session
    offered = context.session_cache.stats().offered
    tcp = socket.create_connection(("127.0.0.1", server.port))
    with context.wrap_socket(tcp, server_hostname="localhost", session=session) as tls:
        ask(tls)
        assert tls.session_reused
    assert context.session_cache.stats().offered == offered


def test_a_non_blocking_socket_resumes(serve, cert):
    server, context = serve(), context_for(cert)
    for expected in (False, True):
        tcp = socket.create_connection(("127.0.0.1", server.port))
        tcp.setblocking(False)
        with context.wrap_socket(
            tcp, server_hostname="localhost", do_handshake_on_connect=False
        ) as tls:
            retry(tls, tls.do_handshake)
            retry(tls, lambda: tls.send(b"hello\n"))
            assert retry(tls, lambda: tls.recv(6)) == b"hello\n"
            assert tls.session_reused is expected


def retry(tls, call):
    while True:
        try:
            return call()
        except ssl.SSLWantReadError:
            select.select([tls], [], [], 10)
        except ssl.SSLWantWriteError:
            select.select([], [tls], [], 10)


def test_a_socket_that_connects_later_resumes(serve, cert):
    server, context = serve(), context_for(cert)
    for expected in (False, True):
        with context.wrap_socket(socket.socket(), server_hostname="localhost") as tls:
            tls.connect(("127.0.0.1", server.port))
            buffer = bytearray(6)
            tls.sendall(b"hello\n")
            assert tls.recv_into(buffer) == 6 and tls.session_reused is expected


def test_memory_bios_resume_with_a_named_endpoint(serve, cert):
    server, context = serve(), context_for(cert)

    def talk():
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        with socket.create_connection(("127.0.0.1", server.port)) as tcp:

            def run(call):
                while True:
                    try:
                        result = call()
                        tcp.sendall(outgoing.read())
                        return result
                    except ssl.SSLWantReadError:
                        tcp.sendall(outgoing.read())
                        incoming.write(tcp.recv(65536))

            run(tls.do_handshake)
            run(lambda: tls.write(b"hello\n"))
            assert run(lambda: tls.read(6)) == b"hello\n"
            return tls.session_reused

    assert [talk(), talk()] == [False, False], "nobody knows who that is"
    assert len(context.session_cache) == 0
    with tsc.endpoint("127.0.0.1", server.port):
        assert [talk(), talk()] == [False, True]


def test_a_callback_of_the_users_is_called_as_well(serve, cert):
    server, context = serve(), context_for(cert)
    seen = []

    def callback(tls, *message):
        seen.append(message[3])

    context._msg_callback = callback
    assert context._msg_callback is callback
    assert [visit(context, server.port) for _ in range(2)] == [False, True]
    assert len(seen) > 10
    context._msg_callback = None
    count = len(seen)
    assert visit(context, server.port) is True and len(seen) == count


def test_a_context_goes_with_its_sessions(serve, cert):
    """A session refers to its context, and that to the cache."""
    server, cache = serve(), tsc.TLSSessionCache()
    context = context_for(cert, cache=cache)
    visit(context, server.port)
    assert len(cache) > 0
    gone = weakref.ref(context)
    del context
    gc.collect()
    assert gone() is None
    again = context_for(cert, cache=cache)
    assert [visit(again, server.port) for _ in range(2)] == [False, True]


def test_sessions_expire_with_the_ttl(serve, cert):
    now = [1_000_000]
    cache = tsc.TLSSessionCache(ttl=10, clock=lambda: now[0])
    server, context = serve(), context_for(cert, cache=cache)
    visit(context, server.port)
    now[0] += 11_000
    assert visit(context, server.port) is False


def test_threads_may_share_a_context(serve, cert):
    server, context = serve(), context_for(cert)
    visit(context, server.port)
    errors = []

    def run():
        try:
            for _ in range(10):
                visit(context, server.port)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    stats = context.session_cache.stats()
    assert stats.resumed == server.resumed.count(True) >= 60
    assert stats.unfinished == 0


def burst(server, context):
    start = threading.Barrier(16)

    def run():
        start.wait()
        visit(context, server.port)

    threads = [threading.Thread(target=run) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_burst_waits_for_tickets(serve, cert):
    server, context = serve(), context_for(cert, max_wait=5)
    burst(server, context)
    assert len(server.resumed) == 16 and server.resumed.count(True) >= 12


def test_what_ends_a_wait_early_is_heard(serve, cert):
    """A signal's exception, here; what was waited for is others'."""
    server, context = serve(), context_for(cert, accept="caller", max_wait=60)
    over = threading.Event()

    class Heard(Exception):
        pass

    def handler(number, _frame):
        signal.signal(number, signal.SIG_IGN)
        raise Heard

    def interrupt():
        while not over.wait(0.01):
            if context.session_cache.stats().waited:
                signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, handler)
    thread = threading.Thread(target=interrupt)
    with connect(context, server.port) as first:
        ask(first)
        thread.start()
        with pytest.raises(Heard):
            connect(context, server.port)
        over.set()
        thread.join()
        first.tsc_established()
    signal.signal(signal.SIGUSR1, before)
    assert len(context.session_cache) == 2


def test_a_forked_worker_starts_empty(serve, cert):
    server, context = serve(), context_for(cert)
    with connect(context, server.port) as tls:
        ask(tls)
        child = os.fork()
        if child == 0:
            ok = False
            try:
                ok = [visit(context, server.port) for _ in range(2)] == [False, True]
            finally:
                os._exit(0 if ok else 1)
        assert os.waitpid(child, 0)[1] == 0
    assert visit(context, server.port) is True


inherited = []


def work(port):
    return os.getpid(), [visit(inherited[-1], port) for _ in range(3)]


def test_workers_of_multiprocessing_start_empty(serve, cert):
    """As under a prefork server: the parent has sessions, and no child offers them."""
    server = serve()
    inherited.append(context_for(cert))
    visit(inherited[-1], server.port)
    with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        results = [pool.apply_async(work, (server.port,)).get(20) for _ in range(3)]
    assert len({pid for pid, _ in results}) == 3
    assert [resumed for _, resumed in results] == [[False, True, True]] * 3
    assert visit(inherited.pop(), server.port) is True


def test_options_are_checked():
    with pytest.raises(ValueError):
        tsc.SSLContext(accept="perhaps")


def test_the_default_context_verifies(cert):
    context, model = tsc.create_default_context(), ssl.create_default_context()
    for name in ("verify_mode", "check_hostname", "verify_flags", "options", "minimum_version"):
        assert getattr(context, name) == getattr(model, name), name
    assert len(tsc.create_default_context(cafile=cert[0]).get_ca_certs()) == 1


def test_the_example_of_the_readme_resumes(serve, cert):
    server = serve()
    example = pathlib.Path(__file__).parent.parent / "examples" / "client.py"
    command = [sys.executable, str(example), "localhost", str(server.port), cert[0]]
    assert subprocess.check_output(command).split(b"\n")[:2] == [
        b"b'hello\\n' False 0",
        b"b'hello\\n' True 1",
    ]


def test_a_ticket_that_left_does_not_come_back(serve, cert):
    server, context = serve(tickets=1), context_for(cert)
    visit(context, server.port)
    silent = socket.create_server(("127.0.0.1", 0))
    tcp = socket.create_connection(silent.getsockname())
    tcp.setblocking(False)
    tls = context.wrap_socket(tcp, server_hostname="localhost", do_handshake_on_connect=False)
    with tsc.endpoint("127.0.0.1", server.port), pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    tls.close()
    silent.close()
    del tls
    gc.collect()
    stats = context.session_cache.stats()
    assert (stats.offered, stats.returned, stats.unfinished, stats.sessions) == (1, 0, 1, 0)
