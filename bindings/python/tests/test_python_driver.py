"""What ``docs/python-driver.md`` tells the maintainer of a driver to write, in a driver."""

import pathlib
import ssl
import sys
import threading

import pytest
from peer import ask

DOCS = pathlib.Path(__file__).parents[3] / "docs" / "python-driver.md"


def snippets():
    """Gives the page's Python, block after block."""
    return [part.split("```")[0] for part in DOCS.read_text().split("```python\n")[1:]]


def driver():
    """Runs the page's driver in a namespace of its own."""
    names = {}
    for snippet in snippets():
        exec(compile(snippet, str(DOCS), "exec"), names)
    return names


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_with_the_library(serve, cert, version):
    server = serve(ssl.TLSVersion[version])
    cluster = driver()["Cluster"](ssl.create_default_context(cafile=cert[0]))
    reused = []
    for _ in range(3):
        connection = cluster.connect("127.0.0.1", server.port)
        ask(connection.tls)
        connection.ready()
        reused.append(connection.session_reused)
        connection.tls.close()
    assert reused == server.resumed == [False, True, True]


def test_a_login_that_fails_keeps_nothing(serve, cert):
    server = serve()
    cluster = driver()["Cluster"](ssl.create_default_context(cafile=cert[0]))
    for _ in range(2):
        connection = cluster.connect("127.0.0.1", server.port)
        ask(connection.tls)
        connection.failed()
        connection.tls.close()
    assert server.resumed == [False, False]
    assert cluster.ssl_context.session_cache.size() == 0


def test_without_tls_and_without_a_timeout(cert):
    cluster = driver()["Cluster"]
    assert cluster(None).ssl_context is None
    context = ssl.create_default_context(cafile=cert[0])
    assert cluster(context, connect_timeout=None).ssl_context.session_cache is not None


def test_a_burst_resumes(serve, cert):
    server = serve()
    cluster = driver()["Cluster"](ssl.create_default_context(cafile=cert[0]))

    def visit():
        connection = cluster.connect("127.0.0.1", server.port)
        ask(connection.tls)
        connection.ready()
        connection.tls.close()

    threads = [threading.Thread(target=visit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.resumed) == 8 and server.resumed.count(False) < 8


@pytest.mark.parametrize("off", ["not installed", "switched off"])
def test_without_it_the_driver_connects(serve, cert, monkeypatch, off):
    server = serve()
    if off == "not installed":
        monkeypatch.setitem(sys.modules, "tsc", None)
    cluster = driver()["Cluster"](
        ssl.create_default_context(cafile=cert[0]), tls_session_cache_enabled=off == "not installed"
    )
    for _ in range(2):
        connection = cluster.connect("127.0.0.1", server.port)
        ask(connection.tls)
        connection.ready()
        connection.failed()
        connection.tls.close()
    assert server.resumed == [False, False]
