import time
from collections.abc import Callable
from dataclasses import dataclass, field

from service.gateway.problem import Problem

Clock = Callable[[], float]
"""Seconds on a clock that never goes back."""


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

    def admit(self) -> None:
        """Take a token. Raises `Problem` 503 if there is none: what is not 5xx, Alertmanager would drop."""
        now = self.clock()
        self.tokens = min(self.capacity, self.tokens + (now - self.filled_at) * self.per_s)
        self.filled_at = now
        if self.per_s and self.tokens < 1:
            raise Problem(503, f"more than {self.per_s:g} requests per second", retry_after_s=1)
        self.tokens -= 1
