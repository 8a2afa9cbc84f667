"""A TLS server in threads, which says of each connection whether it was a resumed one."""

import contextlib
import os
import socket
import ssl
import subprocess
import threading

import pytest


def certificate(folder, name="server"):
    """Makes a self-signed certificate for localhost; gives the paths of it and its key."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        + ["-nodes", "-keyout", key, "-out", cert, "-days", "30", "-subj", "/CN=localhost"]
        + ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True,
        capture_output=True,
    )
    return str(cert), str(key)


class Server:
    """Answers each line with itself.

    Of a connection that says LOGIN, the login fails: it is closed. One that says REJECT is told
    "no" before that. One that says SPOIL is sent a record that nobody can decrypt.
    """

    def __init__(self, cert, key, version=None, tickets=2, client_ca=None):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert, key)
        self.context.num_tickets = tickets
        if version is not None:
            self.context.minimum_version = self.context.maximum_version = version
        if client_ca is not None:
            self.context.load_verify_locations(client_ca)
            self.context.verify_mode = ssl.CERT_REQUIRED
        self.resumed = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while True:
            try:
                tcp, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(tcp,), daemon=True).start()

    def _serve(self, tcp):
        with contextlib.suppress(OSError):
            tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            tls = self.context.wrap_socket(tcp, server_side=True)
            self.resumed.append(tls.session_reused)
            with tls, tls.makefile("rwb") as lines:
                for line in lines:
                    if line == b"LOGIN\n":
                        return
                    if line == b"REJECT\n":
                        lines.write(b"no\n")
                        return
                    if line == b"SPOIL\n":
                        os.write(tls.fileno(), b"\x17\x03\x03\x00\x20" + bytes(32))
                        continue
                    lines.write(line)
                    lines.flush()
                # Without a close_notify of its own, OpenSSL forgets a session that it keeps itself.
                tls.unwrap()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


@pytest.fixture(scope="session")
def cert(tmp_path_factory):
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def serve(cert):
    """Starts servers that end with the test."""
    servers = []

    def start(version=None, **options):
        servers.append(Server(*options.pop("cert", cert), version, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def connect(context, port, name="localhost"):
    tcp = socket.create_connection(("127.0.0.1", port), timeout=10)
    tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(tcp, server_hostname=name)


def ask(tls, line=b"hello\n"):
    tls.sendall(line)
    assert tls.recv(len(line)) == line


def visit(context, port, name="localhost"):
    """Connects, asks once, and says whether the connection was a resumed one."""
    with connect(context, port, name) as tls:
        ask(tls)
        return tls.session_reused
