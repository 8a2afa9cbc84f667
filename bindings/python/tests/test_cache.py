"""The tests that the request lists for the cache itself."""

import gc
import os
import threading
import weakref

import pytest

import tsc
from tsc import _tsc


class Clock:
    def __init__(self):
        self.ms = 1_000_000

    def __call__(self):
        return self.ms


class Session:
    """Any object will do for one."""


A, B, C = ("a", 9042), ("b", 9042), ("c", 9042)


def test_what_is_set_is_found():
    cache = tsc.TLSSessionCache()
    session = Session()
    assert cache.get_session(A) is None
    assert cache.set_session(A, session, "TLSv1.2")
    assert cache.get_session(A) is session
    assert cache.get_session(A) is session, "TLS 1.2 sessions are reusable"
    assert len(cache) == cache.size() == 1
    cache.clear()
    assert cache.get_session(A) is None and len(cache) == 0


@pytest.mark.parametrize("version", ["TLSv1.3", None])
def test_a_ticket_is_handed_out_once(version):
    cache = tsc.TLSSessionCache()
    first, second = Session(), Session()
    cache.set_session(A, first, version)
    cache.set_session(A, second, version)
    assert cache.available(A) == 2
    assert {cache.get_session(A), cache.get_session(A)} == {first, second}
    assert cache.get_session(A) is None


def test_endpoints_are_apart():
    cache = tsc.TLSSessionCache()
    cache.set_session(("a", 9042, "x"), Session(), "TLSv1.2")
    assert cache.get_session(("a", 9043, "x")) is None
    assert cache.get_session(("a", 9042, "y")) is None
    assert cache.get_session(("a", 9042)) is None
    assert cache.get_session(("a", 9042, "x")) is not None


def test_a_drivers_endpoint_is_understood():
    class EndPoint:
        address, port = "a", 9042

    cache = tsc.TLSSessionCache()
    cache.set_session(EndPoint(), Session(), "TLSv1.2")
    assert cache.get_session(A) is not None


def test_sessions_expire():
    clock = Clock()
    cache = tsc.TLSSessionCache(ttl=10, clock=clock)
    cache.set_session(A, Session(), "TLSv1.2")
    clock.ms += 9_000
    assert cache.get_session(A) is not None
    clock.ms += 2_000
    assert cache.get_session(A) is None
    assert cache.stats().expired == 1


def test_clear_expired_drops_what_has_expired():
    clock = Clock()
    cache = tsc.TLSSessionCache(ttl=10, clock=clock)
    session = Session()
    gone = weakref.ref(session)
    cache.set_session(A, session, "TLSv1.2")
    del session
    clock.ms += 5_000
    cache.set_session(B, Session(), "TLSv1.3")
    assert cache.clear_expired() == 0 and gone() is not None
    clock.ms += 5_000
    assert cache.clear_expired() == 1 and gone() is None
    assert cache.size() == 1
    cache.close()
    assert cache.clear_expired() == 0


def test_the_defaults_are_100_endpoints_and_an_hour():
    clock = Clock()
    cache = tsc.TLSSessionCache(clock=clock)
    for port in range(1, 102):
        cache.set_session(("a", port), Session(), "TLSv1.2")
    assert cache.stats().endpoints == 100
    clock.ms += 3_599_000
    assert cache.get_session(("a", 101)) is not None
    clock.ms += 2_000
    assert cache.get_session(("a", 101)) is None


def test_the_least_recently_used_goes_first():
    cache = tsc.TLSSessionCache(max_size=2)
    cache.set_session(A, Session(), "TLSv1.2")
    cache.set_session(B, Session(), "TLSv1.2")
    assert cache.get_session(A) is not None
    cache.set_session(C, Session(), "TLSv1.2")
    assert cache.get_session(B) is None
    assert cache.get_session(A) is not None and cache.get_session(C) is not None
    assert cache.stats().evicted == 1


def test_disabled_means_off():
    cache = tsc.TLSSessionCache(enabled=False)
    assert not cache.set_session(A, Session(), "TLSv1.2")
    assert cache.get_session(A) is None and len(cache) == 0


def test_a_closed_cache_keeps_nothing():
    cache = tsc.TLSSessionCache()
    cache.set_session(A, Session(), "TLSv1.2")
    cache.close()
    assert not cache.set_session(A, Session(), "TLSv1.2")
    assert cache.get_session(A) is None and len(cache) == 0


@pytest.mark.parametrize(
    "limits",
    [
        {"max_size": 0},
        {"max_size": 1 << 32},
        {"ttl": 0},
        {"ttl": -1},
        {"max_bytes": 0},
        {"max_bytes": 1 << 64},
        {"max_lineage_age": 0},
        {"failure_budget": 0},
        {"failure_budget": 1 << 32},
    ],
)
def test_a_limit_out_of_range_is_an_error(limits):
    with pytest.raises(ValueError):
        tsc.TLSSessionCache(**limits)


def test_nonsense_is_an_error():
    cache = tsc.TLSSessionCache()
    with pytest.raises(tsc.Error) as error:
        cache.get_session(("", 1))
    assert error.value.status == 2
    with pytest.raises(tsc.Error):
        cache.get_session(("a", 65536))
    with pytest.raises(KeyError):
        cache.set_session(A, Session(), "SSLv2")
    with pytest.raises(tsc.Error) as error:
        cache.get_session(("a" * 2000, 1))
    assert error.value.status == 4
    for endpoint, why in [
        ("a", AttributeError),
        (("a",), TypeError),
        (("a", "1"), TypeError),
        (("a", 1 << 70), OverflowError),
    ]:
        with pytest.raises(why):
            cache.set_session(endpoint, Session())
        with pytest.raises(why):
            cache.available(endpoint)
    assert len(cache) == 0


def test_names_are_compared_without_regard_to_case():
    cache = tsc.TLSSessionCache()
    cache.set_session(("a.example", 9042), Session())
    assert cache.get_session(("A.Example", 9042)) is not None


def test_get_and_set_count_no_connection():
    cache = tsc.TLSSessionCache()
    cache.set_session(A, Session())
    cache.get_session(A)
    stats = cache.stats()
    assert (stats.stored, stats.offered) == (1, 1)
    assert (stats.established, stats.unfinished, stats.failed) == (0, 0, 0)


def test_sessions_are_released():
    cache = tsc.TLSSessionCache(max_size=1)
    session = Session()
    gone = weakref.ref(session)
    cache.set_session(A, session, "TLSv1.2")
    del session
    assert gone() is not None
    cache.set_session(B, Session(), "TLSv1.2")
    assert gone() is None


def test_a_release_may_call_the_cache():
    cache = tsc.TLSSessionCache(max_size=1)
    seen = []

    class Calls:
        def __del__(self):
            seen.append(cache.size())

    cache.set_session(A, Calls(), "TLSv1.2")
    cache.set_session(B, Session(), "TLSv1.2")
    assert seen == [1]


def test_a_cycle_through_the_cache_is_collected():
    cache = tsc.TLSSessionCache()
    session = Session()
    session.cache = cache
    gone = weakref.ref(session)
    cache.set_session(A, session, "TLSv1.2")
    del cache, session
    gc.collect()
    assert gone() is None


def test_a_clock_that_raises_stands_still(monkeypatch):
    told = []
    monkeypatch.setattr("sys.unraisablehook", told.append)
    cache = tsc.TLSSessionCache(clock=lambda: 1 // 0)
    cache.set_session(A, Session(), "TLSv1.2")
    assert cache.get_session(A) is not None and told


def hammer(cache, rounds, taken):
    for i in range(rounds):
        endpoint = ("a", 1 + i % 7)
        cache.set_session(endpoint, Session(), "TLSv1.3")
        session = cache.get_session(endpoint)
        if session is not None:
            taken.append(session)
        if i % 100 == 0:
            cache.stats(), cache.size()


def test_threads_never_get_the_same_ticket():
    cache = tsc.TLSSessionCache(max_size=5)
    taken = [[] for _ in range(8)]
    threads = [threading.Thread(target=hammer, args=(cache, 2000, mine)) for mine in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = [session for mine in taken for session in mine]
    assert len(every) > 1000
    assert len({id(session) for session in every}) == len(every), "a ticket was handed out twice"
    stats = cache.stats()
    assert stats.stored == 8 * 2000 and stats.offered == len(every)
    assert stats.endpoints <= 5


def test_a_forked_child_starts_empty_and_never_deadlocks():
    cache = tsc.TLSSessionCache()
    cache.set_session(A, Session(), "TLSv1.2")
    stop = threading.Event()

    def run():
        while not stop.is_set():
            hammer(cache, 50, [])

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            child = os.fork()
            if child == 0:
                ok = False
                try:
                    ok = cache.get_session(A) is None and len(cache) == 0
                    hammer(cache, 50, [])
                    cache.set_session(A, Session(), "TLSv1.2")
                    ok = ok and cache.get_session(A) is not None
                finally:
                    os._exit(0 if ok else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert cache.get_session(A) is not None, "the parent's are still there"


def test_repr_tells_numbers_only():
    cache = tsc.TLSSessionCache()
    cache.set_session(A, b"secret", "TLSv1.2")
    assert repr(cache) == "<TLSSessionCache sessions=1 endpoints=1>"


def test_the_text_for_prometheus_has_the_labels():
    cache = tsc.TLSSessionCache()
    cache.set_session(A, Session())
    assert 'tsc_stored_total{cluster="a"} 1\n' in cache.prometheus('cluster="a"')


def test_driver_endpoints_behind_one_proxy_are_apart():
    """As cassandra-driver's SniEndPoint: one address, and the name among the options for ssl."""

    class Behind:
        address, port = "proxy", 9042

        def __init__(self, node):
            self.ssl_options = {"server_hostname": node}

    cache, session = tsc.TLSSessionCache(), object()
    cache.set_session(Behind("one"), session, "TLSv1.2")
    assert cache.get_session(Behind("two")) is None
    assert cache.get_session(Behind("one")) is session
    assert cache.get_session(("proxy", 9042, "one")) is session
    assert cache.get_session(("proxy", 9042)) is None


def test_names_cannot_be_mistaken_for_each_other():
    cache = tsc.TLSSessionCache()
    cache.set_session(("a", 1, "b"), object(), "TLSv1.2")
    for other in [(b"a\xffb", 1), ("a\x01b", 1), ("ab", 1), ("a", 1), ("a", 1, "")]:
        assert cache.get_session(other) is None


def test_none_is_not_kept():
    cache = tsc.TLSSessionCache()
    assert cache.set_session(("a", 1), None) is False
    assert cache.size() == 0


@pytest.mark.parametrize("max_size", [None, 500])
def test_max_size_is_reached_before_the_bytes(max_size):
    cache = tsc.TLSSessionCache(max_size)
    for i in range(1000):
        for _ in range(6):
            cache.set_session(("a", i + 1), object(), "TLSv1.3")
    assert cache.stats().endpoints == (max_size or 100)
    assert cache.size() == (max_size or 100) * 6


def test_an_exception_passes_while_the_clock_is_read():
    def put(cache, _):
        cache.set_session(("a", 1), object())

    caught = []

    class Last:
        """Has the clock read as it goes, on the way of an exception."""

        def __init__(self, cache):
            self.cache = cache

        def __del__(self):
            caught.append(self.cache.get_session(("a", 1)))

    def fail(cache):
        _last = Last(cache)
        raise KeyError("passes")

    with pytest.raises(KeyError):
        fail(tsc.TLSSessionCache(clock=lambda: 5))
    with pytest.raises(ZeroDivisionError):
        put(tsc.TLSSessionCache(clock=lambda: 5), 1 / 0)
    assert caught == [None]


def test_only_a_cache_has_a_constructor():
    for kind in (_tsc.Config, _tsc.Attempt):
        with pytest.raises(TypeError):
            kind()


@pytest.mark.parametrize("option", ["clock", "on_event"])
def test_what_cannot_be_called_is_refused(option):
    with pytest.raises(TypeError, match=option):
        tsc.TLSSessionCache(**{option: 5})


def test_an_endpoint_is_named_by_a_str_and_an_int():
    with pytest.raises(TypeError, match="'1'"), tsc.endpoint("a", "1"):
        pass
