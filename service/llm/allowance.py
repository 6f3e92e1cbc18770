import time
from collections.abc import Callable


class Allowance:
    """Tokens that the model may read and write for each tenant, of this process: ``per_hour``, which come back evenly;
    0 is no limit. What a localization cost is known only when it ends, so that a tenant may be in debt for a while.
    """

    def __init__(self, per_hour: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_hour = per_hour
        self._clock = clock
        self._spent: dict[str, tuple[float, float]] = {}  # tokens, as they were when

    def covers(self, tenant: str) -> bool:
        """Whether anything is left of it."""
        return not self._per_hour or self._owed(tenant) < self._per_hour

    def spend(self, tenant: str, tokens: int) -> None:
        """Book what a localization cost."""
        if self._per_hour:
            self._spent[tenant] = (self._owed(tenant) + tokens, self._clock())

    def _owed(self, tenant: str) -> float:
        tokens, at = self._spent.get(tenant, (0.0, 0.0))
        owed = max(0.0, tokens - (self._clock() - at) * self._per_hour / 3600)
        if not owed:
            self._spent.pop(tenant, None)
        return owed
