"""Takes deliveries from the store and makes them: each arrives once or more, always under the same id, never not at
all unless it is given up and kept as a dead letter.
"""

import asyncio
import os
import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from service.errors import BackendError, StoreError
from service.jobs.records import Delivery
from service.jobs.store import DELIVERIES, IncidentStore, LeaseLost
from service.notify.answer import Untellable, answer_of
from service.notify.interest import Interest
from service.notify.news import News, Receiver
from service.telemetry import Meters, logger

IDLE_S = 1.0
"""How often the outbox is looked at when nothing rings: what is tried again rings for nobody."""

DELIVERED, KEPT_UP, FAILED, DEAD = "delivered", "kept_up", "failed", "dead"


@dataclass(frozen=True, slots=True)
class Target:
    """A receiver under the name that the settings give it; ``limit_s`` is how long sending may take, ``longest_s`` how
    long a delivery that failed waits at most, on average: what has to be kept up cannot wait for long.

    What does not arrive within ``give_up`` of the answer is a dead letter.
    """

    name: str
    receiver: Receiver
    interest: Interest = field(default_factory=Interest)
    limit_s: float = 16.0
    longest_s: float = 300.0
    give_up: timedelta = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a failed delivery waits: about ``first_s``, then twice as long each time up to its target's bound, each
    longer or shorter by up to a half, so that what failed together does not come back together.

    ``margin_s`` is how much longer a lease holds than sending may take: what was sent has still to be marked.
    ``drain_s`` is how long one that is under way may take to end when the process is told to stop.
    """

    first_s: float = 1.0
    margin_s: float = 2.0
    drain_s: float = 10.0

    def pause(self, attempts: int, longest_s: float) -> timedelta:
        """After so many attempts."""
        mean_s = min(self.first_s * 2.0 ** min(attempts - 1, 60), longest_s)
        return timedelta(seconds=mean_s * random.uniform(0.5, 1.5))  # noqa: S311


class Courier:
    """Delivers to the targets of its settings, to each one by one, so that none waits for another.

    Any number of couriers, in any processes, may share a store.
    """

    def __init__(
        self, store: IncidentStore, targets: Sequence[Target], patience: Patience, meters: Meters, public_url: str = ""
    ) -> None:
        self._store = store
        self._targets = targets
        self._patience = patience
        self._meters = meters
        self._public_url = public_url.rstrip("/")
        self._log = logger("notify")
        self._owner = f"{os.getpid()}-{secrets.token_hex(4)}"
        for target in targets:
            for outcome in (DELIVERED, KEPT_UP, FAILED, DEAD):
                meters.deliveries.labels(target.name, outcome)

    async def run(self, stopping: asyncio.Event) -> None:
        """Deliver until told to stop; then end what is under way. What is cut off after ``drain_s`` is sent again."""
        async with asyncio.TaskGroup() as group:
            rounds = [group.create_task(self._round(target, stopping)) for target in self._targets]
            await stopping.wait()
            if rounds:
                _, late = await asyncio.wait(rounds, timeout=self._patience.drain_s)
                for task in late:
                    task.cancel()

    async def _round(self, target: Target, stopping: asyncio.Event) -> None:
        with self._store.watch(DELIVERIES) as outbox:
            while not stopping.is_set():
                delivery = await self._claim(target)
                if delivery is None:
                    await outbox.next(IDLE_S)
                else:
                    await self._attempt(target, delivery)

    async def _claim(self, target: Target) -> Delivery | None:
        try:
            lease_s = target.limit_s + self._patience.margin_s
            return await self._store.claim_delivery(self._owner, lease_s, datetime.now(UTC), [target.name])
        except StoreError as error:
            self._log.error("nothing can be delivered to %s: %s", target.name, error)
            await asyncio.sleep(IDLE_S)
            return None

    async def _attempt(self, target: Target, delivery: Delivery) -> None:
        """One try, and what came of it is kept. Where it cannot be, the lease runs out and it is sent again."""
        try:
            await self._settle(target, delivery)
        except (StoreError, LeaseLost) as error:
            self._log.warning("sent to %s perhaps, but not kept: %s", target.name, error, extra=_fields(delivery))

    async def _settle(self, target: Target, delivery: Delivery) -> None:
        try:
            news = await self._news(delivery)
        except Untellable as error:
            await self._given_up(target, delivery, str(error))
            return
        try:
            async with asyncio.timeout(target.limit_s):
                again = await target.receiver.send(news)
        except (BackendError, TimeoutError) as error:
            await self._failed(target, delivery, news, str(error) or f"not sent within {target.limit_s:g} s")
        else:
            await self._sent(target, delivery, again)

    async def _news(self, delivery: Delivery) -> News:
        """What is told. Raises `Untellable` and `StoreError`."""
        localization = await self._store.localization(delivery.tenant, delivery.localization_id)
        incident = await self._store.incident(delivery.tenant, delivery.incident_id)
        if localization is None or incident is None:
            raise Untellable("the answer is not kept any more")
        link = f"{self._public_url}/v1/localizations/{localization.id}" if self._public_url else ""
        answer = answer_of(localization.result)
        return News(delivery.id, delivery.attempts, answer, localization, incident, datetime.now(UTC), link)

    async def _sent(self, target: Target, delivery: Delivery, again: datetime | None) -> None:
        now = datetime.now(UTC)
        if again is None:
            await self._store.delivered(delivery, now)
        else:
            await self._store.undelivered(delivery, "", now, again)
        self._count(target, DELIVERED if again is None else KEPT_UP)

    async def _failed(self, target: Target, delivery: Delivery, news: News, error: str) -> None:
        now = datetime.now(UTC)
        retry_at = now + self._patience.pause(delivery.attempts, target.longest_s)
        if retry_at > news.answered_at + target.give_up:
            await self._given_up(target, delivery, error)
            return
        await self._store.undelivered(delivery, error, now, retry_at)
        self._count(target, FAILED)
        self._log.warning("not delivered to %s yet: %s", target.name, error, extra=_fields(delivery))

    async def _given_up(self, target: Target, delivery: Delivery, error: str) -> None:
        await self._store.undelivered(delivery, error, datetime.now(UTC), None)
        self._count(target, DEAD)
        self._log.error("given up, not delivered to %s: %s", target.name, error, extra=_fields(delivery))

    def _count(self, target: Target, outcome: str) -> None:
        self._meters.deliveries.labels(target.name, outcome).inc()


def _fields(delivery: Delivery) -> dict[str, object]:
    ids = {"delivery": delivery.id, "localization": delivery.localization_id, "attempt": delivery.attempts}
    return {"fields": {**ids, "incident": delivery.incident_id}}
