import asyncio

from service.errors import StoreError
from service.jobs.records import Lease, StoredStep
from service.jobs.store import IncidentStore, LeaseLost
from service.telemetry import logger


class StepLog:
    """Writes steps to the store in the order in which they are made, without holding up who makes them."""

    def __init__(self, store: IncidentStore, lease: Lease) -> None:
        self._store = store
        self._lease = lease
        self._waiting: list[StoredStep] = []
        self._writing: asyncio.Task[None] | None = None

    def note(self, step: StoredStep) -> None:
        """Take a step; it is written soon."""
        self._waiting.append(step)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_soon())

    async def written(self) -> None:
        """Return when all of them are in the store. Raises `LeaseLost` and `StoreError`."""
        if self._writing is not None:
            await self._writing
        await self._write()

    async def _write_soon(self) -> None:
        try:
            await self._write()
        except (StoreError, LeaseLost) as error:  # `written` will try again, and say so if it is in vain
            logger("jobs").debug("steps wait: %s", error)

    async def _write(self) -> None:
        while self._waiting:
            steps = tuple(self._waiting)
            await self._store.add_steps(self._lease, steps)
            del self._waiting[: len(steps)]
