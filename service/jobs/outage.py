import asyncio
import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from service.errors import StoreError
from service.telemetry import logger

FIRST_S, LONGEST_S = 1.0, 10.0
"""How long who asks a store that cannot be used waits before the next try: a quarter of the time that it has lasted,
within these bounds.
"""

SAY_EVERY_S = 60.0


@dataclass(slots=True)
class Outage:
    """What a process says of a store that cannot be used: that it began, once a minute that it lasts, and that it is
    over, however many parts of the process ask it. A store that comes and goes is told of once a minute too.
    """

    clock: Callable[[], float] = time.monotonic
    _suffers: set[str] = field(default_factory=set[str])
    _began: float = 0.0
    _said: float = -math.inf
    _known: bool = False

    def failed(self, suffers: str, error: StoreError) -> float:
        """It could not be used, and ``suffers`` what was to be done with it ("nothing is forgotten").

        Returns how many seconds to wait before the next try.
        """
        now = self.clock()
        if not self._suffers:
            self._began = now
        self._suffers.add(suffers)
        lasted = now - self._began
        if now - self._said >= SAY_EVERY_S:
            since = f" for {lasted:.0f} s now" if self._known else ""
            logger("store").error("the store cannot be used%s, %s: %s", since, ", ".join(sorted(self._suffers)), error)
            self._said, self._known = now, True
        return min(max(FIRST_S, lasted / 4), LONGEST_S)

    def worked(self, suffered: str) -> None:
        """It could be used for that. It is over once it can be for all that suffered."""
        if suffered not in self._suffers:
            return
        self._suffers.discard(suffered)
        if not self._suffers and self._known:
            logger("store").info("the store can be used again, after %.0f s", self.clock() - self._began)
            self._known = False


async def pause(stopping: asyncio.Event, seconds: float) -> None:
    """Wait so long, or until told to stop."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)
