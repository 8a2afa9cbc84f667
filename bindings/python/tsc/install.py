"""Contexts that a program makes without a word of this package."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Callable
from typing import Any

from tsc.attach import attach
from tsc.attached import maker, of
from tsc.cache import TLSSessionCache

_NAMES = "create_default_context", "_create_default_https_context"

_undo: list[Callable[[], None]] = []


def install(cache: TLSSessionCache | None = None, *, max_wait: float = 0) -> TLSSessionCache:
    """Attach all contexts that `ssl.create_default_context` makes from now on.

    So that what was not written for it resumes: ``urllib.request`` and ``http.client`` make a
    context for each connection, and others, such as httpx, one for each client. Contexts that trust
    the same roots, verify alike and are the same client share sessions. A package that has imported
    ``create_default_context`` by name before goes on without, as does one that makes its contexts
    by `ssl.SSLContext` (requests and urllib3: use `attach`).

    Only a program should call it, not a library. A second call replaces the first.

    cache, max_wait: as in `attach`. Gives the cache. Where `status` is not direct, sessions belong
    to one context: then only programs that keep theirs resume.
    """
    uninstall()
    cache = TLSSessionCache() if cache is None else cache
    for name in _NAMES:
        make = getattr(ssl, name)
        ours = _attaching(make, cache, max_wait)
        setattr(ssl, name, ours)
        _undo.append(functools.partial(_restore, name, ours, make))
    return cache


def uninstall() -> None:
    """Undo `install`. Contexts that are attached stay so."""
    while _undo:
        _undo.pop()()


def _attaching(
    make: Callable[..., Any], cache: TLSSessionCache, max_wait: float
) -> Callable[..., Any]:
    @functools.wraps(make)
    def made(*args: Any, **kwargs: Any) -> Any:
        context = make(*args, **kwargs)
        is_servers = ssl.Purpose.CLIENT_AUTH in (*args, kwargs.get("purpose"))
        if made.on and not is_servers and not of(maker(context)):  # type: ignore[attr-defined]
            attach(context, cache, max_wait=max_wait, identity=b"tsc.install")
        return context

    made.on = True  # type: ignore[attr-defined]
    return made


def _restore(name: str, ours: Any, make: Callable[..., Any]) -> None:
    ours.on = False
    if getattr(ssl, name) is ours:  # nobody has put something else on top
        setattr(ssl, name, make)
