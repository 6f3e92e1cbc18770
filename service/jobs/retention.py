import asyncio
import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime

from service.errors import StoreError
from service.jobs.store import FORGET_AT_ONCE, IncidentStore
from service.telemetry import logger


@dataclass(frozen=True, slots=True)
class Retention:
    """Lets the store forget what is over, now and then: see `IncidentStore.forget`. Any number of processes may."""

    store: IncidentStore
    keep_s: float
    keep_count: int
    every_s: float

    async def run(self, stopping: asyncio.Event) -> None:
        """Forget until told to stop."""
        while not stopping.is_set():
            try:
                await self._forget(stopping)
            except StoreError as error:
                logger("retention").warning("nothing is forgotten: %s", error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), self.every_s)

    async def _forget(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            went = await self.store.forget(datetime.now(UTC), self.keep_s, self.keep_count)
            if went:
                logger("retention").info("%d incidents forgotten", went)
            if went < FORGET_AT_ONCE:
                return
