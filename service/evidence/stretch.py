import math
from dataclasses import dataclass

from service.evidence.lineage import Bools, Floats


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of the window, in seconds from the alert: from ``start_s`` on and before ``end_s``."""

    start_s: float = -math.inf
    end_s: float = math.inf

    def of(self, seconds: Floats) -> Bools:
        """Which moments lie in it."""
        return (seconds >= self.start_s) & (seconds < self.end_s)


WHOLE = Stretch()
"""All of the window."""
