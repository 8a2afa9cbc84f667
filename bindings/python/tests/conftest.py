import weakref

import pytest
import tsc
from peer import cert, serve  # noqa: F401


@pytest.fixture(autouse=True)
def books(monkeypatch):
    """What came into a cache went for one of the reasons in ``Stats``, or is there, when a test ends."""
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
