"""What drivers expect of the class in which they keep sessions."""

import ssl
import threading

import pytest
from peer import visit

from tsc.ssl_session_cache import SSLSessionCache


class Session:
    """What of an ssl.SSLSession the cache looks at."""

    def __init__(self, id=b""):
        self.id = id


class Clock:
    def __init__(self):
        self.now = 0

    def __call__(self):
        return self.now


A, B, C = [Session(name) for name in (b"a", b"b", b"c")]
HOST, OTHER = ("10.0.0.1", 9042), ("10.0.0.2", 9042)


def test_a_session_is_given_again_and_again():
    cache = SSLSessionCache()
    assert cache.get(HOST) is None
    cache.set(HOST, A)
    assert [cache.get(HOST) for _ in range(3)] == [A, A, A]
    assert len(cache) == cache.size() == 1


def test_the_newest_takes_the_place_of_the_former():
    cache = SSLSessionCache()
    cache.set(HOST, A)
    cache.set(HOST, B)
    assert cache.get(HOST) is B and len(cache) == 1


def test_none_is_no_session():
    cache = SSLSessionCache()
    cache.set(HOST, None)
    assert len(cache) == 0


def test_each_endpoint_has_its_own():
    cache = SSLSessionCache()
    names = [HOST, OTHER, ("10.0.0.1", 9142), (*HOST, "name"), (ssl.create_default_context(), HOST)]
    sessions = [Session(str(n).encode()) for n in range(len(names))]
    for name, session in zip(names, sessions):
        cache.set(name, session)
    assert [cache.get(name) for name in names] == sessions


def test_a_long_key_is_a_key():
    cache = SSLSessionCache()
    cache.set("a" * 1000 + "b", A)
    assert cache.get("a" * 1000 + "b") is A and cache.get("a" * 1000 + "c") is None


def test_size_is_bounded_and_the_least_recently_used_goes():
    cache = SSLSessionCache(max_size=2)
    assert cache.max_size == 2
    cache.set(1, A)
    cache.set(2, B)
    assert cache.get(1) is A  # which makes 2 the oldest
    cache.set(3, C)
    assert len(cache) == 2
    assert (cache.get(1), cache.get(2), cache.get(3)) == (A, None, C)


def test_replacing_evicts_nobody():
    cache = SSLSessionCache(max_size=2)
    cache.set(1, A)
    cache.set(2, B)
    cache.set(1, C)
    assert (cache.get(1), cache.get(2)) == (C, B)


@pytest.mark.parametrize("size", [0, -1, 1.5, float("inf"), None, "10", True])
def test_a_size_is_a_positive_integer(size):
    with pytest.raises(ValueError):
        SSLSessionCache(max_size=size)


def test_the_ttl_ends_a_session():
    clock = Clock()
    cache = SSLSessionCache(ttl=10, clock=clock)
    cache.set(HOST, A)
    clock.now = 9_999
    assert cache.get(HOST) is A
    clock.now = 10_000
    assert cache.get(HOST) is None


def test_the_session_s_own_lifetime_ends_it_sooner():
    clock = Clock()
    cache = SSLSessionCache(clock=clock)
    cache.set(HOST, A, lifetime=5)
    cache.set(OTHER, B, lifetime=7)
    clock.now = 5_000
    assert cache.get(HOST) is None and cache.get(OTHER) is B


def test_a_lifetime_that_is_over_is_none():
    cache = SSLSessionCache()
    cache.set(HOST, A, lifetime=0)
    cache.set(OTHER, B, lifetime=-1)
    assert cache.get(HOST) is cache.get(OTHER) is None


def test_expired_ones_are_dropped_at_once_when_asked():
    clock = Clock()
    cache = SSLSessionCache(clock=clock)
    cache.set(1, A, lifetime=5)
    cache.set(2, B, lifetime=50)
    clock.now = 6_000
    assert cache.clear_expired() == 1 and len(cache) == 1 and cache.get(2) is B


def test_what_comes_back_unchanged_does_not_last_longer():
    clock = Clock()
    cache = SSLSessionCache(clock=clock)
    cache.set(HOST, A, lifetime=10)
    clock.now = 6_000
    again = Session(A.id)  # as ssl makes a new object each time
    cache.set(HOST, again, lifetime=10, offered=A)
    assert cache.get(HOST) is A
    clock.now = 10_000
    assert cache.get(HOST) is None
    cache.set(HOST, again, lifetime=10, offered=A)  # nothing new came
    assert cache.get(HOST) is None


def test_a_new_session_lasts_as_long_as_it_says():
    clock = Clock()
    cache = SSLSessionCache(clock=clock)
    cache.set(HOST, A, lifetime=10)
    clock.now = 6_000
    cache.set(HOST, B, lifetime=10, offered=A)
    clock.now = 12_000
    assert cache.get(HOST) is B


def test_discard():
    cache = SSLSessionCache()
    cache.discard(HOST)
    cache.set(HOST, A)
    cache.set(OTHER, B)
    cache.discard(HOST)
    assert cache.get(HOST) is None and cache.get(OTHER) is B


def test_discard_of_one_session_spares_another_in_its_place():
    cache = SSLSessionCache()
    cache.set(HOST, A)
    cache.set(HOST, B)
    cache.discard(HOST, A)
    assert cache.get(HOST) is B
    cache.discard(HOST, B)
    assert cache.get(HOST) is None


def test_clear():
    cache = SSLSessionCache()
    cache.set(HOST, A)
    cache.set(OTHER, B)
    cache.clear()
    assert len(cache) == 0 and cache.get(HOST) is None


def test_disabled_keeps_nothing():
    cache = SSLSessionCache(enabled=False)
    cache.set(HOST, A)
    assert cache.get(HOST) is None and len(cache) == 0


def test_the_repr_has_nothing_of_a_session():
    cache = SSLSessionCache(max_size=3)
    cache.set(HOST, A)
    assert repr(cache) == "<SSLSessionCache max_size=3 size=1>"


def test_threads_may_do_what_they_like():
    cache, trouble = SSLSessionCache(max_size=20), []

    def work(number):
        try:
            for turn in range(300):
                key, session = (number + turn) % 40, Session(b"%d" % turn)
                cache.set(key, session, lifetime=60)
                cache.get(key)
                if turn % 5 == 0:
                    cache.discard(key, session)
                assert len(cache) <= 20
        except BaseException as error:  # noqa: BLE001
            trouble.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not trouble


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_real_sessions(serve, cert, version):
    server = serve(ssl.TLSVersion[version])
    context, cache = ssl.create_default_context(cafile=cert[0]), SSLSessionCache()

    class Offering(ssl.SSLSocket):
        def do_handshake(self, *args):
            if cache.get(server.port) is not None:
                self.session = cache.get(server.port)
            super().do_handshake(*args)

        def recv(self, *args):
            data = super().recv(*args)
            cache.set(server.port, self.session)
            return data

    context.sslsocket_class = Offering
    assert [visit(context, server.port) for _ in range(3)] == [False, True, True]
