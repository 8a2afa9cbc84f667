"""What bounds the memory of a program that goes on for ever, as the C library's heap counts it."""

import gc
import ssl

import pytest
from test_attach import DIRECT

import tsc

ctypes = pytest.importorskip("ctypes")  # an optional module


class Mallinfo2(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


@pytest.fixture
def grows():
    """Gives how many bytes of the heap a call leaves behind, when it was called for a while."""
    mallinfo2 = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if mallinfo2 is None:
        pytest.skip("this C library does not tell: glibc does, from 2.33 on")
    mallinfo2.restype = Mallinfo2

    def used():
        gc.collect()
        heap = mallinfo2()
        return heap.uordblks + heap.hblkhd

    def measure(call, warm_up=500, count=2000):
        for i in range(warm_up):
            call(i)
        before = used()
        for i in range(warm_up, warm_up + count):
            call(i)
        return (used() - before) / count

    return measure


# Of a block for each call, however small.
NOTHING = 16


def endpoint(i):
    return "10.0.0.1", i


def test_ever_new_endpoints_take_the_place_of_others(grows):
    cache, session = tsc.TLSSessionCache(100), object()
    assert grows(lambda i: cache.set_session(endpoint(i), session)) < NOTHING
    assert grows(lambda i: cache.get_session(endpoint(i))) < NOTHING
    assert grows(lambda i: cache.discard(endpoint(i))) < NOTHING
    assert len(cache) <= 100


def test_caches_give_everything_back(grows):
    assert grows(lambda _: tsc.TLSSessionCache()) < NOTHING


def test_contexts_give_everything_back(grows):
    cache = tsc.TLSSessionCache()

    def attached(_):
        tsc.attach(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), cache)

    def detached(_):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for _ in range(2):
            tsc.attach(context, cache)
            tsc.detach(context)

    assert grows(attached) < NOTHING
    assert grows(detached) < NOTHING


@DIRECT
def test_detaching_leaves_with_the_context_what_it_says(grows):
    cache, context = tsc.TLSSessionCache(), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    def again(_):
        tsc.attach(context, cache)
        tsc.detach(context)

    assert 0 < grows(again) <= 1400  # the docstring of `tsc.detach` has it
