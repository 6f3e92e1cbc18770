import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

from service.errors import StoreError
from service.jobs.outage import Outage, pause
from service.jobs.store import FORGET_AT_ONCE, IncidentStore
from service.telemetry import logger

SUFFERS = "nothing is forgotten"


@dataclass(frozen=True, slots=True)
class Retention:
    """Lets the store forget what is over, now and then: see `IncidentStore.forget`. Any number of processes may."""

    store: IncidentStore
    keep_s: float
    keep_count: int
    every_s: float
    outage: Outage = field(default_factory=Outage)

    async def run(self, stopping: asyncio.Event) -> None:
        """Forget until told to stop."""
        while not stopping.is_set():
            try:
                await self._forget(stopping)
            except StoreError as error:
                await pause(stopping, self.outage.failed(SUFFERS, error))
            else:
                self.outage.worked(SUFFERS)
                await pause(stopping, self.every_s)

    async def _forget(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            went = await self.store.forget(datetime.now(UTC), self.keep_s, self.keep_count)
            if went:
                logger("retention").info("%d incidents forgotten", went)
            if went < FORGET_AT_ONCE:
                return
