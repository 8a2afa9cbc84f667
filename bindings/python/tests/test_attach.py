"""`tsc.attach`: any context, and in the direct way sessions that outlive what they came from."""

import contextlib
import datetime
import gc
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import sysconfig
import threading
import weakref

import pytest
from peer import ask, certificate, connect, visit
from test_context import BOTH

import tsc

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
DIRECT = pytest.mark.skipif(not tsc.status().direct, reason="of the direct way")


def plain(cert):
    return ssl.create_default_context(cafile=cert[0])


class Subclass(ssl.SSLContext):
    """As libraries have them: with data of its own, and no call of its base."""

    def __init__(self, protocol):
        self.label = "mine"


class Asking(ssl.SSLContext):
    """Its subclasses have to say something."""

    def __init_subclass__(cls, *, label):
        cls.label = label


def asking(cert):
    context = Asking(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cert[0])
    return context


def subclass(cert):
    context = Subclass(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cert[0])
    return context


@BOTH
@pytest.mark.parametrize("make", [plain, subclass, asking])
def test_an_attached_context_resumes(serve, cert, version, make):
    server, context = serve(version), make(cert)
    kind = type(context)
    cache = tsc.attach(context)
    assert isinstance(context, kind) and context.session_cache is cache
    assert [visit(context, server.port) for _ in range(3)] == [False, True, True]
    assert cache.stats().resumed == 2 and cache.stats().unfinished == 0


@BOTH
def test_a_detached_context_is_as_it_was(serve, cert, version):
    server, context = serve(version), plain(cert)
    before = dict(context.__dict__)
    for cache in (tsc.TLSSessionCache(), tsc.TLSSessionCache()):
        tsc.attach(context, cache)
        assert [visit(context, server.port) for _ in range(2)] == [False, True]
        tsc.detach(context)
        assert (type(context), context.__dict__) == (ssl.SSLContext, before)
        assert visit(context, server.port) is False
        assert cache.stats().established == 2


@BOTH
def test_a_class_of_connections_may_be_set_afterwards(serve, cert, version):
    class Own(ssl.SSLSocket):
        pass

    server, context = serve(version), plain(cert)
    tsc.attach(context)
    before = context.sslsocket_class
    assert visit(context, server.port) is False
    context.sslsocket_class = Own
    with connect(context, server.port) as tls:
        assert isinstance(tls, Own) and tls.session_reused
        ask(tls)
        assert tls.tsc_reason is None
    context.sslsocket_class = before
    assert visit(context, server.port) is True
    context.sslsocket_class = Own
    tsc.detach(context)
    assert context.sslsocket_class is Own


def test_a_connection_goes_on_when_its_context_is_detached(serve, cert):
    server, context = serve(), plain(cert)
    cache = tsc.attach(context)
    with connect(context, server.port) as tls:
        tsc.detach(context)
        ask(tls)
    assert visit(context, server.port) is False
    tsc.attach(context, cache)
    assert [visit(context, server.port) for _ in range(2)] == [False, True]


def test_what_cannot_be_attached(cert):
    with pytest.raises(ValueError):
        tsc.attach(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    context = plain(cert)
    with pytest.raises(ValueError):
        tsc.detach(context)
    tsc.attach(context)
    with pytest.raises(ValueError):
        tsc.attach(context)
    for option in ({"accept": "perhaps"}, {"client_not_after": -1}, {"client_not_after": 2**63}):
        with pytest.raises(ValueError, match=next(iter(option))):
            tsc.attach(plain(cert), **option)
    for option in (
        {"cache": 5},
        {"cache": tsc.TLSSessionCache},
        {"identity": "mine"},
        {"max_wait": "a"},
    ):
        with pytest.raises(TypeError, match=next(iter(option))):
            tsc.attach(plain(cert), **option)
    with pytest.raises(TypeError, match="context"):
        tsc.attach(None)


def test_a_context_that_stands_for_another_is_refused():
    """As truststore's does."""

    class Stand(ssl.SSLContext):
        __class__ = property(lambda self: ssl.SSLContext)

    context = Stand(ssl.PROTOCOL_TLS_CLIENT)
    with pytest.raises(TypeError, match="Stand"):
        tsc.attach(context)
    assert not context.__dict__


@BOTH
def test_classes_of_connections_may_be_set_on_the_context_before(serve, cert, version):
    class Own(ssl.SSLSocket):
        pass

    server, context = serve(version), plain(cert)
    context.sslsocket_class = Own
    tsc.attach(context)
    assert [visit(context, server.port) for _ in range(2)] == [False, True]
    with tsc.endpoint("another", 1):
        assert visit(context, server.port) is False
    with connect(context, server.port) as tls:
        assert isinstance(tls, Own) and tls.tsc_reason is None
        ask(tls)
    tsc.detach(context)
    assert context.__dict__ == {"sslsocket_class": Own}


@BOTH
def test_a_setting_that_the_class_does_not_see_counts(serve, cert, version):
    """truststore sets it by the property of the C type."""
    server, context = serve(version), ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    tsc.attach(context)
    assert [visit(context, server.port) for _ in range(2)] == [False, True]
    ssl._ssl._SSLContext.verify_mode.__set__(context, ssl.CERT_REQUIRED)
    with pytest.raises(ssl.SSLCertVerificationError):
        visit(context, server.port)


@BOTH
@pytest.mark.parametrize("then", ["detached", "attached again", "another"])
def test_what_was_made_before_goes_on_without(serve, cert, version, then):
    server, context = serve(version), plain(cert)
    tsc.attach(context)
    visit(context, server.port)
    tcp = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    with context.wrap_socket(
        tcp, server_hostname="localhost", do_handshake_on_connect=False
    ) as tls:
        if then == "another":
            tls.context = plain(cert)
        else:
            tsc.detach(context)
            if then == "attached again":
                tsc.attach(context)
        tls.do_handshake()
        ask(tls)
        assert tls.session_reused is False


def test_the_way_is_told():
    status = tsc.status()
    assert status.direct == (status.reason is None)
    code = "import tsc; print(tsc.status())"
    told = subprocess.check_output(
        [sys.executable, "-c", code], env={**os.environ, "TSC_DIRECT": "0"}, text=True
    )
    assert told == "Status(direct=False, reason='TSC_DIRECT=0 is set')\n"


def short_lived(folder, seconds):
    """Make a client's certificate that ends soon; give the paths of it and its key."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now, key = datetime.datetime.now(datetime.timezone.utc), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "client")])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - datetime.timedelta(hours=1))
    made = made.not_valid_after(now + datetime.timedelta(seconds=seconds))
    pem = serialization.Encoding.PEM
    (folder / "cert").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(pem))
    (folder / "key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(folder / "cert"), str(folder / "key")


@DIRECT
@pytest.mark.parametrize("seconds", [600, 6000])
def test_a_session_ends_with_the_clients_certificate(serve, cert, tmp_path, seconds):
    """As it is read off OpenSSL: nobody says when that is."""
    client, clock = short_lived(tmp_path, seconds), [1_000_000]
    server, context = serve(client_ca=client[0]), plain(cert)
    context.load_cert_chain(*client)
    tsc.attach(context, tsc.TLSSessionCache(clock=lambda: clock[0]))
    assert [visit(context, server.port) for _ in range(2)] == [False, True]
    clock[0] += 700_000
    assert visit(context, server.port) == (seconds > 700)


@pytest.mark.parametrize("base", [ssl.SSLContext, tsc.SSLContext])
def test_a_class_that_does_not_call_its_bases_init_is_attached_later(serve, cert, base):
    class Own(base):
        def __init__(self, protocol):
            pass

    server, context = serve(), Own(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cert[0])
    assert [visit(context, server.port) for _ in range(2)] == [False, False]
    tsc.attach(context)
    assert [visit(context, server.port) for _ in range(2)] == [False, True]


@pytest.mark.skipif(not FREE_THREADED, reason="this one has a GIL")
def test_a_free_threaded_interpreter_stays_so():
    code = "import sys, tsc; print(sys._is_gil_enabled())"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


@DIRECT
def test_objects_that_are_not_as_known_are_refused(cert):
    """Each look that the check has, at objects which are not what it is told."""
    module = ssl._ssl

    def check(function=module.RAND_status, **other):
        context = module._SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls = context._wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), False, "localhost")
        given = {"context": context, "tls": tls, "version": ssl.OPENSSL_VERSION}
        given["options"] = context.options
        given.update(other)
        return tsc._tsc.direct_check(function, *given.values())

    assert check() is None
    another = module._SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if "_ssl" not in sys.builtin_module_names:  # otherwise `len` is in the same file
        assert check(function=len) == "_ssl does not show the functions of its OpenSSL"
    assert check(function=check) == "where the module _ssl is cannot be seen"
    assert check(version="OpenSSL 0") == "there is more than one OpenSSL"
    assert "as they were known" in check(context=another)
    for name in ("context", "tls"):
        assert "smaller" in check(**{name: object()})
    assert "what they seemed" in check(options=0)


@DIRECT
@BOTH
def test_contexts_of_one_identity_share(serve, cert, version):
    server, cache = serve(version), tsc.TLSSessionCache()
    resumed = []
    for identity in (b"mine", b"mine", b"another's", None):
        context = plain(cert)
        tsc.attach(context, cache, identity=identity)
        resumed.append(visit(context, server.port))
    assert resumed == [False, True, False, False]


@DIRECT
def test_one_identity_does_not_excuse_from_verifying(serve, cert):
    server, cache = serve(), tsc.TLSSessionCache()
    lax, strict = ssl.create_default_context(), ssl.create_default_context()
    lax.check_hostname, lax.verify_mode = False, ssl.CERT_NONE
    for context in (lax, strict):
        tsc.attach(context, cache, identity=b"one")
    visit(lax, server.port)
    assert len(cache) == 2
    with pytest.raises(ssl.SSLCertVerificationError):
        visit(strict, server.port)


@DIRECT
@BOTH
@pytest.mark.parametrize("when", ["before", "after", "as data"])
def test_contexts_of_one_identity_that_trust_others_do_not_share(
    serve, cert, version, when, tmp_path
):
    """The one that does not trust the server fails, as it would without a cache."""
    server, cache = serve(version), tsc.TLSSessionCache()
    another = certificate(tmp_path, "another")[0]

    def visit_trusting(*roots):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if when != "before":
            tsc.attach(context, cache, identity=b"one")
        for root in roots:
            if when == "as data":
                context.load_verify_locations(cadata=pathlib.Path(root).read_text())
            else:
                context.load_verify_locations(root)
        if when == "before":
            tsc.attach(context, cache, identity=b"one")
        return visit(context, server.port)

    assert [visit_trusting(cert[0]) for _ in range(2)] == [False, True]
    with pytest.raises(ssl.SSLCertVerificationError):
        visit_trusting(another)
    assert visit_trusting(cert[0], another) is False
    assert visit_trusting(another, cert[0]) is True
    assert visit_trusting(cert[0]) is True


@DIRECT
def test_contexts_of_one_identity_look_into_the_same_folders(serve, cert, tmp_path):
    server, cache = serve(), tsc.TLSSessionCache()

    def visit_with(capath):
        context = plain(cert)
        tsc.attach(context, cache, identity=b"one")
        context.load_verify_locations(capath=capath)
        return visit(context, server.port)

    (tmp_path / "other").mkdir()
    assert [visit_with(tmp_path) for _ in range(2)] == [False, True]
    assert visit_with(tmp_path / "other") is False


@DIRECT
@pytest.mark.parametrize(
    "change",
    [
        lambda context: context.set_alpn_protocols(["other"]),
        lambda context: setattr(context, "post_handshake_auth", True),
    ],
    ids=["alpn", "post_handshake_auth"],
)
def test_what_is_set_later_counts_by_what_it_is(serve, cert, change):
    server, cache = serve(), tsc.TLSSessionCache()

    def visit_with(*changes):
        context = plain(cert)
        tsc.attach(context, cache, identity=b"one")
        for one in changes:
            one(context)
        return visit(context, server.port)

    assert [visit_with() for _ in range(2)] == [False, True]
    assert [visit_with(change) for _ in range(2)] == [False, True]
    # As often, and not the same.
    assert visit_with(lambda context: context.set_alpn_protocols(["this"])) is False
    assert visit_with() is True


@DIRECT
def test_a_revocation_list_that_is_loaded_later_counts(serve, cert, tmp_path):
    """Its issuer is the server's certificate, which is its own; and it revokes nothing."""
    (tmp_path / "index").touch()
    config, crl = tmp_path / "config", tmp_path / "crl.pem"
    config.write_text(
        f"[ca]\ndefault_ca=it\n[it]\ndatabase={tmp_path}/index\ndefault_md=sha256\n"
        "default_crl_days=9\n"
    )
    subprocess.run(
        ["openssl", "ca", "-gencrl", "-config", config, "-cert", cert[0], "-keyfile", cert[1]]
        + ["-out", crl],
        check=True,
        capture_output=True,
    )
    server, context = serve(), plain(cert)
    tsc.attach(context)
    visit(context, server.port)
    assert visit(context, server.port) is True
    # Not by the method that would notice.
    ssl.SSLContext.load_verify_locations(context, str(crl))
    assert visit(context, server.port) is False


@DIRECT
@BOTH
def test_what_a_killed_server_gave_resumes(cert, version):
    """OpenSSL marks the session of a connection that ends without a farewell; ours is a copy."""
    script = pathlib.Path(__file__).parent / "respawn.py"
    server = subprocess.Popen(
        [sys.executable, str(script), *cert, version.name], stdout=subprocess.PIPE, text=True
    )
    workers = []
    try:
        port = int(server.stdout.readline())
        workers.append(int(server.stdout.readline()))
        context = plain(cert)
        tsc.attach(context, tsc.TLSSessionCache(max_sessions_per_endpoint=32))
        open_now = [connect(context, port) for _ in range(16)]
        for tls in open_now:
            ask(tls)
        os.kill(workers[0], signal.SIGKILL)
        workers.append(int(server.stdout.readline()))
        for tls in open_now:
            with contextlib.suppress(OSError):
                assert tls.recv(1) == b""
            tls.close()
        again = [connect(context, port) for _ in range(16)]
        assert [tls.session_reused for tls in again] == [True] * 16
        for tls in again:
            ask(tls)
            tls.close()
    finally:
        server.kill()
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        server.communicate()


@DIRECT
@BOTH
def test_either_may_go_first(serve, cert, version):
    """A context, its connections and the cache, in any order; and cycles."""
    server = serve(version)
    for _ in range(3):
        context = plain(cert)
        cache = tsc.attach(context)
        open_now = [connect(context, server.port) for _ in range(3)]
        for tls in open_now[:2]:
            ask(tls)
        gone = weakref.ref(context)
        del context, cache
        gc.collect()
        assert gone() is not None, "its connections hold it"
        ask(open_now.pop())
        while open_now:
            open_now.pop().close()
        del tls
        gc.collect()
        assert gone() is None


def test_a_context_in_a_cycle_with_its_cache_is_collected(serve, cert):
    server, context = serve(), plain(cert)
    told = []

    def on_event(event, context=context):
        told.append((event, context))

    tsc.attach(context, tsc.TLSSessionCache(on_event=on_event))
    visit(context, server.port)
    assert told
    gone = weakref.ref(context)
    del context, on_event
    told.clear()
    gc.collect()
    assert gone() is None


@DIRECT
def test_one_thread_may_say_that_it_failed_while_another_reads(serve, cert):
    """Whether two threads come to the verdict at once is a matter of luck."""
    server, context = serve(ssl.TLSVersion.TLSv1_2), plain(cert)
    cache = tsc.attach(context)

    def run():
        for _ in range(60):
            with connect(context, server.port) as tls:
                start = threading.Barrier(2)

                def fail(tls=tls, start=start):
                    start.wait()
                    for _ in range(40):
                        tls.tsc_failed()

                thread = threading.Thread(target=fail)
                thread.start()
                with contextlib.suppress(OSError):
                    tls.sendall(b"LOGIN\n")
                    start.wait()
                    assert tls.recv(1) == b""
                thread.join()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=run) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert (cache.stats().failed, cache.stats().established) == (16 * 60, 0)


def test_threads_may_be_left_to_the_end_of_the_interpreter(serve, cert):
    """Some are in a callback then.

    None begins then, as a server's here would: that can crash CPython 3.11 by itself.
    """
    script = """
import ssl, sys, threading, time
from peer import visit
import tsc
told = []
context = ssl.create_default_context(cafile=sys.argv[1])
tsc.attach(context, tsc.TLSSessionCache(on_event=told.append))
def run():
    while True:
        visit(context, int(sys.argv[2]))
for _ in range(16):
    threading.Thread(target=run, daemon=True).start()
while len(told) < 200:
    time.sleep(0.001)
"""
    port = str(serve().port)
    for _ in range(5):
        env = {**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parent)}
        ended = subprocess.run(
            [sys.executable, "-c", script, cert[0], port], env=env, capture_output=True, timeout=60
        )
        assert ended.returncode == 0, ended.stderr


@DIRECT
def test_threads_may_connect_while_a_context_is_detached_and_attached(serve, cert):
    server, context, over, errors = serve(), plain(cert), threading.Event(), []

    def run():
        try:
            while not over.is_set():
                visit(context, server.port)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    cache = tsc.attach(context)
    for thread in threads:
        thread.start()
    for _ in range(30):
        before = cache.stats().established
        while cache.stats().established < before + 3 and not errors:
            over.wait(0.001)
        tsc.detach(context)
        tsc.attach(context, cache)
    over.set()
    for thread in threads:
        thread.join()
    assert errors == []


@DIRECT
def test_a_connection_leaves_nothing_behind(serve, cert):
    """Where `ssl` itself, asked for a session, would lose 6 KB (python/cpython#116810)."""
    server, context = serve(), plain(cert)
    tsc.attach(context, tsc.TLSSessionCache(max_sessions_per_endpoint=2))

    def resident():
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def run(count):
        for _ in range(count):
            visit(context, server.port)
        server.resumed.clear()
        gc.collect()
        return resident()

    run(150)
    before = run(150)
    assert run(400) - before < 400 * 2048


@BOTH
def test_a_session_of_the_callers_counts_if_it_can_resume(serve, cert, version):
    """As pymongo has it: it keeps what it reads when the handshake is over, before any ticket.

    After a full handshake of TLS 1.3 that does not resume, and after a resumed one it is what was
    offered.
    """
    server, context = serve(version), plain(cert)
    cache, session = tsc.attach(context), None
    for turn in range(10):
        tcp = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        with context.wrap_socket(tcp, server_hostname="localhost", session=session) as tls:
            session = tls.session
            ask(tls)
            assert tls.session_reused == (turn > 0)
    # Where `ssl` no longer copies sessions, what was offered cannot be offered again.
    assert bool(cache.stats().resumed) == (version == ssl.TLSVersion.TLSv1_3)


@DIRECT
@BOTH
def test_a_session_of_the_callers_is_replaced_if_so_wanted(serve, cert, version):
    """As pymongo has it; and as of CPython 3.12.8, whose sessions get their ticket after all."""
    server, context = serve(version), plain(cert)
    cache = tsc.attach(context, replace_sessions=True)
    with connect(context, server.port) as tls:
        ask(tls)
        session = tls.session  # can resume
    for _ in range(4):
        tcp = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        with context.wrap_socket(tcp, server_hostname="localhost", session=session) as tls:
            ask(tls)
            assert tls.session_reused
    assert (cache.stats().resumed, cache.stats().offered) == (4, 4)
    cache.clear()
    tcp = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    with context.wrap_socket(tcp, server_hostname="localhost", session=session) as tls:
        ask(tls)
        assert (tls.session_reused, tls.tsc_reason) == (False, "evicted")


@pytest.mark.skipif(
    FREE_THREADED and sys.version_info < (3, 14), reason="it keeps every class, once it has threads"
)
def test_classes_that_are_made_for_each_context_are_not_kept(cert):
    gone = []
    for _ in range(100):

        class Own(ssl.SSLSocket):
            pass

        context = plain(cert)
        context.sslsocket_class = Own
        tsc.attach(context)
        gone.append(weakref.ref(Own))
        del Own, context
    gc.collect()
    assert sum(one() is not None for one in gone) <= 32


WARM = """
import ssl, sys, tsc
from peer import visit
port, cafile, identity, sealed = int(sys.argv[1]), sys.argv[2], sys.argv[3].encode(), sys.argv[4]
context = tsc.create_default_context(cafile=cafile, identity=identity, serialise=True)
print(context.import_sessions(bytes(32), bytes.fromhex(sealed)), visit(context, port))
"""


@DIRECT
@BOTH
def test_the_next_process_resumes_what_was_exported(serve, cert, version):
    server, context = serve(version), plain(cert)
    tsc.attach(context, identity=b"mine", serialise=True)
    assert [visit(context, server.port) for _ in range(2)] == [False, True]
    sealed = context.export_sessions(bytes(32))
    of_tls_1_3 = version == ssl.TLSVersion.TLSv1_3
    assert len(context.session_cache) == (0 if of_tls_1_3 else 1)

    def start(identity, sealed):
        return subprocess.run(
            [sys.executable, "-c", WARM, str(server.port), cert[0], identity, sealed.hex()],
            cwd=pathlib.Path(__file__).parent,
            capture_output=True,
            text=True,
        )

    for identity, altered in (("another's", sealed), ("mine", sealed[:-1])):
        assert "Error" in start(identity, altered).stderr
    assert start("mine", sealed).stdout == f"{2 if of_tls_1_3 else 1} True\n"


def test_only_what_is_serialised_under_an_identity_is_exported(cert):
    for options in ({"identity": b"a"}, {"serialise": True}):
        context = plain(cert)
        tsc.attach(context, **options)
        with pytest.raises(ValueError, match="serialise"):
            context.export_sessions(bytes(32))
    context = plain(cert)
    tsc.attach(context, identity=b"a", serialise=True)
    with pytest.raises(tsc.Error if tsc.status().direct else NotImplementedError):
        context.export_sessions(b"short")
