"""The connection class of each reactor, in ``cassandra.io.<reactor>reactor``."""

CLASSES = {
    "asyncio": "AsyncioConnection",
    "asyncore": "AsyncoreConnection",
    "libev": "LibevConnection",
    "gevent": "GeventConnection",
    "eventlet": "EventletConnection",
    "twisted": "TwistedConnection",
}
