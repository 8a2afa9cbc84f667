"""share_client.py PORT CERTIFICATE: a process that connects once, and says whether it resumed."""

import ssl
import sys

from peer import visit

import tsc

port, certificate = sys.argv[1:]
context = ssl.create_default_context(cafile=certificate)
cache = tsc.TLSSessionCache(share=True, agent_budget=60)
tsc.attach(context, cache, identity=b"one", serialise=True)
print(visit(context, int(port)))
