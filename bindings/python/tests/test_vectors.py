"""tests/vectors/attempt.txt, in Python."""

import pathlib
import select

import tsc
from tsc import _tsc

VECTORS = pathlib.Path(__file__).parents[3] / "tests" / "vectors" / "attempt.txt"
STATUSES = [
    "ok",
    "not_found",
    "invalid_argument",
    "too_small",
    "too_large",
    "no_memory",
    "closed",
    "discarded",
    "wrong_state",
    "unsupported",
]
VERSIONS = {"12": 0x0303, "13": 0x0304}


class World:
    """What a case has: does what a line says, and gives what is answered."""

    def __init__(self):
        now = self.now = [0]
        self.cache = tsc.TLSSessionCache(clock=lambda: now[0])
        self.configs = {}
        self.attempts = {}

    def run(self, verb, name, *words):
        try:
            return getattr(self, verb)(name, *words)
        except _tsc.Error as error:
            return STATUSES[error.status]

    def config(self, name):
        self.configs[name] = self.cache._cache.config()

    def attempt(self, name, config, *endpoint):
        self.attempts[name] = self.configs[config].attempt(self.endpoint(*endpoint))
        return "ok"

    def available(self, config, *endpoint):
        return str(self.configs[config].available(self.endpoint(*endpoint)))

    @staticmethod
    def endpoint(host, port, *others):
        return (
            "" if host == "-" else host,
            int(port),
            *(None if word == "-" else word for word in others),
        )

    def receive(self, name, version, seconds, session):
        size = len(session)
        kept = self.attempts[name].receive(session, VERSIONS[version], int(seconds), size)
        return "ok" if kept else "discarded"

    def offer(self, name):
        return self.attempts[name].offer() or "not_found"

    def wait(self, name, milliseconds):
        fd = self.attempts[name].wait_fd(int(milliseconds))
        if fd is not None:
            select.select([fd], [], [])

    def withdraw(self, name):
        self.attempts[name].withdraw()
        return "ok"

    def sent(self, name):
        self.attempts[name].sent()
        return "ok"

    def established(self, name, how):
        self.attempts[name].established(how == "resumed")
        return "ok"

    def failed(self, name, facts):
        names = [] if facts == "none" else facts.split("|")
        self.attempts[name].failed(sum(getattr(_tsc, f"FACT_{one.upper()}") for one in names))
        return "ok"

    def reason(self, name):
        return self.attempts[name].info()["reason"] or "none"

    def free(self, name):
        del self.attempts[name]

    def clock(self, seconds):
        self.now[0] += int(seconds) * 1000

    def clear(self, _):
        self.cache.clear()

    def close(self, _):
        self.cache.close()


def test_every_language_is_answered_the_same():
    world, answers, skips = None, 0, False
    for number, line in enumerate(VECTORS.read_text().splitlines(), 1):
        words, _, expected = line.partition(" = ")
        verb, *rest = words.split() or ["#"]
        if verb.startswith("#"):
            continue
        if verb == "case":
            world, skips = World(), False
            continue
        # Its configs of the extension module's own keep values: test_share.py has the same.
        skips = skips or verb == "share"
        if skips:
            continue
        answer = world.run(verb, *(rest or [None]))
        assert (answer or "") == expected.strip(), f"attempt.txt:{number}: {line}"
        answers += bool(expected)
    assert answers > 100
