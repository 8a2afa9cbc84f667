"""Why a connection did not resume."""

from __future__ import annotations

from typing import Literal

Reason = Literal[
    "nothing_stored",
    "expired",
    "evicted",
    "taken",
    "refused",
    "withheld",
    "waited_in_vain",
    "not_sent",
    "not_asked",
    "cache_off",
    "failed",
    "other_verification",
    "agent_away",
]
"""``TSC_REASON_*`` of tsc.h. ``docs/sessions.md`` says what to do about each."""
