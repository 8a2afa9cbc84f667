"""What the connections of attached contexts have beyond those of `ssl`.

The classes derive from what `ssl` holds when this is imported: after gevent's patching, gevent's.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from tsc.reason import Reason

if TYPE_CHECKING:
    _Base = ssl.SSLObject
else:
    _Base = object


class Connection(_Base):
    """A client's connection that resumes, unless it was given a session of the caller's."""

    def tsc_established(self) -> None:
        """Say that TLS is verified and the application's own login done.

        What the connection received is published, and what it still receives goes straight into the
        cache. For contexts with ``accept="caller"``; does nothing if it is known already.
        """
        self._tsc_say_established()

    def tsc_failed(self) -> None:
        """Say that the login failed: nothing that was received is kept.

        For what the server did. A connection that you gave up yourself is only closed.
        """
        self._tsc_say_failed()

    @property
    def tsc_reason(self) -> Reason | None:
        """Why it did not resume.

        None if it did, if that is not decided yet, and where this package took no part: the
        endpoint was not found (`tsc.endpoint` names it), the cache is disabled, or the session was
        the caller's own.
        """
        return self._tsc_why()

    def _tsc_say_established(self) -> None:
        raise NotImplementedError

    def _tsc_say_failed(self) -> None:
        raise NotImplementedError

    def _tsc_why(self) -> Reason | None:
        raise NotImplementedError


class SSLObject(Connection, ssl.SSLObject):
    """An `ssl.SSLObject` that resumes, for asyncio and other users of memory BIOs."""


class SSLSocket(Connection, ssl.SSLSocket):  # type: ignore[misc,override]
    """An `ssl.SSLSocket` that resumes."""
