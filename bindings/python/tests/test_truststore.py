"""truststore's contexts, which verify by the system's roots and stand for one that connects."""

import os
import ssl
import subprocess
import sys
import textwrap

import pytest
from peer import visit
from test_context import BOTH

import tsc

truststore = pytest.importorskip("truststore")


@BOTH
def test_a_context_of_truststore_resumes(serve, cert, version, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", cert[0])  # the system's roots, for OpenSSL and truststore
    server, context = serve(version), truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    cache = tsc.attach(context)
    assert [visit(context, server.port) for _ in range(3)] == [False, True, True]
    assert cache.stats().resumed == 2
    tsc.detach(context)
    assert visit(context, server.port) is False
    with pytest.raises(ValueError):
        tsc.detach(context)


@pytest.mark.parametrize("order", ["before", "after"])
def test_it_may_be_injected_before_the_import_and_after(serve, cert, order):
    program = """
        import truststore, sys
        if sys.argv[1] == "before":
            truststore.inject_into_ssl()
        import ssl, tsc
        from peer import visit
        if sys.argv[1] == "after":
            truststore.inject_into_ssl()
        cache = tsc.TLSSessionCache()
        context = tsc.create_default_context(cache=cache)
        assert type(context) is truststore.SSLContext, type(context)
        print([visit(context, int(sys.argv[2])) for _ in range(2)], cache.stats().resumed)
        own = tsc.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        own.load_default_certs()
        print([visit(own, int(sys.argv[2])) for _ in range(2)])
        tsc.detach(own)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), order, str(serve().port)],
        cwd=os.path.dirname(__file__),
        env={**os.environ, "SSL_CERT_FILE": cert[0]},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "[False, True] 1\n[False, True]\n", done.stderr
