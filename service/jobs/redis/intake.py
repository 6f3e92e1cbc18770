import asyncio
from collections import deque

from service.errors import HypocenterError, StoreError
from service.jobs.records import Receipt
from service.jobs.redis.draft import Draft, Telling
from service.jobs.redis.rows import incident_of, pairs_of, seq_of, tenant_key
from service.jobs.redis.server import Script, Server
from service.jobs.times import to_us

MAX_WAITING = 1000
"""Tellings that may wait to be taken in; more would be promises that cannot be kept in time."""

MAX_GROUP = 50
"""Tellings that are decided and written together."""

AGAIN_S = 0.002
"""How soon what another gateway overtook is decided anew, growing with the attempts."""


class _Waiting:
    """A telling, and whoever waits for its receipts."""

    def __init__(self, telling: Telling) -> None:
        self.telling = telling
        self.receipts: asyncio.Future[tuple[Receipt, ...]] = asyncio.get_running_loop().create_future()

    def refuse(self, error: HypocenterError) -> None:
        if not self.receipts.done():
            self.receipts.set_exception(error)


class Intake:
    """Takes in what is told and asked: reads, decides, writes, and decides anew if somebody else wrote meanwhile.

    Of one tenant one thing is decided at a time here, all that waits together; other processes are noticed by the
    tenant's version, which everything raises that changes its incidents or how far their localizations are. Somebody
    always gets on, and nobody waits for one that died.
    """

    def __init__(self, server: Server, limit_s: float) -> None:
        self._server = server
        self._limit_s = limit_s
        self._waiting: dict[str, deque[_Waiting]] = {}
        self._lanes: set[asyncio.Task[None]] = set()

    async def put(self, telling: Telling) -> tuple[Receipt, ...]:
        """Return when it is written; it goes on if the caller is cancelled."""
        if sum(map(len, self._waiting.values())) >= MAX_WAITING:
            raise StoreError(f"store {self._server.shown}: {MAX_WAITING} notifications are waiting")
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
                waiting.refuse(StoreError(f"store {self._server.shown}: could not be taken in"))

    async def _settle(self, tenant: str, group: list[_Waiting]) -> None:
        try:
            async with asyncio.timeout(self._limit_s):
                receipts = await self._take_in(tenant, [waiting.telling for waiting in group])
        except TimeoutError:
            late = StoreError(f"store {self._server.shown}: not taken in within {self._limit_s:g} s")
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
                waiting.refuse(StoreError(f"store {self._server.shown}: could not be decided"))

    async def _take_in(self, tenant: str, tellings: list[Telling]) -> list[tuple[Receipt, ...]]:
        told, attempts = [_asked(telling) for telling in tellings], 0
        while True:
            key = tenant_key(tenant)
            version, concerned, stored = await self._server.run(Script.CONCERNED, tenant=key, told=told)
            draft = Draft([incident_of(one) for one in sorted(stored, key=seq_of)])
            receipts = [draft.take(*of_one) for of_one in zip(tellings, concerned, strict=True)]
            if await self._server.run(Script.PLACE, tenant=key, version=version, **draft.document()):
                return receipts
            attempts += 1
            await asyncio.sleep(AGAIN_S * attempts)


def _asked(telling: Telling) -> dict[str, object]:
    told = telling.notification
    return {
        "pairs": pairs_of(told.alerts),
        "group": told.group_key,
        "relatives": sorted(telling.kin.relatives(told.services)),
        "since": str(to_us(telling.now - telling.kin.within)),
    }
