"""What the attempts of `ssl` and of pyOpenSSL have in common: how they wait, and how they end."""

from __future__ import annotations

from contextlib import suppress

from tsc import _tsc
from tsc.wait import wait_async, wait_blocking


class BaseAttempt:
    """A `tsc_attempt` until it is known what became of its connection."""

    def __init__(self, attempt: _tsc.Attempt) -> None:
        self._attempt = attempt
        self._handshaken = False
        self._resumed = False
        self.open = True
        """Nobody has said yet how it ended."""

    def wait(self, max_wait_ms: int) -> None:
        """Wait, in this thread or greenlet, for a session that others are about to bring."""
        try:
            wait_blocking(self._attempt, max_wait_ms)
        except BaseException:  # of a signal, or thrown into the greenlet
            self.failed(_tsc.FAILURE_NOT_SENT)
            raise

    async def wait_async(self, max_wait_ms: int) -> None:
        """Wait for one in this task."""
        await wait_async(self._attempt, max_wait_ms)

    def established(self) -> None:
        """Say that the connection is established; what was staged is published."""
        self.open = False
        with suppress(_tsc.Error):
            self._attempt.established(self._resumed)

    def failed(self, why: int) -> None:
        """Say that it failed, with a FAILURE_ of `tsc._tsc`; what was staged is discarded."""
        self.open = False
        with suppress(_tsc.Error):
            self._attempt.failed(why)
