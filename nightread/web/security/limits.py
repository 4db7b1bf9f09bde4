"""How often somebody may ask: a person, a program, an address, a stranger.

Counted in this process: with several servers behind one address each counts for itself.
"""

from dataclasses import dataclass, field

from fastapi import Request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from nightread.web.problems import Refusal

# A reading room may share one address: it may ask for as much as ten people. Tries to sign in and
# wrong tokens are a tenth of what a person may ask for.
ROOM = 10


@dataclass(frozen=True, slots=True)
class Limits:
    """Made once a server."""

    person: RateLimitItemPerMinute
    address: RateLimitItemPerMinute
    stranger: RateLimitItemPerMinute  # by address too
    counted: FixedWindowRateLimiter = field(
        default_factory=lambda: FixedWindowRateLimiter(MemoryStorage())
    )

    @classmethod
    def of(cls, per_minute: int) -> "Limits":
        return cls(
            RateLimitItemPerMinute(per_minute),
            RateLimitItemPerMinute(per_minute * ROOM),
            RateLimitItemPerMinute(max(1, per_minute // ROOM)),
        )

    def hit(self, limit: RateLimitItemPerMinute, kind: str, key: str) -> None:
        """Count one; raises `Refusal` (429) when it is one too many."""
        if not self.counted.hit(limit, kind, key):
            raise Refusal(
                429,
                f"More than {limit.amount} requests in a minute: wait a minute, then go on.",
                {"Retry-After": "60"},
            )


def _limits(request: Request) -> Limits:
    limits: Limits = request.app.state.limits
    return limits


def address_of(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def of_principal(request: Request, who: str) -> None:
    limits = _limits(request)
    limits.hit(limits.person, "person", who)


def of_address(request: Request) -> None:
    limits = _limits(request)
    limits.hit(limits.address, "address", address_of(request))


def strangers(request: Request) -> None:
    limits = _limits(request)
    limits.hit(limits.stranger, "stranger", address_of(request))
