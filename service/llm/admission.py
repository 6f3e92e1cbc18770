"""Who may ask the model now. The others are answered by the statistical rank, and some of them wait for their turn."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from service.telemetry import Meters


class Admission:
    """Seats at the model, for localizations of this process: ``at_once``, and one only while a round takes it longer
    than ``slow_s``. At most ``waiting`` wait for one, first come first served.
    """

    def __init__(
        self, latency_s: Callable[[], float], meters: Meters, at_once: int = 2, waiting: int = 16, slow_s: float = 10.0
    ) -> None:
        self._latency_s = latency_s
        self._meters = meters
        self._at_once = at_once
        self._most_waiting = waiting
        self._slow_s = slow_s
        self._seated = 0
        self._waiting = 0
        self._left = asyncio.Condition()

    @property
    def full(self) -> bool:
        """Whether who comes now has to wait."""
        return self._waiting > 0 or not self._free

    @property
    def crowded(self) -> bool:
        """Whether who comes now cannot even wait."""
        return self.full and self._waiting >= self._most_waiting

    @property
    def _free(self) -> bool:
        return self._seated == 0 or (self._seated < self._at_once and self._latency_s() <= self._slow_s)

    @asynccontextmanager
    async def seat(self, patience_s: float) -> AsyncGenerator[bool]:
        """A seat for as long as the block takes; False if there was none within ``patience_s``."""
        seated = await self._taken(patience_s)
        try:
            yield seated
        finally:
            if seated:
                await self._leave()

    async def _taken(self, patience_s: float) -> bool:
        self._count(waiting=1)
        try:
            async with asyncio.timeout(patience_s), self._left:
                await self._left.wait_for(lambda: self._free)
                self._count(seated=1)
                return True
        except TimeoutError:
            return False
        finally:
            self._count(waiting=-1)

    async def _leave(self) -> None:
        self._count(seated=-1)
        async with self._left:
            self._left.notify_all()

    def _count(self, seated: int = 0, waiting: int = 0) -> None:
        self._seated += seated
        self._waiting += waiting
        self._meters.model_seats.labels("taken").set(self._seated)
        self._meters.model_seats.labels("waited for").set(self._waiting)
