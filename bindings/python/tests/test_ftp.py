"""`tsc.ftp` with vsftpd, which refuses data connections that do not resume."""

import ftplib
import io
import os
import shutil
import socket
import ssl
import subprocess
import time

import pytest
from test_context import BOTH

import tsc
from tsc.ftp import FTP_TLS

pytestmark = pytest.mark.skipif(
    not shutil.which("vsftpd") or os.geteuid() != 0, reason="vsftpd is not there, or wants root"
)

CONFIG = """
listen=YES
listen_address=127.0.0.1
listen_port={port}
background=NO
anonymous_enable=YES
no_anon_password=YES
anon_root={root}
anon_upload_enable=YES
write_enable=YES
secure_chroot_dir={empty}
ssl_enable=YES
allow_anon_ssl=YES
force_anon_data_ssl=YES
force_anon_logins_ssl=YES
rsa_cert_file={cert}
rsa_private_key_file={key}
require_ssl_reuse=YES
ssl_ciphers=HIGH
seccomp_sandbox=NO
"""


@pytest.fixture
def vsftpd(cert, tmp_path):
    """Starts one with a file; gives its port. It changes to a user of its own."""
    root, empty = tmp_path / "root", tmp_path / "empty"
    (root / "upload").mkdir(parents=True)
    empty.mkdir()
    (root / "file").write_text("hello")
    (root / "upload").chmod(0o777)
    for folder in (root, empty, *list(tmp_path.parents)[:-2]):
        folder.chmod(0o555 if folder in (root, empty) else 0o755)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = tmp_path / "vsftpd.conf"
    config.write_text(CONFIG.format(port=port, root=root, empty=empty, cert=cert[0], key=cert[1]))
    server = subprocess.Popen(["vsftpd", config], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            assert server.poll() is None, server.stdout.read()
            time.sleep(0.01)
    yield port
    server.kill()
    server.communicate()


def context_for(cert, version):
    context = ssl.create_default_context(cafile=cert[0])
    context.maximum_version = version
    return context


def session(client, port):
    client.connect("localhost", port, timeout=30)
    client.login()
    client.prot_p()
    return client


@BOTH
def test_each_data_connection_resumes(vsftpd, cert, version):
    context = context_for(cert, version)
    with (
        session(ftplib.FTP_TLS(context=context), vsftpd) as without,
        pytest.raises(ftplib.error_perm, match="reuse"),
    ):
        without.nlst()
    cache = tsc.attach(context)
    clients = [session(FTP_TLS(context=context), vsftpd) for _ in range(2)]
    assert cache.stats().resumed == 0
    for turn in range(4):
        for number, client in enumerate(clients):
            assert client.nlst() == ["file", "upload"]
            client.storbinary(f"STOR upload/{number}-{turn}", io.BytesIO(b"data"))
            lines = []
            client.retrlines("RETR file", lines.append)
            assert lines == ["hello"]
    for client in clients:
        client.quit()
    assert cache.stats().resumed == 4 * 2 * 3


def test_its_context_is_attached_when_it_is_used(vsftpd, cert):
    context = context_for(cert, ssl.TLSVersion.TLSv1_3)
    for _ in range(2):
        with session(FTP_TLS(context=context), vsftpd) as client:
            assert client.nlst() == ["file", "upload"]
    assert context.session_cache.stats().resumed == 2
