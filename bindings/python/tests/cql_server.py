"""A node that a driver of Cassandra can log in to, over TLS. With shards, one of Scylla."""

import contextlib
import ctypes
import socket
import ssl
import struct
import threading
import uuid

ERROR, STARTUP, READY, AUTHENTICATE, OPTIONS, SUPPORTED = 0, 1, 2, 3, 5, 6
QUERY, RESULT, REGISTER, AUTH_RESPONSE, AUTH_SUCCESS = 7, 8, 11, 15, 16
PROTOCOL_ERROR, BAD_CREDENTIALS, INVALID = 0x000A, 0x0100, 0x2200
VERSION = 4
VARCHAR, UUID, INET = 0x000D, 0x000C, 0x0010


def string(text):
    return struct.pack(">H", len(text)) + text.encode()


def error(code, message):
    return ERROR, struct.pack(">i", code) + string(message)


def rows(columns, count=1):
    """A table of one row, or none: what each column is called, its type and its bytes."""
    head = struct.pack(">iii", 2, 1, len(columns)) + string("system") + string("local")
    for name, (kind, _) in columns.items():
        head += string(name) + struct.pack(">H", kind)
    cells = b"".join(struct.pack(">i", len(cell)) + cell for _, cell in columns.values())
    return RESULT, head + struct.pack(">i", count) + cells * count


LOCALHOST = socket.inet_aton("127.0.0.1")
LOCAL = {
    "cluster_name": (VARCHAR, b"test"),
    "data_center": (VARCHAR, b"here"),
    "rack": (VARCHAR, b"this"),
    "host_id": (UUID, uuid.UUID(int=1).bytes),
    "schema_version": (UUID, uuid.UUID(int=2).bytes),
    "partitioner": (VARCHAR, b"org.apache.cassandra.dht.Murmur3Partitioner"),
    "release_version": (VARCHAR, b"4.0.0"),
    "broadcast_address": (INET, LOCALHOST),
    "listen_address": (INET, LOCALHOST),
    "rpc_address": (INET, LOCALHOST),
}


class Node:
    """One node. `resumed` has each connection's port and whether it was a resumed one.

    password: what a driver has to send, if it is set. shards: how many it has on a second port, if
    any, to which a connection's own port tells the shard. silent: it takes requests, and no more.
    once: it takes each TLS 1.3 ticket once, as OpenSSL's servers do that would take early data.
    """

    def __init__(self, cert, key, version=None, password=None, shards=0, silent=False, once=False):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert, key)
        if version is not None:
            self.context.minimum_version = self.context.maximum_version = version
        if once:
            # Or OpenSSL forgets what was sent on a connection that ends without close_notify.
            self.context.options |= 1 << 7  # SSL_OP_IGNORE_UNEXPECTED_EOF
            libssl = ctypes.CDLL(ssl._ssl.__file__)
            begins = id(self.context) + object.__basicsize__  # with the SSL_CTX *
            ctx = ctypes.c_void_p.from_address(begins)
            assert libssl.SSL_CTX_set_max_early_data(ctx, 1) == 1
        self.password, self.shards, self.silent = password, shards, silent
        self.resumed, self.lock = [], threading.Lock()
        self.listeners = [socket.create_server(("127.0.0.1", 0), backlog=128)]
        if shards:
            self.listeners.append(socket.create_server(("127.0.0.1", 0), backlog=128))
        self.ports = [listener.getsockname()[1] for listener in self.listeners]
        self.port = self.ports[0]
        self.threads = [
            threading.Thread(target=self._run, args=(listener,), daemon=True)
            for listener in self.listeners
        ]
        for thread in self.threads:
            thread.start()

    def close(self):
        for listener in self.listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for thread in self.threads:
            thread.join()

    def _run(self, listener):
        with contextlib.suppress(OSError):
            while True:
                tcp, _ = listener.accept()
                threading.Thread(target=self._serve, args=(tcp,), daemon=True).start()

    def _serve(self, tcp):
        with contextlib.suppress(OSError):
            tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.context.wrap_socket(tcp, server_side=True) as tls:
                with contextlib.suppress(EOFError):
                    self._answer_all(tls)
                tls.unwrap()

    def _answer_all(self, tls):
        port, their_port = tls.getsockname()[1], tls.getpeername()[1]
        with self.lock:
            self.resumed.append((port, tls.session_reused))
            shard = len(self.resumed) % self.shards if self.shards else 0
        if port != self.port:
            shard = their_port % self.shards
        while True:
            version, _, stream, kind, length = struct.unpack(">BBhBi", exactly(tls, 9))
            body = exactly(tls, length)
            if self.silent:
                continue
            if version != VERSION:
                kind, answer = error(PROTOCOL_ERROR, "Invalid or unsupported protocol version")
            else:
                kind, answer = self._answer(kind, body, shard)
            head = struct.pack(">BBhBi", 0x80 | VERSION, 0, stream, kind, len(answer))
            tls.sendall(head + answer)

    def _answer(self, kind, body, shard):
        if kind == OPTIONS:
            options = {"CQL_VERSION": "3.4.5", "COMPRESSION": "none"}
            if self.shards:
                options |= {
                    "SCYLLA_SHARD": str(shard),
                    "SCYLLA_NR_SHARDS": str(self.shards),
                    "SCYLLA_PARTITIONER": "org.apache.cassandra.dht.Murmur3Partitioner",
                    "SCYLLA_SHARDING_ALGORITHM": "biased-token-round-robin",
                    "SCYLLA_SHARDING_IGNORE_MSB": "12",
                    "SCYLLA_SHARD_AWARE_PORT_SSL": str(self.ports[1]),
                }
            multimap = struct.pack(">H", len(options))
            for name, value in options.items():
                multimap += string(name) + struct.pack(">H", 1) + string(value)
            return SUPPORTED, multimap
        if kind == STARTUP:
            if self.password is None:
                return READY, b""
            return AUTHENTICATE, string("org.apache.cassandra.auth.PasswordAuthenticator")
        if kind == AUTH_RESPONSE:
            if body[4:].split(b"\0")[-1].decode() == self.password:
                return AUTH_SUCCESS, struct.pack(">i", -1)
            return error(BAD_CREDENTIALS, "Provided username and/or password are incorrect")
        if kind == REGISTER:
            return READY, b""
        query = body[4:]
        if b"system.local" in query:
            return rows(LOCAL)
        if b"system.peers" in query and b"peers_v2" not in query:
            return rows(LOCAL, count=0)
        return error(INVALID, "no such table")


def exactly(tls, length):
    data = b""
    while len(data) < length:
        some = tls.recv(length - len(data))
        if not some:
            raise EOFError
        data += some
    return data
