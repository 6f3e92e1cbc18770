import time
from collections.abc import Callable
from dataclasses import dataclass, field

from service.gateway.callers import Caller, Scope
from service.gateway.problem import Problem

Clock = Callable[[], float]
"""Seconds on a clock that never goes back."""

MOST_CALLERS = 1000


@dataclass(slots=True)
class RateLimit:
    """A bucket of tokens that fills at ``per_s`` and holds those of two seconds; ``per_s`` 0 never runs dry."""

    per_s: float
    clock: Clock = time.monotonic
    tokens: float = field(init=False)
    filled_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = self.capacity
        self.filled_at = self.clock()

    @property
    def capacity(self) -> float:
        """How many may come at once."""
        return max(1.0, 2 * self.per_s)

    def admit(self) -> bool:
        """Take a token, if there is one."""
        now = self.clock()
        self.tokens = min(self.capacity, self.tokens + (now - self.filled_at) * self.per_s)
        self.filled_at = now
        if self.per_s and self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass(slots=True)
class RateLimits:
    """One bucket for everybody and one for each caller in each tenant's name. What is told, looked at and operated has
    buckets of its own: who only looks takes no alert's place, nor does telemetry.
    """

    per_s: float = 0.0
    caller_per_s: float = 0.0
    clock: Clock = time.monotonic
    _all: dict[str, RateLimit] = field(default_factory=dict[str, RateLimit])
    _each: dict[tuple[str, str, str], RateLimit] = field(default_factory=dict[tuple[str, str, str], RateLimit])

    def admit(self, lane: str, scope: Scope, caller: Caller) -> None:
        """Let a request of that lane pass. Raises `Problem` if it may not now: 503 for what is told, which Alertmanager
        would drop for anything else; 429 for the others.
        """
        status = 503 if scope is Scope.INGEST else 429
        theirs = self._of_caller((lane, caller.name, caller.tenant))
        if not theirs.admit():
            raise Problem(
                status, f"more than {self.caller_per_s:g} requests per second of {caller.name}", retry_after_s=1
            )
        if not self._all.setdefault(lane, RateLimit(self.per_s, self.clock)).admit():
            raise Problem(status, f"more than {self.per_s:g} requests per second", retry_after_s=1)

    def _of_caller(self, key: tuple[str, str, str]) -> RateLimit:
        bucket = self._each.pop(key, None) or RateLimit(self.caller_per_s, self.clock)
        self._each[key] = bucket  # now the newest
        if len(self._each) > MOST_CALLERS:
            del self._each[next(iter(self._each))]
        return bucket
