"""client.py HOST PORT CAFILE: connects twice to a server that repeats lines, and resumes."""

import socket
import sys

import tsc

host, port, cafile = sys.argv[1], int(sys.argv[2]), sys.argv[3]

# [tsc]
cache = tsc.TLSSessionCache()  # 100 endpoints, 3600 seconds
context = tsc.create_default_context(cafile=cafile, cache=cache)
# [/tsc]

for _ in range(2):
    # [tsc]
    tcp = socket.create_connection((host, port))
    with context.wrap_socket(tcp, server_hostname=host) as tls:
        tls.sendall(b"hello\n")
        answer = tls.recv(100)  # the first data: what the server sent before is published
        print(answer, tls.session_reused, cache.stats().resumed)
    # [/tsc]
