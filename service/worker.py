"""Takes localizations from the store and answers them: one lease, one answer each, whatever dies in between."""

import asyncio
import json
import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from opentelemetry.trace import Span, SpanKind, Tracer

from service.agent.answering import Bench, Scene, look
from service.agent.document import localization_document, step_document
from service.agent.localize import Outcome
from service.agent.rounds import OnStep
from service.agent.transcript_json import to_dict
from service.consultation import Asker, Consultation
from service.domain.incident import Incident
from service.domain.localization import Localization
from service.domain.transcript import Frame, Step
from service.errors import HypocenterError, StoreError
from service.jobs.graph_json import graph_json
from service.jobs.lateness import Lateness
from service.jobs.outage import Outage, pause
from service.jobs.records import (
    NO_LIMITS,
    Claim,
    Ending,
    IncidentQuery,
    IncidentStatus,
    Lease,
    Limits,
    Reason,
    StoredStep,
)
from service.jobs.step_log import StepLog
from service.jobs.store import QUEUE, IncidentStore, LeaseLost
from service.ports import Telemetry
from service.telemetry import NAME, Meters, continued, logger, span
from service.text import printable
from service.view.windows import Sighting, WindowPolicy, firing_times, truncation_notes

IDLE_S = 1.0
"""How often the queue is looked at when nothing rings."""

HELD_UP = "localizations are held up"
ERROR_LENGTH = 300
NEIGHBOURS = 50
"""Open incidents whose time is kept out of a baseline; more are hardly ever open at once."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How many incidents are looked at at once, how long a lease holds, how long they may take to end when told to
    stop, and how soon one that raised is tried again: after ``retry_s``, growing with the square of the attempts. What
    has its interim answer and waits for the model's is no longer looked at; ``limits`` count it.
    """

    at_once: int = 2
    lease_s: float = 6.0
    drain_s: float = 10.0
    retry_s: float = 1.0
    limits: Limits = NO_LIMITS
    lateness: Lateness = field(default_factory=Lateness)


TelemetryOf = Callable[[str], AbstractAsyncContextManager[Telemetry]]
"""Lends the telemetry of a tenant, for as long as one of its incidents is looked at."""

Tell = Callable[[Claim, Localization], Sequence[str]]
"""Names the targets that are told an answer."""


def _nobody(_claim: Claim, _said: Localization) -> Sequence[str]:
    return ()


class Worker:
    """Works on the store's localizations. Any number of workers, in any processes, may share a store. What an incident
    sees is lent by ``telemetry_of`` its tenant; without it, all see that of the bench. Whether the bench's model is
    asked, the ``consultation`` decides; without one it always is. Who is told an answer, ``tell`` names. The ``outage``
    is that of the process.
    """

    def __init__(
        self,
        store: IncidentStore,
        bench: Bench,
        windows: WindowPolicy,
        pace: Pace,
        meters: Meters,
        tracer: Tracer,
        telemetry_of: TelemetryOf | None = None,
        consultation: Consultation | None = None,
        tell: Tell = _nobody,
        outage: Outage | None = None,
    ) -> None:
        self._store = store
        self._bench = bench
        self._telemetry_of: TelemetryOf = telemetry_of or (lambda _tenant: nullcontext(bench.telemetry))
        self._consultation = consultation
        self._tell = tell
        self._outage = outage or Outage()
        self._windows = windows
        self._pace = pace
        self._meters = meters
        self._tracer = tracer
        self._log = logger("worker")
        self._owner = _new_owner()
        self._attempts: set[asyncio.Task[None]] = set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until told to stop; then end what is under way, or hand it back after ``drain_s``."""
        async with asyncio.TaskGroup() as group:
            slots = [group.create_task(self._slot(stopping, group)) for _ in range(self._pace.at_once)]
            await stopping.wait()
            await asyncio.wait({*slots, *self._attempts}, timeout=self._pace.drain_s)
            for late in (*slots, *self._attempts):
                late.cancel()

    async def _slot(self, stopping: asyncio.Event, group: asyncio.TaskGroup) -> None:
        with self._store.watch(QUEUE) as queue:
            while not stopping.is_set():
                claim = await self._claim(stopping)
                if claim is None:
                    await queue.next(IDLE_S)
                else:
                    with continued(self._tracer, claim.localization.traceparent):
                        self._taken(claim)
                        await self._begin(claim, group)

    async def _begin(self, claim: Claim, group: asyncio.TaskGroup) -> None:
        """Begin an attempt, and return when there is time for the next."""
        free = asyncio.Event()
        attempt = group.create_task(self._attempt(claim, free))
        self._attempts.add(attempt)
        attempt.add_done_callback(self._attempts.discard)
        await free.wait()

    async def _claim(self, stopping: asyncio.Event) -> Claim | None:
        try:
            claim = await self._store.claim(self._owner, self._pace.lease_s, datetime.now(UTC), self._pace.limits)
        except StoreError as error:
            self._owner = _new_owner()  # something may have been taken, and a worker does not take over from itself
            await pause(stopping, self._outage.failed(HELD_UP, error))
            return None
        self._outage.worked(HELD_UP)
        return claim

    def _taken(self, claim: Claim) -> None:
        """Tell how long it waited in the queue, which began in whatever process."""
        queued, now = claim.localization, datetime.now(UTC)
        if queued.attempts == 1:
            self._meters.queue_seconds.observe(max(0.0, (now - queued.created_at).total_seconds()))
        told = {"hypocenter.localization.id": queued.id, "hypocenter.attempt": queued.attempts}
        with span("queue", told, SpanKind.CONSUMER, int(queued.created_at.timestamp() * 1e9)):
            pass

    async def _attempt(self, claim: Claim, free: asyncio.Event) -> None:
        """One try at a localization. It ends in an answer, dropped, in a failure that is kept, or in other hands;
        ``free`` is set as soon as it is no longer looked at.
        """
        work = asyncio.create_task(self._answer(claim, free))
        keeper = asyncio.create_task(self._keep(claim.lease, work))
        try:
            await work
        except asyncio.CancelledError:
            if _told_to_stop():
                await self._hand_back(claim)
                raise
            self._log.info("taken away: it was cancelled, or is in other hands", extra=_fields(claim))
        except LeaseLost as lost:
            self._log.info("%s", lost, extra=_fields(claim))
        except Exception as error:  # noqa: BLE001
            # The one place of the house that catches everything: whatever one incident does to us, it must not take
            # the worker with it, and it must be kept with the localization, where somebody will look for it.
            await self._failed(claim, error)
        finally:
            keeper.cancel()
            free.set()

    async def _keep(self, lease: Lease, work: "asyncio.Task[None]") -> None:
        """Renew the lease while the work goes on; without it, the work stops."""
        while True:
            await asyncio.sleep(self._pace.lease_s / 3)
            try:
                await self._store.renew(lease, self._pace.lease_s, datetime.now(UTC))
            except LeaseLost:
                work.cancel()
                return
            except StoreError as error:
                self._outage.failed(HELD_UP, error)
            else:
                self._outage.worked(HELD_UP)

    async def _answer(self, claim: Claim, free: asyncio.Event) -> None:
        """Localize, unless it is too late, and store the answer under the lease."""
        with span(f"invoke_agent {NAME}", _told(claim)) as active:
            now = datetime.now(UTC)
            incident = self._windows.incident(await self._sighting(claim, now), now)
            late = self._pace.lateness.reason(claim, incident.window, now)
            if late:
                await self._drop(claim, late)
            else:
                self._answered(claim, await self._localize(claim, incident, free), active)

    async def _localize(self, claim: Claim, incident: Incident, free: asyncio.Event) -> Localization:
        steps = StepLog(self._store, claim.lease)

        def on_step(frame: Frame, step: Step) -> None:
            steps.note(StoredStep(step.number, json.dumps(step_document(frame, step))))

        async with self._telemetry_of(incident.tenant) as telemetry:
            bench = replace(self._bench, telemetry=telemetry)
            scene = await look(incident, bench, claim.localization.deadline_s)
        if self._consultation is None:
            outcome = await scene.localize(bench.model, on_step)
        else:
            outcome = await self._consultation.answer(scene, self._asker(claim, scene, on_step, free))
        await steps.written()
        tell = self._tell(claim, outcome.localization)
        await self._store.finish(claim.lease, _ending(claim, scene, outcome), datetime.now(UTC), tell)
        return outcome.localization

    def _asker(self, claim: Claim, scene: Scene, on_step: OnStep, free: asyncio.Event) -> Asker:
        async def show(outcome: Outcome) -> None:
            try:
                await self._store.interim(claim.lease, _ending(claim, scene, outcome, "running"), datetime.now(UTC))
            except StoreError as error:
                self._log.warning("interim answer not shown: %s", error, extra=_fields(claim))
            free.set()

        async def still_helps() -> bool:
            incident = await self._store.incident(claim.incident.tenant, claim.incident.id)
            burns = incident is not None and incident.status is IncidentStatus.OPEN
            return burns or claim.localization.reason is Reason.ASKED

        return Asker(claim.incident.tenant, on_step, show, still_helps)

    async def _drop(self, claim: Claim, reason: str) -> None:
        await self._store.drop(claim.lease, reason, datetime.now(UTC))
        self._meters.ended.labels("dropped", "", "").inc()
        self._log.info("dropped: %s", reason, extra=_fields(claim))

    def _answered(self, claim: Claim, said: Localization, active: Span) -> None:
        active.set_attributes(_summary(said))
        self._meters.ended.labels("done", said.stop.value, said.ranked_by.value).inc()
        self._meters.seconds.observe(said.seconds)
        self._meters.steps.inc(said.usage.turns)
        fields = {"stop": said.stop, "ranked_by": said.ranked_by, "seconds": round(said.seconds, 3)}
        self._log.info("localized", extra=_fields(claim, **fields))

    async def _sighting(self, claim: Claim, now: datetime) -> Sighting:
        incident = claim.incident
        query = IncidentQuery(tenant=incident.tenant, status=IncidentStatus.OPEN, limit=NEIGHBOURS)
        neighbours = (await self._store.incidents(query)).incidents
        beside = (alert for other in neighbours if other.id != incident.id for alert in other.alerts)
        return Sighting(
            incident_id=incident.id,
            tenant=incident.tenant,
            alerts=incident.alerts,
            window=incident.window,
            others=firing_times(beside, now),
            since=incident.since(claim.localization.id),
            notes=truncation_notes(incident.truncated),
        )

    async def _hand_back(self, claim: Claim) -> None:
        try:
            await self._store.hand_back(claim.lease, datetime.now(UTC))
            self._log.info("handed back", extra=_fields(claim))
        except HypocenterError as error:
            self._log.warning("not handed back, its lease will run out: %s", error, extra=_fields(claim))

    async def _failed(self, claim: Claim, error: Exception) -> None:
        """Keep the failure; it is tried again after a while that grows, until it has failed too often."""
        self._meters.failures.inc()
        self._log.error("failed", exc_info=error, extra=_fields(claim))
        now = datetime.now(UTC)
        retry_at = now + timedelta(seconds=self._pace.retry_s * claim.localization.attempts**2)
        try:
            kept = await self._store.fail(claim.lease, _one_line(error), now, retry_at)
        except HypocenterError as unkept:
            self._log.error("failure not kept, its lease will run out: %s", unkept, extra=_fields(claim))
            self._owner = _new_owner()  # a worker does not take over from itself
            return
        if kept.status.ended:
            self._meters.ended.labels(kept.status.value, "", "").inc()


def _ending(claim: Claim, scene: Scene, outcome: Outcome, status: str = "done") -> Ending:
    ids = {"id": claim.localization.id, "incident_id": claim.incident.id}
    document = localization_document(outcome, **ids, status=status, links=scene.bench.links)
    return Ending(json.dumps(document), json.dumps(to_dict(outcome.transcript)), graph_json(scene.view.graph))


def _fields(claim: Claim, **more: object) -> dict[str, object]:
    ids = {"localization": claim.localization.id, "incident": claim.incident.id, "attempt": claim.localization.attempts}
    return {"fields": {**ids, **more}}


def _told(claim: Claim) -> dict[str, str | int]:
    return {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": NAME,
        "gen_ai.agent.name": NAME,
        "gen_ai.conversation.id": claim.localization.id,
        "hypocenter.incident.id": claim.incident.id,
        "hypocenter.attempt": claim.localization.attempts,
    }


def _summary(said: Localization) -> dict[str, str | int]:
    return {
        "gen_ai.request.model": said.model.name if said.model else "",
        "gen_ai.usage.input_tokens": said.usage.prompt_tokens,
        "gen_ai.usage.output_tokens": said.usage.completion_tokens,
        "hypocenter.stop": said.stop.value,
        "hypocenter.ranked_by": said.ranked_by.value,
    }


def _told_to_stop() -> bool:
    """Whether it is this task, not the one that it waits for, that was cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _one_line(error: Exception) -> str:
    text = str(error) if isinstance(error, HypocenterError) else f"{type(error).__name__}: {error}"
    return printable(" ".join(text.split()))[:ERROR_LENGTH]


def _new_owner() -> str:
    return f"{os.getpid()}-{secrets.token_hex(4)}"
