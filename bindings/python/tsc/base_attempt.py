"""What the attempts of `ssl` and of pyOpenSSL have in common: how they wait, and how they end."""

from __future__ import annotations

from contextlib import suppress

from tsc import _tsc
from tsc.reason import Reason
from tsc.wait import wait_blocking


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
            self.failed(sent=False)
            raise

    def wait_fd(self, max_wait_ms: int) -> int | None:
        """See `tsc.wait.Waits`."""
        return self._attempt.wait_fd(max_wait_ms)

    def give_up(self) -> None:
        """Say that there will be no connection."""
        self.failed(sent=False)

    def established(self) -> None:
        """Say that the connection is established; what was staged is published."""
        self.open = False
        with suppress(_tsc.Error):
            self._attempt.established(self._resumed)

    def failed(
        self,
        *,
        sent: bool = True,
        timed_out: bool = False,
        cancelled: bool = False,
        alert: bool = False,
    ) -> None:
        """Say that it failed, and what was seen. What that means, the library decides.

        sent: the ClientHello may have left. timed_out: the server fell silent. cancelled: this
        process gave up. alert: a fatal alert was received or sent, which counts after `established`
        as well.
        """
        self.open = False
        facts = (
            (sent, _tsc.FACT_SENT),
            (self._handshaken, _tsc.FACT_HANDSHAKE_DONE),
            (self._resumed, _tsc.FACT_RESUMED),
            (timed_out, _tsc.FACT_TIMED_OUT),
            (cancelled, _tsc.FACT_CANCELLED),
            (alert, _tsc.FACT_ALERT),
        )
        with suppress(_tsc.Error):
            self._attempt.failed(sum(fact for seen, fact in facts if seen))

    def reason(self) -> Reason | None:
        """Say why it did not resume; None if it did, or that is not decided yet."""
        with suppress(_tsc.Error):
            reason: Reason | None = self._attempt.info()["reason"]
            return reason
        return "cache_off"  # what a parent began, in a forked child
