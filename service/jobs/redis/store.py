# ruff: noqa: D102 (what the methods mean is said at the port)

import asyncio
import json
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

from service.domain.window import Window
from service.errors import CallerError, StoreError
from service.jobs.bell import Bell
from service.jobs.draft import Draft, Telling
from service.jobs.grouping import Notification
from service.jobs.intake import Intake
from service.jobs.kin import NO_KIN, Kin
from service.jobs.records import (
    NO_LIMITS,
    Backlog,
    Change,
    Claim,
    Delivery,
    DeliveryRecord,
    DeliveryStatus,
    Ending,
    IncidentPage,
    IncidentQuery,
    IncidentRecord,
    JobStatus,
    Lease,
    Limits,
    LocalizationRecord,
    Question,
    Receipt,
    StoredStep,
    StoredVerdict,
)
from service.jobs.redis import rows
from service.jobs.redis.address import Address
from service.jobs.redis.health import described
from service.jobs.redis.rings import Rings
from service.jobs.redis.server import Script, Server
from service.jobs.store import (
    ABANDON_AT_ONCE,
    FORGET_AT_ONCE,
    MAX_ATTEMPTS,
    MAX_FAILURES,
    SILENT_S,
    LeaseLost,
    Watch,
)
from service.jobs.times import from_us, to_us

POLL_S = 1.0
"""How late a change is seen whose ring was lost."""

TIMEOUT_S = 5.0

AGAIN_S = 0.002
"""How soon what another gateway overtook is decided anew, growing with the attempts."""

PREFIX = "hypocenter:"


class RedisStore:
    """`service.jobs.store.IncidentStore` in one Redis or Valkey, for any number of gateways and workers.

    Jobs are not in a Stream: a consumer group hands out in the order of arrival, and here the severe goes first, what
    waits changes its place, tenants are passed over, and a failure waits before it is tried again. So what waits is in
    a sorted set for each tenant, what runs in one by the end of its lease, and scripts move things between them: each
    is one step for everybody, durable or not done. A token fences off whose lease was given to another. Wake-ups go
    over one channel; whoever missed one looks for itself.
    """

    def __init__(
        self,
        address: Address,
        prefix: str = PREFIX,
        timeout_s: float = TIMEOUT_S,
        poll_s: float = POLL_S,
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        """Nothing is asked yet: a server that is not there is told of by `check` and by every call. ``lost`` is called
        when the server turns out to lack what was written to it: it failed over to an empty or stale one.
        """
        self._server = Server(address, prefix, timeout_s, lost)
        self._intake = Intake(self._server.shown, self._take_in, timeout_s)
        self._bell = Bell(poll_s)
        self._rings = Rings(self._server, self._bell)

    async def accept(self, notification: Notification, now: datetime, kin: Kin = NO_KIN) -> tuple[Receipt, ...]:
        return await self._intake.put(Telling(notification, now, kin))

    async def ask(self, tenant: str, question: Question, now: datetime) -> Receipt:
        (receipt,) = await self._intake.put(Telling.asking(tenant, question, now))
        return receipt

    async def incident(self, tenant: str, incident_id: str) -> IncidentRecord | None:
        found = await self._read("incident", tenant, incident_id)
        return found and rows.incident_of(found)

    async def incidents(self, query: IncidentQuery) -> IncidentPage:
        if query.cursor and not (query.cursor.isascii() and query.cursor.isdigit() and len(query.cursor) < 16):
            raise CallerError("cursor: is none that a page of incidents ended with")
        found = await self._read(
            "incidents",
            query.tenant,
            service=query.service,
            status=query.status or "",
            cursor=query.cursor,
            limit=query.limit,
        )
        page = found[: query.limit]
        more = len(found) > query.limit
        return IncidentPage(tuple(map(rows.incident_of, page)), str(rows.seq_of(page[-1])) if more else "")

    async def localization(self, tenant: str, localization_id: str) -> LocalizationRecord | None:
        found = await self._read("localization", tenant, localization_id)
        return found and rows.localization_of(found)

    async def transcript(self, tenant: str, localization_id: str) -> str | None:
        (transcript,) = await self._documents(tenant, localization_id, "transcript")
        return transcript or None

    async def graph(self, tenant: str, localization_id: str) -> str | None:
        (graph,) = await self._documents(tenant, localization_id, "graph")
        return graph or None

    async def steps(self, tenant: str, localization_id: str, after: int) -> list[StoredStep]:
        found = await self._read("steps", tenant, localization_id, after=after)
        return [StoredStep(int(number), body) for number, body in found]

    async def cancel(self, tenant: str, localization_id: str, now: datetime) -> LocalizationRecord | None:
        found = await self._server.run(
            Script.CANCEL, tenant=rows.tenant_key(tenant), id=localization_id, now=_text(now)
        )
        return found and rows.localization_of(found)

    async def claim(self, owner: str, lease_s: float, now: datetime, limits: Limits = NO_LIMITS) -> Claim | None:
        found = await self._server.run(
            Script.CLAIM,
            owner=owner,
            now=_text(now),
            lease_until=_text(now + timedelta(seconds=lease_s)),
            at_once=limits.at_once,
            per_tenant=limits.per_tenant,
            most=MAX_ATTEMPTS,
        )
        if found is None:
            return None
        told, of = found
        if of is None:
            raise StoreError(f"localization {told[0]} belongs to an incident that is not there")
        lease = Lease(told[0], int(rows.fields_of(told[1])["token"]))
        return Claim(lease, rows.localization_of(told), rows.incident_of(of))

    async def renew(self, lease: Lease, lease_s: float, now: datetime) -> None:
        await self._under(lease, "renew", lease_until=_text(now + timedelta(seconds=lease_s)))

    async def add_steps(self, lease: Lease, steps: Sequence[StoredStep]) -> None:
        await self._under(lease, "add_steps", steps=[(str(step.number), step.body) for step in steps])

    async def interim(self, lease: Lease, ending: Ending, now: datetime) -> None:
        await self._under(lease, "interim", **_answer(ending))

    async def finish(self, lease: Lease, ending: Ending, now: datetime, tell: Sequence[str] = ()) -> None:
        await self._under(lease, "finish", now=_text(now), tell=list(dict.fromkeys(tell)), **_answer(ending))

    async def drop(self, lease: Lease, reason: str, now: datetime) -> None:
        await self._under(lease, "drop", now=_text(now), reason=reason)

    async def fail(self, lease: Lease, error: str, now: datetime, retry_at: datetime) -> LocalizationRecord:
        return await self._under(
            lease, "fail", now=_text(now), error=error, retry_at=_text(retry_at), most=MAX_FAILURES
        )

    async def hand_back(self, lease: Lease, now: datetime) -> None:
        await self._under(lease, "hand_back", now=_text(now))

    async def claim_delivery(
        self, owner: str, lease_s: float, now: datetime, targets: Collection[str]
    ) -> Delivery | None:
        until = _text(now + timedelta(seconds=lease_s))
        found = await self._server.run(
            Script.OUTBOX, act="take", owner=owner, now=_text(now), lease_until=until, targets=list(targets)
        )
        return found and rows.delivery_of(found)

    async def delivered(self, delivery: Delivery, now: datetime) -> None:
        await self._settle(delivery, DeliveryStatus.DELIVERED, "", now, now)

    async def undelivered(self, delivery: Delivery, error: str, now: datetime, retry_at: datetime | None) -> None:
        status = DeliveryStatus.DEAD if retry_at is None else DeliveryStatus.QUEUED
        await self._settle(delivery, status, error, now, retry_at or now)

    async def deliveries(self, tenant: str, localization_id: str) -> list[DeliveryRecord]:
        return [rows.delivery_record_of(flat) for flat in await self._read("deliveries", tenant, localization_id)]

    async def deliver_again(
        self, tenant: str, localization_id: str, target: str, now: datetime
    ) -> DeliveryRecord | None:
        whose = {"tenant": rows.tenant_key(tenant), "localization_id": localization_id}
        found = await self._server.run(Script.OUTBOX, act="again", **whose, target=target, now=_text(now))
        return found and rows.delivery_record_of(found)

    async def abandon_deliveries(
        self, served: Collection[str], due_before: datetime, error: str, now: datetime
    ) -> list[str]:
        bounds = {"due_before": _text(due_before), "most": ABANDON_AT_ONCE}
        return await self._server.run(
            Script.OUTBOX, act="abandon", served=list(served), error=error, now=_text(now), **bounds
        )

    async def forget(self, now: datetime, keep_s: float, keep_count: int) -> int:
        since, silent_since = (_text(now - timedelta(seconds=s)) for s in (keep_s, max(keep_s, SILENT_S)))
        return await self._server.run(
            Script.FORGET, since=since, silent_since=silent_since, keep_count=keep_count, most=FORGET_AT_ONCE
        )

    async def add_changes(self, tenant: str, changes: Sequence[Change]) -> None:
        told = [(_text(c.time), json.dumps([to_us(c.time), c.service, c.kind, c.summary])) for c in changes]
        await self._server.run(Script.NOTE, act="changes", tenant=rows.tenant_key(tenant), changes=told)

    async def changes(self, tenant: str, window: Window) -> list[Change]:
        found = await self._read("changes", tenant, start=_text(window.start), stop=_text(window.end))
        return [Change(from_us(us), *of_it) for us, *of_it in map(json.loads, found)]

    async def put_verdict(self, tenant: str, localization_id: str, verdict: StoredVerdict) -> None:
        await self._server.run(
            Script.NOTE,
            act="verdict",
            tenant=rows.tenant_key(tenant),
            id=localization_id,
            verdict=verdict.verdict,
            grade=verdict.grade,
            given_at=_text(verdict.given_at),
        )

    async def verdict(self, tenant: str, localization_id: str) -> StoredVerdict | None:
        verdict, grade, given_at = await self._documents(tenant, localization_id, "verdict", "grade", "given_at")
        return None if verdict is None else StoredVerdict(verdict, grade or "", from_us(int(given_at or 0)))

    def watch(self, topic: str) -> AbstractContextManager[Watch]:
        self._rings.listen()
        return self._bell.watch(topic)

    async def backlog(self, now: datetime) -> Backlog:
        counted, oldest = await self._read("backlog", "")
        counts = {**dict.fromkeys(JobStatus, 0), **{JobStatus(k): int(n) for k, n in rows.fields_of(counted).items()}}
        return Backlog(counts, 0.0 if oldest is None else max(0.0, (now - from_us(int(oldest))).total_seconds()))

    async def check(self) -> str:
        await self._server.run(Script.NOTE, act="check", now=_text(datetime.now(UTC)))
        info = await self._server.info()
        config = await self._server.config()
        line = described(self._server.shown, info, config)
        epoch = self._server.epoch
        return f"{line}; LOST what was written to it, {epoch.losses} times: {epoch.last_loss}" if epoch.losses else line

    async def close(self) -> None:
        await self._intake.close()
        await self._rings.close()
        await self._server.close()

    async def _take_in(self, tenant: str, tellings: Sequence[Telling]) -> Sequence[tuple[Receipt, ...]]:
        """Read, decide, write, and decide anew if another process wrote meanwhile, as the tenant's version tells, which
        everything raises that changes its incidents or how far their localizations are. Somebody always gets on, and
        nobody waits for one that died.
        """
        told, key, attempts = list(map(rows.asked_of, tellings)), rows.tenant_key(tenant), 0
        while True:
            version, concerned, stored = await self._server.run(Script.CONCERNED, tenant=key, told=told)
            draft = Draft([rows.incident_of(one) for one in sorted(stored, key=rows.seq_of)])
            receipts = [draft.take(*of_one) for of_one in zip(tellings, concerned, strict=True)]
            if await self._server.run(Script.PLACE, tenant=key, version=version, **rows.document_of(draft)):
                return receipts
            attempts += 1
            await asyncio.sleep(AGAIN_S * attempts)

    async def _read(self, look: str, tenant: str, id_: str = "", **more: object) -> Any:
        return await self._server.run(Script.READ, look=look, tenant=rows.tenant_key(tenant), id=id_, **more)

    async def _documents(self, tenant: str, localization_id: str, *names: str) -> Sequence[str | None]:
        return await self._read("documents", tenant, localization_id, names=names) or [None] * len(names)

    async def _under(self, lease: Lease, act: str, **more: object) -> LocalizationRecord:
        id_, token = lease.localization_id, str(lease.token)
        found = await self._server.run(Script.LEASE, act=act, id=id_, token=token, **more)
        if found is None:
            raise LeaseLost(f"localization {id_}: lease {token} holds no more")
        return rows.localization_of(found)

    async def _settle(
        self, delivery: Delivery, status: DeliveryStatus, error: str, now: datetime, retry_at: datetime
    ) -> None:
        settled = await self._server.run(
            Script.OUTBOX,
            act="settle",
            id=delivery.id,
            token=str(delivery.token),
            status=status,
            error=error,
            now=_text(now),
            retry_at=_text(retry_at),
        )
        if not settled:
            raise LeaseLost(f"delivery {delivery.id}: lease {delivery.token} holds no more")


def _text(time: datetime) -> str:
    return str(to_us(time))


def _answer(ending: Ending) -> dict[str, object]:
    return {"result": ending.result, "transcript": ending.transcript, "graph": ending.graph}
