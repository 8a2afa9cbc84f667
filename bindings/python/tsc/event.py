"""What happens in a cache, for logs and tests. The numbers of it are `tsc.Stats`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tsc.reason import Reason

EventKind = Literal[
    "stored",
    "offered",
    "resumed",
    "refused",
    "expired",
    "evicted",
    "breaker_opened",
    "breaker_closed",
    "not_offered",
]
"""``TSC_EVENT_*`` of tsc.h, which describes them."""


@dataclass(frozen=True)
class Event:
    """Something that happened to sessions. No part of a session is in it."""

    kind: EventKind
    count: int
    """To how many sessions at once; 0 for a breaker and for "not_offered"."""
    host: str | None
    port: int
    server_name: str | None
    reason: Reason | None = None
    """With "not_offered": why the connection does a full handshake."""
