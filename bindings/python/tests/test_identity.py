"""Contexts of one identity share nothing where they differ in what was loaded after `tsc.attach`.

Each test loads the same number of things into both, in the same order; only what is loaded differs.
"""

import os
import ssl
import subprocess

import pytest
from peer import certificate, visit
from test_attach import DIRECT, plain
from test_context import BOTH

import tsc


@pytest.fixture(scope="session")
def others(tmp_path_factory):
    """Two more roots."""
    folder = tmp_path_factory.mktemp("roots")
    return [certificate(folder, name)[0] for name in ("one", "other")]


@pytest.fixture(scope="session")
def lists(cert, tmp_path_factory):
    """Two revocation lists of the server's certificate, which revoke nothing."""
    made = []
    for days in (8, 9):
        folder = tmp_path_factory.mktemp("crl")
        (folder / "index").touch()
        config, crl = folder / "config", folder / "crl.pem"
        config.write_text(
            f"[ca]\ndefault_ca=it\n[it]\ndatabase={folder}/index\ndefault_md=sha256\n"
            f"default_crl_days={days}\n"
        )
        subprocess.run(
            ["openssl", "ca", "-gencrl", "-config", config, "-cert", cert[0], "-keyfile", cert[1]]
            + ["-out", crl],
            check=True,
            capture_output=True,
        )
        made.append(str(crl))
    return made


def roots(context, which, others, lists, environment):
    context.load_verify_locations(others[which])


def roots_as_data(context, which, others, lists, environment):
    with open(others[which]) as root:
        context.load_verify_locations(cadata=root.read())


def folder(context, which, others, lists, environment):
    context.load_verify_locations(capath=os.path.dirname((others[0], lists[0])[which]))


def default_certs(context, which, others, lists, environment):
    environment.setenv("SSL_CERT_FILE", others[which])
    context.load_default_certs()


def default_folder(context, which, others, lists, environment):
    environment.setenv("SSL_CERT_DIR", os.path.dirname((others[0], lists[0])[which]))
    context.set_default_verify_paths()


def revocation_list(context, which, others, lists, environment):
    context.load_verify_locations(lists[which])


def revocation_list_unseen(context, which, others, lists, environment):
    ssl.SSLContext.load_verify_locations(context, lists[which])


def alpn(context, which, others, lists, environment):
    context.set_alpn_protocols([("h2", "http/1.1")[which]])


def post_handshake_auth(context, which, others, lists, environment):
    """Both change one thing that OpenSSL does not show."""
    if which:
        context.post_handshake_auth = True
    else:
        context.set_alpn_protocols(["h2"])


KINDS = [
    roots,
    roots_as_data,
    folder,
    default_certs,
    default_folder,
    revocation_list,
    revocation_list_unseen,
    alpn,
    post_handshake_auth,
]
SHARED = [roots, roots_as_data, default_certs, revocation_list, revocation_list_unseen, alpn]


def resumed(server, cert, load, whiches, *arguments):
    """Which of some contexts of one identity resume, each after having loaded something."""
    cache, told = tsc.TLSSessionCache(), []
    for which in whiches:
        context = plain(cert)
        tsc.attach(context, cache, identity=b"one")
        load(context, which, *arguments)
        told.append(visit(context, server.port))
    return told


@BOTH
@pytest.mark.parametrize("load", KINDS)
def test_what_differs_is_kept_apart(serve, cert, others, lists, monkeypatch, version, load):
    server = serve(version)
    assert resumed(server, cert, load, (0, 1), others, lists, monkeypatch) == [False, False]


@DIRECT
@BOTH
@pytest.mark.parametrize("load", SHARED)
def test_what_is_the_same_is_shared(serve, cert, others, lists, monkeypatch, version, load):
    server = serve(version)
    assert resumed(server, cert, load, (0, 0), others, lists, monkeypatch) == [False, True]


@DIRECT
@BOTH
def test_roots_that_were_loaded_before_count(serve, cert, others, version):
    server, cache, told = serve(version), tsc.TLSSessionCache(), []
    for other in others:
        context = plain(cert)
        context.load_verify_locations(other)
        tsc.attach(context, cache, identity=b"one")
        told.append(visit(context, server.port))
    assert told == [False, False]


@DIRECT
@BOTH
def test_default_contexts_of_one_identity_share(serve, cert, version):
    server, cache = serve(version), tsc.TLSSessionCache()
    told = [
        visit(tsc.create_default_context(cafile=cert[0], cache=cache, identity=b"one"), server.port)
        for _ in range(2)
    ]
    assert told == [False, True]


@BOTH
def test_what_a_failed_load_brought_counts(serve, cert, others, tmp_path, version):
    """A file may be broken behind its first certificates."""
    broken = tmp_path / "broken.pem"
    with open(others[0]) as root:
        broken.write_text(root.read() + "-----BEGIN CERTIFICATE-----\nno\n")
    server, context = serve(version), plain(cert)
    tsc.attach(context)
    visit(context, server.port)
    before = context.cert_store_stats()
    with pytest.raises(ssl.SSLError):
        context.load_verify_locations(str(broken))
    changed = context.cert_store_stats() != before
    assert visit(context, server.port) is not changed


@pytest.mark.skipif(not getattr(ssl, "HAS_PSK", False), reason="from CPython 3.13 on")
@BOTH
def test_a_context_with_a_pre_shared_key_shares_with_no_other(serve, cert, version):
    """Where it differs is code, and two pieces of code cannot be compared."""
    server, cache = serve(version), tsc.TLSSessionCache()
    offered = []
    for callback in (None, lambda hint: ("me", bytes(16)), lambda hint: ("me", bytes(16)), None):
        context = plain(cert)
        tsc.attach(context, cache, identity=b"mine")
        context.set_psk_client_callback(callback)
        before = cache.stats().offered
        visit(context, server.port)
        offered.append(cache.stats().offered - before)
    shares = int(tsc.status().direct)
    assert offered == [0, 0, 0, shares]


@pytest.mark.skipif(not getattr(ssl, "HAS_PSK", False), reason="from CPython 3.13 on")
@BOTH
def test_a_pre_shared_key_that_is_set_afterwards_starts_over(serve, cert, version):
    server, context = serve(version), plain(cert)
    cache = tsc.attach(context)
    assert [visit(context, server.port) for _ in range(2)] == [False, True]
    context.set_psk_client_callback(lambda hint: ("me", bytes(16)))
    visit(context, server.port)
    assert cache.stats().offered == 1
    visit(context, server.port)
    assert cache.stats().offered == 2
