import weakref

import pytest
from agent import agent  # noqa: F401
from peer import cert, serve  # noqa: F401

import tsc


@pytest.fixture(autouse=True)
def books(monkeypatch):
    """A test ends with books that balance: what came in went for a reason, or is there."""
    made = weakref.WeakSet()
    init = tsc.TLSSessionCache.__init__

    def remember(self, *args, **options):
        init(self, *args, **options)
        made.add(self)

    monkeypatch.setattr(tsc.TLSSessionCache, "__init__", remember)
    yield
    for cache in made:
        s = cache.stats()
        dropped = s.expired + s.evicted + s.displaced + s.removed
        assert s.stored + s.returned == s.taken + dropped + s.sessions
