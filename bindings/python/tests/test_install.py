"""`tsc.install`: programs that know nothing of this package."""

import http.client
import http.server
import ssl
import threading
import urllib.request

import pytest
from peer import certificate

import tsc

DIRECT = pytest.mark.skipif(not tsc.status().direct, reason="of the direct way")


@pytest.fixture
def site(cert, monkeypatch):
    """Serves "hello" by HTTPS, a connection for each request; gives its address and who resumed."""
    monkeypatch.setenv("SSL_CERT_FILE", cert[0])
    resumed = []

    class Hello(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            resumed.append(self.connection.session_reused)
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *args):
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*cert)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"https://localhost:{server.server_port}/", resumed
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def installed():
    urllib.request.install_opener(None)  # from CPython 3.12 on it keeps its context
    yield tsc.install()
    tsc.uninstall()
    urllib.request.install_opener(None)


def fetch(url, **options):
    with urllib.request.urlopen(url, timeout=10, **options) as answer:
        assert answer.read() == b"hello"


@DIRECT
def test_urllib_resumes(site, installed):
    url, resumed = site
    for _ in range(3):
        fetch(url)
    assert resumed == [False, True, True]
    assert installed.stats().resumed == 2
    tsc.uninstall()
    urllib.request.install_opener(None)
    fetch(url)
    assert resumed == [False, True, True, False]


@DIRECT
def test_http_client_resumes(site, installed):
    url, resumed = site
    for _ in range(2):
        connection = http.client.HTTPSConnection(url.split("/")[2], timeout=10)
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"hello"
        connection.close()
    assert resumed == [False, True]


@DIRECT
def test_a_context_that_trusts_another_root_is_no_way_around(site, installed, tmp_path):
    url, _ = site
    fetch(url)
    another = ssl.create_default_context(cafile=certificate(tmp_path, "another")[0])
    with pytest.raises(OSError, match="certificate verify failed"):
        fetch(url, context=another)


def test_a_context_that_is_kept_resumes(site, installed):
    url, resumed = site
    context = ssl.create_default_context()
    for _ in range(2):
        fetch(url, context=context)
    assert resumed == [False, True]


def test_it_leaves_alone_what_is_not_a_clients(installed):
    assert type(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)) is ssl.SSLContext
    with pytest.raises(ValueError, match="purpose"):
        tsc.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own = tsc.TLSSessionCache()
    assert tsc.create_default_context(cache=own).session_cache is own


def test_it_is_undone_and_may_be_repeated():
    before = ssl.create_default_context, ssl._create_default_https_context
    first, second = tsc.install(), tsc.install()
    assert ssl.create_default_context().session_cache is second is not first
    under = ssl.create_default_context

    def on_top(*args, **kwargs):
        return under(*args, **kwargs)

    ssl.create_default_context = on_top
    tsc.uninstall()
    tsc.uninstall()
    try:
        assert type(ssl.create_default_context()) is ssl.SSLContext
    finally:
        ssl.create_default_context = before[0]
    assert (ssl.create_default_context, ssl._create_default_https_context) == before
