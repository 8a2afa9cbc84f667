from collections.abc import Callable
from typing import Any, final

Address = tuple[str, int] | tuple[str, int, str | None]

DISABLED: int
REUSE_WHEN_DRY: int
FAILURE_NOT_SENT: int
FAILURE_HANDSHAKE: int
FAILURE_TIMEOUT: int
FAILURE_LOGIN: int
OK: int

class Error(Exception):
    status: int

def version() -> str: ...
def ticket_filter(callback: Callable[..., object], /) -> Callable[..., None]: ...

@final
class Cache:
    def __new__(
        cls,
        flags: int = 0,
        max_endpoints: int = 0,
        max_sessions_per_endpoint: int = 0,
        ttl_seconds: int = 0,
        max_bytes: int = 0,
        max_lineage_age_seconds: int = 0,
        clock: Callable[[], int] | None = None,
    ) -> Cache: ...
    def close(self) -> None: ...
    def clear(self) -> None: ...
    def config(self, client_not_after: int = 0, /) -> Config: ...
    def stats(self) -> dict[str, int]: ...
    def prometheus(self, labels: str = "", /) -> str: ...

@final
class Config:
    def conn(self, endpoint: Address, /) -> Conn: ...
    def available(self, endpoint: Address, /) -> int: ...
    def take(self, endpoint: Address, /) -> Any: ...
    def give(
        self,
        endpoint: Address,
        session: object,
        tls_version: int,
        lifetime_seconds: int,
        bytes: int,
        /,
    ) -> bool: ...

@final
class Conn:
    def offer(self) -> Any: ...
    def sent(self) -> None: ...
    def receive(
        self,
        session: object,
        tls_version: int,
        lifetime_seconds: int,
        bytes: int,
        not_after: int = 0,
        /,
    ) -> bool: ...
    def established(self, resumed: bool, /) -> None: ...
    def failed(self, why: int, /) -> None: ...
    def wait_fd(self, max_wait_ms: int, /) -> int | None: ...
    def info(self) -> dict[str, int]: ...
