import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class BreakerState(StrEnum):
    """Whether it is asked: always, never, or by one call that tries."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(slots=True)
class Breaker:
    """Keeps a server that is in trouble from costing every incident its patience.

    After ``failures`` calls in a row that failed it is open for ``rest_s``: nobody asks. Then one call tries, and what
    comes of it decides for the others.
    """

    failures: int = 5
    rest_s: float = 15.0
    clock: Callable[[], float] = time.monotonic
    _failed: int = 0
    _closed_at: float = 0.0
    _trying: bool = False

    @property
    def state(self) -> BreakerState:
        """As it is now."""
        if self._failed < self.failures:
            return BreakerState.CLOSED
        return BreakerState.HALF_OPEN if self._trying else BreakerState.OPEN

    def rests_s(self) -> float:
        """How long nobody should ask; 0 for whoever may, which makes a call the one that tries."""
        if self._failed < self.failures:
            return 0.0
        left_s = self._closed_at - self.clock()
        if left_s > 0 or self._trying:
            return max(left_s, 0.1)
        self._trying = True
        return 0.0

    def succeeded(self) -> None:
        """It answered, whatever it said."""
        self._failed, self._trying = 0, False

    def failed(self) -> None:
        """It did not answer, broke off or said that it is in trouble."""
        self._failed, self._trying = self._failed + 1, False
        self._closed_at = self.clock() + self.rest_s

    def undecided(self) -> None:
        """A call is over: if it was the one that tries and nothing came of it, another may."""
        self._trying = False
