"""Takes deliveries from the store and makes them: each arrives once or more, always under the same id, never not at
all unless it is given up and kept as a dead letter.
"""

import asyncio
import os
import random
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from opentelemetry.trace import Tracer

from service.errors import BackendError, StoreError
from service.jobs.outage import Outage, pause
from service.jobs.records import Delivery
from service.jobs.store import DELIVERIES, IncidentStore, LeaseLost
from service.notify.answer import Untellable, answer_of
from service.notify.interest import Interest
from service.notify.news import News, Receiver
from service.telemetry import Meters, continued, logger, span
from service.telemetry import tracer as no_tracer

LONGEST_REST_S = 3600.0
"""A target that wants to be left alone for longer is tried again nevertheless."""

IDLE_S = 1.0
"""How often the outbox is looked at when nothing rings: what is tried again rings for nobody."""

HELD_UP = "deliveries are held up"
DELIVERED, KEPT_UP, FAILED, DEAD = "delivered", "kept_up", "failed", "dead"


@dataclass(frozen=True, slots=True)
class Target:
    """A receiver under the name that the settings give it; ``limit_s`` is how long sending may take, ``longest_s`` how
    long a delivery that failed waits at most, on average: what has to be kept up cannot wait for long.

    What does not arrive within ``give_up`` of the answer, or of its being sent again, is a dead letter.
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

    What nobody took for ``unserved`` is to a target that nobody serves any more; every ``sweep_s`` that is looked for.
    """

    first_s: float = 1.0
    margin_s: float = 2.0
    drain_s: float = 10.0
    unserved: timedelta = timedelta(days=1)
    sweep_s: float = 600.0

    def pause(self, attempts: int, longest_s: float) -> timedelta:
        """After so many attempts."""
        mean_s = min(self.first_s * 2.0 ** min(attempts - 1, 60), longest_s)
        return timedelta(seconds=mean_s * random.uniform(0.5, 1.5))  # noqa: S311


class Courier:
    """Delivers to the targets of its settings, to each one by one, so that none waits for another; what is for targets
    that are in nobody's settings any more it gives up.

    Any number of couriers, in any processes, may share a store; the ``outage`` is that of the process.
    """

    def __init__(
        self,
        store: IncidentStore,
        targets: Sequence[Target],
        patience: Patience,
        meters: Meters,
        public_url: str = "",
        tracer: Tracer | None = None,
        outage: Outage | None = None,
    ) -> None:
        self._store = store
        self._targets = targets
        self._patience = patience
        self._meters = meters
        self._public_url = public_url.rstrip("/")
        self._tracer = tracer or no_tracer()
        self._outage = outage or Outage()
        self._log = logger("notify")
        self._owner = f"{os.getpid()}-{secrets.token_hex(4)}"
        for target in targets:
            for outcome in (DELIVERED, KEPT_UP, FAILED, DEAD):
                meters.deliveries.labels(target.name, outcome)

    async def run(self, stopping: asyncio.Event) -> None:
        """Deliver until told to stop; then end what is under way. What is cut off after ``drain_s`` is sent again."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._round(target, stopping)) for target in self._targets]
            tasks.append(group.create_task(self._sweep(stopping)))
            await stopping.wait()
            _, late = await asyncio.wait(tasks, timeout=self._patience.drain_s)
            for task in late:
                task.cancel()

    async def _sweep(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                await self._abandon()
            except StoreError as error:
                await pause(stopping, self._outage.failed(HELD_UP, error))
            else:
                self._outage.worked(HELD_UP)
                await pause(stopping, self._patience.sweep_s)

    async def _abandon(self) -> None:
        """Give up what nobody takes, or it would wait, and hold its incident, for ever."""
        served, unserved = [target.name for target in self._targets], self._patience.unserved
        error = f"nobody took it for {unserved / timedelta(hours=1):g} h: no target of this name is set any more"
        now = datetime.now(UTC)
        while given_up := await self._store.abandon_deliveries(served, now - unserved, error, now):
            for name, count in Counter(given_up).items():
                self._meters.deliveries.labels(name, DEAD).inc(count)
                self._log.error("given up, %d not delivered to %s: %s", count, name, error)

    async def _round(self, target: Target, stopping: asyncio.Event) -> None:
        with self._store.watch(DELIVERIES) as outbox:
            while not stopping.is_set():
                delivery = await self._claim(target, stopping)
                if delivery is None:
                    await outbox.next(IDLE_S)
                else:
                    await pause(stopping, await self._attempt(target, delivery))

    async def _claim(self, target: Target, stopping: asyncio.Event) -> Delivery | None:
        lease_s = target.limit_s + self._patience.margin_s
        try:
            delivery = await self._store.claim_delivery(self._owner, lease_s, datetime.now(UTC), [target.name])
        except StoreError as error:
            await pause(stopping, self._outage.failed(HELD_UP, error))
            return None
        self._outage.worked(HELD_UP)
        return delivery

    async def _attempt(self, target: Target, delivery: Delivery) -> float:
        """One try, and what came of it is kept. Where it cannot be, the lease runs out and it is sent again.

        Returns how long the target wants to be left alone, in seconds.
        """
        try:
            return await self._settle(target, delivery)
        except (StoreError, LeaseLost) as error:
            self._log.warning("sent to %s perhaps, but not kept: %s", target.name, error, extra=_fields(delivery))
            return 0.0

    async def _settle(self, target: Target, delivery: Delivery) -> float:
        try:
            again = await self._send(target, await self._news(delivery))
        except Untellable as error:
            await self._given_up(target, delivery, str(error))
        except TimeoutError:
            await self._failed(target, delivery, f"not sent within {target.limit_s:g} s")
        except BackendError as error:
            rest_s = min(error.retry_after_s, LONGEST_REST_S)
            await self._failed(target, delivery, str(error), rest_s)
            return rest_s
        else:
            await self._sent(target, delivery, again)
        return 0.0

    async def _send(self, target: Target, news: News) -> datetime | None:
        """Send it, as a step of the trace that led to the answer."""
        told = {"hypocenter.target": target.name, "hypocenter.attempt": news.attempt}
        with continued(self._tracer, news.localization.traceparent), span(f"deliver {target.name}", told):
            async with asyncio.timeout(target.limit_s):
                return await target.receiver.send(news)

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

    async def _failed(self, target: Target, delivery: Delivery, error: str, rest_s: float = 0.0) -> None:
        now = datetime.now(UTC)
        retry_at = now + max(self._patience.pause(delivery.attempts, target.longest_s), timedelta(seconds=rest_s))
        if retry_at > delivery.queued_at + target.give_up:
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
