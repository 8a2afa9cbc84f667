"""pyOpenSSL's connections, made as drivers make them."""

import contextlib
import socket
import ssl

import pytest
from peer import certificate

pytest.importorskip("OpenSSL")  # free-threaded CPython 3.13 has none

from cryptography.x509 import load_pem_x509_certificate
from OpenSSL import SSL

import tsc
import tsc.pyopenssl

BOTH = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


def context_for(cert, **options):
    context = tsc.pyopenssl.Context(**options)
    context.load_verify_locations(cert[0])
    context.set_verify(SSL.VERIFY_PEER)
    return context


def open_(context, port, name=b"localhost", change=None):
    connection = SSL.Connection(context, socket.create_connection(("127.0.0.1", port)))
    connection.set_tlsext_host_name(name)
    if change is not None:
        change(connection)
    connection.set_connect_state()
    connection.do_handshake()
    return connection


def visit(context, port, name=b"localhost", change=None):
    connection = open_(context, port, name, change)
    connection.sendall(b"hello\n")
    assert connection.recv(6) == b"hello\n"
    connection.sock_shutdown(socket.SHUT_RDWR)
    connection.close()
    return tsc.pyopenssl.session_reused(connection)


@BOTH
def test_reconnects_resume(serve, cert, version):
    server, context = serve(version), context_for(cert, accept="handshake")
    assert [visit(context, server.port) for _ in range(4)] == [False, True, True, True]
    assert server.resumed == [False, True, True, True]


@BOTH
def test_a_request_does_not_wait_for_the_acknowledgement(serve, cert, version):
    server, context = serve(version), context_for(cert, accept="handshake")
    visit(context, server.port)
    connection = open_(context, server.port)
    hurries = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    assert hurries == (version == ssl.TLSVersion.TLSv1_2)
    connection.close()


def test_every_ticket_is_kept(serve, cert):
    server, context = serve(tickets=4), context_for(cert, accept="handshake")
    visit(context, server.port)
    stats = context.session_cache.stats()
    assert stats.sessions == stats.stored == 4


@BOTH
def test_endpoints_are_apart(serve, cert, version):
    one, other, context = serve(version), serve(version), context_for(cert, accept="handshake")
    other.context = one.context
    visit(context, one.port)
    assert visit(context, other.port) is False
    assert visit(context, one.port, b"other") is False
    assert visit(context, one.port) is True


@BOTH
def test_nothing_is_published_before_the_verdict(serve, cert, version):
    server, context = serve(version), context_for(cert)
    connection = open_(context, server.port)
    connection.sendall(b"hello\n")
    connection.recv(6)
    assert len(context.session_cache) == 0
    tsc.pyopenssl.established(connection)
    assert len(context.session_cache) > 0
    before = len(context.session_cache)
    connection = open_(context, server.port)
    connection.sendall(b"hello\n")
    connection.recv(6)
    tsc.pyopenssl.failed(connection)
    stats = context.session_cache.stats()
    assert stats.sessions <= before and (stats.failed, stats.login_failed_resumed) == (1, 1)


def test_an_alert_after_it_is_established_drops_what_it_brought(serve, cert, tmp_path):
    server = serve(client_ca=certificate(tmp_path)[0])
    context = context_for(cert, accept="handshake")
    connection = open_(context, server.port)
    with pytest.raises(SSL.Error):
        connection.recv(10)
    stats = context.session_cache.stats()
    assert (stats.established, stats.sessions) == (1, 0)
    connection.close()


@BOTH
def test_an_alert_that_is_sent_after_it_is_established_does_so_too(serve, cert, version):
    server, context = serve(version), context_for(cert, accept="handshake")
    connection = open_(context, server.port)
    connection.sendall(b"hello\n")
    connection.recv(6)
    assert context.session_cache.stats().sessions > 0
    connection.sendall(b"SPOIL\n")
    with pytest.raises(SSL.Error):
        connection.recv(10)
    stats = context.session_cache.stats()
    assert (stats.established, stats.sessions) == (1, 0)
    connection.close()


def test_a_connection_says_why_it_did_not_resume(serve, cert):
    server, context = serve(), context_for(cert, accept="handshake")
    for expected in ("nothing_stored", None):
        connection = open_(context, server.port)
        assert tsc.pyopenssl.reason(connection) == expected
        connection.sendall(b"hello\n")
        connection.recv(6)
        connection.close()


def test_a_refused_certificate_caches_nothing(serve, cert, tmp_path):
    server, context = serve(), context_for(certificate(tmp_path), accept="handshake")
    with pytest.raises(SSL.Error):
        open_(context, server.port)
    assert context.session_cache.stats().stored == 0


def test_disabled_means_off(serve, cert):
    cache = tsc.TLSSessionCache(enabled=False)
    server, context = serve(), context_for(cert, accept="handshake", cache=cache)
    assert [visit(context, server.port) for _ in range(2)] == [False, False]


def test_an_info_callback_of_the_users_is_called_as_well(serve, cert):
    server, context = serve(), context_for(cert, accept="handshake")
    seen = []
    context.set_info_callback(lambda _connection, where, _result: seen.append(where))
    assert [visit(context, server.port) for _ in range(2)] == [False, True]
    assert any(where & SSL.SSL_CB_HANDSHAKE_DONE for where in seen)


def test_without_a_socket_the_endpoint_is_named(serve, cert):
    """As Twisted does: bytes in, bytes out."""
    server, context = serve(), context_for(cert, accept="handshake")

    def talk():
        connection = SSL.Connection(context, None)
        connection.set_tlsext_host_name(b"localhost")
        connection.set_connect_state()
        with socket.create_connection(("127.0.0.1", server.port)) as tcp:

            def flush():
                with contextlib.suppress(SSL.WantReadError):
                    tcp.sendall(connection.bio_read(65536))

            def run(call):
                while True:
                    try:
                        result = call()
                        flush()
                        return result
                    except SSL.WantReadError:
                        flush()
                        connection.bio_write(tcp.recv(65536))

            run(connection.do_handshake)
            run(lambda: connection.send(b"hello\n"))
            assert run(lambda: connection.recv(6)) == b"hello\n"
        return tsc.pyopenssl.session_reused(connection)

    assert [talk(), talk()] == [False, False]
    with tsc.endpoint("127.0.0.1", server.port):
        assert [talk(), talk()] == [False, True]


def ignore(*_arguments):
    return True


def change_used(context, change):
    """Changes a context that has connections. pyOpenSSL 26 allows that no longer; older ones do."""
    context._used = False
    change(context)


CHANGES = {
    "roots": lambda context, cert: context.load_verify_locations(cert[0]),
    "default roots": lambda context, cert: context.set_default_verify_paths(),
    "verify mode": lambda context, cert: context.set_verify(SSL.VERIFY_NONE),
    "verify callback": lambda context, cert: context.set_verify(SSL.VERIFY_PEER, ignore),
    "depth": lambda context, cert: context.set_verify_depth(3),
    "certificate": lambda context, cert: context.use_certificate_file(cert[0]),
    "key": lambda context, cert: context.use_privatekey_file(cert[1]),
    "ciphers": lambda context, cert: context.set_cipher_list(b"ECDHE"),
    "version": lambda context, cert: context.set_min_proto_version(SSL.TLS1_2_VERSION),
    "options": lambda context, cert: context.set_options(SSL.OP_NO_TLSv1_1),
    "ALPN": lambda context, cert: context.set_alpn_protos([b"x"]),
}


@BOTH
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_context_starts_over(serve, cert, version, change):
    server, context = serve(version), context_for(cert, accept="handshake")
    assert [visit(context, server.port) for _ in range(2)] == [False, True]
    change_used(context, lambda context: change(context, cert))
    assert [visit(context, server.port) for _ in range(2)] == [False, True]


def test_reading_the_options_changes_nothing(serve, cert):
    server, context = serve(), context_for(cert, accept="handshake")
    visit(context, server.port)
    change_used(context, lambda context: context.set_options(0))
    assert visit(context, server.port) is True


OWN = {
    "verify mode": lambda connection, cert: connection.set_verify(SSL.VERIFY_NONE),
    "verify callback": lambda connection, cert: connection.set_verify(SSL.VERIFY_PEER, ignore),
    "certificate": lambda connection, cert: connection.use_certificate(own_certificate(cert)),
}
if hasattr(SSL.Connection, "set_options"):  # newer pyOpenSSL only
    OWN["options"] = lambda connection, cert: connection.set_options(SSL.OP_NO_TLSv1_1)


def own_certificate(cert):
    with open(cert[0], "rb") as file:
        return load_pem_x509_certificate(file.read())


@BOTH
@pytest.mark.parametrize("change", OWN.values(), ids=OWN)
def test_a_connection_with_settings_of_its_own_is_left_alone(serve, cert, version, change):
    server, context = serve(version), context_for(cert, accept="handshake")
    visit(context, server.port)
    before = context.session_cache.stats()
    assert visit(context, server.port, change=lambda one: change(one, cert)) is False
    assert context.session_cache.stats() == before
    assert visit(context, server.port) is True


@BOTH
@pytest.mark.parametrize("change", OWN.values(), ids=OWN)
def test_a_connection_that_changes_after_begin_is_left_alone(serve, cert, version, change):
    server, context = serve(version), context_for(cert, accept="handshake")
    visit(context, server.port)
    stored = context.session_cache.stats().stored

    def begin_and_change(connection):
        tsc.pyopenssl.begin(connection)
        change(connection, cert)

    assert visit(context, server.port, change=begin_and_change) is False
    assert context.session_cache.stats().stored == stored


@BOTH
def test_what_is_set_for_the_handshake_alone_counts(serve, cert, tmp_path, version):
    server = serve(version, cert=certificate(tmp_path))
    context = context_for(cert)  # which does not trust that one

    def begin_and_verify_nothing(connection):
        tsc.pyopenssl.begin(connection)
        connection.set_verify(SSL.VERIFY_NONE)

    connection = open_(context, server.port, change=begin_and_verify_nothing)
    connection.set_verify(SSL.VERIFY_PEER)
    connection.sendall(b"hello\n")
    assert connection.recv(6) == b"hello\n"
    tsc.pyopenssl.established(connection)
    assert len(context.session_cache) == 0


@BOTH
def test_a_connection_made_before_a_change_is_left_alone(serve, cert, tmp_path, version):
    """OpenSSL copies the settings when a connection is made, not when it shakes hands."""
    server = serve(version, cert=certificate(tmp_path))
    context = context_for(cert, accept="handshake")  # which does not trust that one
    context.set_verify(SSL.VERIFY_NONE)

    def verify(_connection):
        change_used(context, lambda context: context.set_verify(SSL.VERIFY_PEER))

    visit(context, server.port, change=verify)
    assert len(context.session_cache) == 0
    with pytest.raises(SSL.Error):
        open_(context, server.port)


@BOTH
def test_who_asks_for_an_ocsp_response_does_not_resume(serve, cert, version):
    server, context = serve(version), context_for(cert, accept="handshake")
    visit(context, server.port)
    change_used(context, lambda context: context.set_ocsp_client_callback(ignore))
    assert [visit(context, server.port) for _ in range(2)] == [False, False]


@BOTH
def test_a_session_of_the_callers_own_is_left_alone(serve, cert, version):
    server, context = serve(version), context_for(cert, accept="handshake")
    first = open_(context, server.port)
    first.sendall(b"hello\n")
    assert first.recv(6) == b"hello\n"
    connection = SSL.Connection(context, socket.create_connection(("127.0.0.1", server.port)))
    connection.set_tlsext_host_name(b"localhost")
    connection.set_session(first.get_session())
    connection.set_connect_state()
    connection.do_handshake()
    assert tsc.pyopenssl.session_reused(connection)
    assert context.session_cache.stats().offered == 0
    first.close(), connection.close()


def test_a_servers_connections_are_left_alone(cert):
    context = tsc.pyopenssl.Context(SSL.TLS_METHOD, accept="handshake")
    context.use_certificate_file(cert[0])
    context.use_privatekey_file(cert[1])
    client = SSL.Connection(context_for(cert), None)
    server = SSL.Connection(context, None)
    client.set_connect_state()
    server.set_accept_state()
    with tsc.endpoint("a", 1):
        for _ in range(4):
            for one, other in ((client, server), (server, client)):
                with contextlib.suppress(SSL.WantReadError):
                    one.do_handshake()
                with contextlib.suppress(SSL.WantReadError):
                    other.bio_write(one.bio_read(1 << 16))
    assert client.get_state_string() == server.get_state_string()
    stats = context.session_cache.stats()
    assert stats.established == 0 and stats.stored == 0
