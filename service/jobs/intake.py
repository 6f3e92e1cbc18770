"""What is told and asked is taken in by groups: whatever comes while one is written makes up the next."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from service.errors import HypocenterError, StoreError
from service.jobs.draft import Telling
from service.jobs.records import Receipt

MAX_WAITING = 1000
"""Tellings that may wait to be taken in; more would be promises that cannot be kept in time."""

MAX_GROUP = 50
"""Tellings that are decided and written together."""

TakeIn = Callable[[str, Sequence[Telling]], Awaitable[Sequence[tuple[Receipt, ...]]]]
"""Decides what becomes of a tenant's tellings, one after the other, and writes it: all of it, or nothing."""


class _Waiting:
    """A telling, and whoever waits for its receipts."""

    def __init__(self, telling: Telling) -> None:
        self.telling = telling
        self.receipts: asyncio.Future[tuple[Receipt, ...]] = asyncio.get_running_loop().create_future()

    def refuse(self, error: HypocenterError) -> None:
        if not self.receipts.done():
            self.receipts.set_exception(error)


class Intake:
    """The order of what a process takes in: of one tenant one group at a time, tenants beside each other."""

    def __init__(self, shown: str, take_in: TakeIn, limit_s: float) -> None:
        """``shown`` is the store as people know it; a group has ``limit_s`` to be taken in."""
        self._shown = shown
        self._take_in = take_in
        self._limit_s = limit_s
        self._waiting: dict[str, deque[_Waiting]] = {}
        self._lanes: set[asyncio.Task[None]] = set()

    async def put(self, telling: Telling) -> tuple[Receipt, ...]:
        """Return when it is written; it goes on if the caller is cancelled. Raises `StoreError` if it could not be."""
        if sum(map(len, self._waiting.values())) >= MAX_WAITING:
            raise StoreError(f"store {self._shown}: {MAX_WAITING} notifications are waiting")
        waiting, tenant = _Waiting(telling), telling.notification.tenant
        if tenant not in self._waiting:
            self._waiting[tenant] = deque()
            lane = asyncio.create_task(self._lane(tenant))
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
        self._waiting[tenant].append(waiting)
        return await waiting.receipts

    async def close(self) -> None:
        """Finish what waits."""
        if self._lanes:
            await asyncio.wait(self._lanes, timeout=self._limit_s)

    async def _lane(self, tenant: str) -> None:
        """Take in what waits of one tenant until nothing does."""
        queue = self._waiting[tenant]
        try:
            while queue:
                await self._settle(tenant, [queue.popleft() for _ in range(min(MAX_GROUP, len(queue)))])
        finally:
            del self._waiting[tenant]
            for waiting in queue:
                waiting.refuse(StoreError(f"store {self._shown}: could not be taken in"))

    async def _settle(self, tenant: str, group: list[_Waiting]) -> None:
        try:
            async with asyncio.timeout(self._limit_s):
                receipts = await self._take_in(tenant, [waiting.telling for waiting in group])
        except TimeoutError:
            late = StoreError(f"store {self._shown}: not taken in within {self._limit_s:g} s")
            for waiting in group:
                waiting.refuse(late)
        except HypocenterError as error:
            for waiting in group:
                waiting.refuse(error)
        else:
            for waiting, of_it in zip(group, receipts, strict=True):
                if not waiting.receipts.done():
                    waiting.receipts.set_result(of_it)
        finally:
            for waiting in group:
                waiting.refuse(StoreError(f"store {self._shown}: could not be decided"))
