"""What `on_event` is told."""

import gc
import weakref

import tsc

A, B = ("a", 9042), ("b", 0x12FF, "name")


class Session:
    """Any object will do for one."""


def test_each_event_is_told_with_its_endpoint():
    told = []
    clock = [1_000_000]
    cache = tsc.TLSSessionCache(
        max_size=1,
        ttl=10,
        max_sessions_per_endpoint=2,
        clock=lambda: clock[0],
        on_event=told.append,
    )
    cache.set_session(A, Session())
    cache.set_session(A, Session())
    cache.set_session(B, Session())
    cache.get_session(B)
    cache.set_session(A, Session())
    clock[0] += 11_000
    cache.get_session(A)
    of_a, of_b = ("a", 9042, "a"), ("b", 0x12FF, "name")
    assert [(e.kind, e.count, (e.host, e.port, e.server_name)) for e in told] == [
        ("stored", 1, of_a),
        ("stored", 1, of_a),
        ("evicted", 2, of_a),
        ("stored", 1, of_b),
        ("offered", 1, of_b),
        ("stored", 1, of_a),
        ("expired", 1, of_a),
    ]


def test_an_attempts_endpoint_is_told():
    told = []
    cache = tsc.TLSSessionCache(on_event=told.append)
    config = cache._cache.config()
    attempt = config.attempt(("A.example", 9042, None))
    attempt.receive(Session(), 0x0304, 100, 1)
    attempt.established(False)
    of_it = ("a.example", 9042, "a.example")
    assert told == [
        tsc.Event("stored", 1, *of_it),
        tsc.Event("not_offered", 0, *of_it, reason="not_asked"),
    ]


def test_on_event_may_use_the_cache():
    seen = []
    cache = tsc.TLSSessionCache(max_size=1, on_event=lambda event: seen.append(cache.size()))
    cache.set_session(A, Session())
    cache.set_session(B, Session())
    assert seen == [1, 1, 1]


def test_what_on_event_raises_is_reported_and_harms_nothing(monkeypatch):
    told = []
    monkeypatch.setattr("sys.unraisablehook", told.append)
    cache = tsc.TLSSessionCache(on_event=lambda event: 1 // 0)
    assert cache.set_session(A, Session())
    assert cache.get_session(A) is not None
    assert [type(one.exc_value) for one in told] == [ZeroDivisionError] * 2


def test_a_cycle_through_on_event_is_collected():
    def make():
        refers = []
        cache = tsc.TLSSessionCache(on_event=lambda event: refers)
        refers.append(cache)
        return weakref.ref(cache)

    gone = make()
    gc.collect()
    assert gone() is None
